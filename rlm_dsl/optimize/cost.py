"""What a candidate costs for 1,000 rows or runs: dollars where every model's price is known, else tokens.

In: a trial, the prices of settings. Out: numbers, a point of the Pareto front. Law: one unit for all candidates of an
optimization.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlm_dsl.models.settings import Settings
from rlm_dsl.optimize.evaluator import Trial
from rlm_dsl.optimize.pareto import Point


def all_priced(settings: Settings) -> bool:
    return all(settings.price_of(each.model) is not None for each in settings.by_alias().values())


def cost_of(trial: Trial, settings: Settings) -> float:
    """Of the trial itself."""
    prices = [settings.price_of(each.model) for each in trial.usage]
    if not all_priced(settings):
        return float(trial.tokens)
    known = zip(trial.usage, prices, strict=True)
    return sum(p.of(u.prompt_tokens, u.completion_tokens, u.cached_tokens) for u, p in known if p is not None)


def cost_text(cost: float, settings: Settings) -> str:
    return f"${cost:,.4f}" if all_priced(settings) else f"{cost:,.0f} tokens"


def cost_unit(settings: Settings) -> str:
    return "usd for 1,000" if all_priced(settings) else "tokens for 1,000"


def point_of(name: str, trial: Trial, scores: Sequence[float], settings: Settings) -> Point:
    """A trial's mean score with what 1,000 rows or runs cost and take."""
    thousand = per_thousand(trial, len(scores))
    seconds = None if trial.seconds is None else trial.seconds * thousand
    mean = sum(scores) / len(scores)
    return Point(name, mean, cost_of(trial, settings) * thousand, trial.requests * thousand, seconds)


def per_thousand(trial: Trial, examples: int) -> float:
    """What a candidate's use on examples is multiplied with for a run of 1,000: a cascade's recheck is made once a run,
    however many rows there are."""
    asks = trial.asked + trial.rechecked
    return (1000 * trial.asked / examples + trial.rechecked) / asks if asks else 0.0
