"""What a candidate costs for 1,000 rows or runs: dollars, seconds where weights of one's own are asked, else tokens.

In: a trial, settings, what the user wants counted. Out: numbers in one unit. Law: one unit for all candidates of an
optimization; the models that write instructions or explore are no part of a candidate's cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rlm_dsl.common.counted import money
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.settings import Settings
from rlm_dsl.optimize.evaluator import Trial

UNITS = ("usd", "seconds", "tokens")
WRITERS = ("writer", "root")
"""Aliases that no step is asked by, unless it says so."""
LESS = {"usd": 0.95, "tokens": 0.95, "seconds": 0.8}
"""What a cost must be below, as a share of another, to be plainly less: seconds differ from time to time."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts in one unit. `a_token` is what a token took, in seconds, where the program was first tried: for trials of
    which no call was timed."""

    unit: str
    settings: Settings
    a_token: float = 0.0

    def of(self, trial: Trial) -> float:
        """Of the trial itself."""
        if self.unit == "seconds":
            return trial.tokens * self.a_token if trial.seconds is None else trial.seconds
        if self.unit == "tokens":
            return float(trial.tokens)
        prices = [self.settings.price_of(each.model) for each in trial.usage]
        known = zip(trial.usage, prices, strict=True)
        return sum(p.of(u.prompt_tokens, u.completion_tokens, u.cached_tokens) for u, p in known if p is not None)

    def of_thousand(self, trial: Trial, examples: int) -> float:
        small = 0.0 if trial.small is None else self.of(trial.small) * 1000 / examples
        return self.of(trial) * per_thousand(trial, examples) + small

    def plainly_less(self, before: float, after: float) -> bool:
        return after < LESS[self.unit] * before

    def text(self, cost: float) -> str:
        return {"usd": money(cost), "seconds": f"{cost:,.1f} s", "tokens": f"{cost:,.0f} tokens"}[self.unit]

    @property
    def name(self) -> str:
        return f"{self.unit} for 1,000"


def asked_models(settings: Settings, used: Iterable[str]) -> dict[str, ModelSettings]:
    """The models, by alias, that steps are or could be asked by; `used` are the aliases that they name."""
    held = settings.by_alias()
    return {alias: each for alias, each in held.items() if alias not in WRITERS or alias in {*used}}


def unit_of(settings: Settings, used: Iterable[str], wanted: str | None) -> str:
    """The unit that is wanted, else dollars where every model's price is known, seconds where a model without one is of
    weights of one's own, else tokens. Raises UserError for dollars that cannot be had."""
    models = asked_models(settings, used).values()
    unpriced = [each for each in models if settings.price_of(each.model) is None]
    if wanted == "usd" and unpriced:
        raise UserError(f"the price of {unpriced[0].model} is not known", "say it: --price 0.25/2.00", code="price")
    local = any(each.base_url in settings.local for each in unpriced)
    return wanted or ("usd" if not unpriced else "seconds" if local else "tokens")


def cost_in(unit: str, settings: Settings, base: Trial) -> Cost:
    """How costs are counted, by the first trial: in the unit, but in tokens where that is seconds and they are not
    known."""
    if unit == "seconds" and base.seconds is None and base.tokens:
        unit = "tokens"
    return Cost(unit, settings, (base.seconds or 0.0) / base.tokens if base.tokens else 0.0)


def per_thousand(trial: Trial, examples: int) -> float:
    """What a candidate's use on examples is multiplied with for a run of 1,000: a cascade's recheck is made once a run,
    however many rows there are."""
    asks = trial.asked + trial.rechecked
    return (1000 * trial.asked / examples + trial.rechecked) / asks if asks else 0.0
