"""What models cost: a price, and those of well-known models, as data with a date.

In: a model's name. Out: its price, or None. Law: a model that is not in the table has no price; none is guessed; the
table is read when a price is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError

TABLE = Path(__file__).with_name("prices.yaml")
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{8}$")
STATE = re.compile(r"([-@:](\d{3,4}|\d{6}|\d{8}|\d{4}-\d{2}-\d{2}|v\d+|latest|preview|exp|free))+$")
"""What says which state of a model a name stands for, at its end."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, given and answered; `cached` for those given that the server had read before,
    None where that is not known: then they cost what others do. `batch` is the share of all these that a request costs
    by the Batch API, None where that is not known."""

    prompt: float
    completion: float
    cached: float | None = None
    batch: float | None = None

    @staticmethod
    def read(text: str) -> Price:
        """From `0.25/2.00`, or `0.25/2.00/0.025` with the price of what is read again, or `0.25/2.00/0.025/0.5` with
        the share of them by the Batch API too."""
        given, *more = text.split("/")
        try:
            answered, *others = map(float, more or [given])
            if len(others) > 2:
                raise ValueError(text)
            return Price(float(given), answered, *others)
        except ValueError:
            raise UserError(
                f"no price: {text!r}",
                "write --price 0.25/2.00 (dollars for a million tokens, in/out), or 0.25/2.00/0.025 (in/out/cached), "
                "or 0.25/2.00/0.025/0.5 (and the share of them by the Batch API)",
            ) from None

    def of(
        self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0, *, by_batch: bool = False
    ) -> float:
        """Dollars; `cached_tokens` are among those of the prompt."""
        again = min(cached_tokens, prompt_tokens) if self.cached is not None else 0
        dollars = (prompt_tokens - again) * self.prompt + again * (self.cached or 0.0)
        share = 1.0 if self.batch is None or not by_batch else self.batch
        return share * (dollars + completion_tokens * self.completion) / 1_000_000

    def as_json(self) -> list[float | None]:
        """As a trace's header has it, without what is not known at its end."""
        if self.batch is not None:
            return [self.prompt, self.completion, self.cached, self.batch]
        return [self.prompt, self.completion, *([] if self.cached is None else [self.cached])]


def known_price(model: str) -> Price | None:
    """The price of a model, or of the model that it is a dated version of."""
    return known_prices().get(DATED.sub("", model))


def is_another(named: str, answered: str) -> bool:
    """Whether the model that answered is surely another than the one that was named: not the same with its maker, its
    date, or where its weights lie. A server that does not say who answers is believed."""
    return bool(answered) and bare_name(named) != bare_name(answered)


def bare_name(model: str) -> str:
    name = re.split(r"[/\\]", model.strip().lower().removesuffix(".gguf"))[-1]
    return STATE.sub("", name)


def price_name(named: str, answered: str) -> str:
    """The model whose price an answer has: the one named, unless that has a price by its name alone and another
    answered."""
    return answered if known_price(named) is not None and is_another(named, answered) else named


@cache
def known_prices() -> Mapping[str, Price]:
    import yaml

    held = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {model: replace(Price.read(price), batch=held["batch"]) for model, price in held["models"].items()}
