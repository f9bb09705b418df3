"""Prices of well-known models, as data with a date.

In: a model's name. Out: its price, or None. Law: a model that is not in the table has no price; none is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rlm_dsl.models.settings import Price

TABLE = Path(__file__).with_name("prices.yaml")
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{8}$")


def known_price(model: str) -> Price | None:
    """The price of a model, or of the model that it is a dated version of."""
    return known_prices().get(DATED.sub("", model))


@cache
def known_prices() -> Mapping[str, Price]:
    import yaml

    held = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {model: Price.read(price) for model, price in held["models"].items()}
