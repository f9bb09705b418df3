"""What models cost: a price, and those of well-known models, as data with a date.

In: a model's name. Out: its price, or None. Law: a model that is not in the table has no price; none is guessed; the
table is read when a price is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError

TABLE = Path(__file__).with_name("prices.yaml")
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{8}$")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, given and answered."""

    prompt: float
    completion: float

    @staticmethod
    def read(text: str) -> Price:
        """From `0.25/2.00`."""
        given, _, answered = text.partition("/")
        try:
            return Price(float(given), float(answered or given))
        except ValueError:
            raise UserError(
                f"no price: {text!r}", "write --price 0.25/2.00 (dollars for a million tokens, in/out)"
            ) from None

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1_000_000


def known_price(model: str) -> Price | None:
    """The price of a model, or of the model that it is a dated version of."""
    return known_prices().get(DATED.sub("", model))


@cache
def known_prices() -> Mapping[str, Price]:
    import yaml

    held = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {model: Price.read(price) for model, price in held["models"].items()}
