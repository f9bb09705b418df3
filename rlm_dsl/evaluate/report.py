"""What an evaluation came to: a line a system, with the interval that its score lies in.

In: outcomes. Out: summaries, a table, JSON. Law: a task without an answer scores 0 and is counted by its kind of
failure; one that was never asked, or met a dead server, is counted and left out of the score.

Scores of 0 and 1 alone have Wilson's interval, others the 95 % percentiles of 2,000 seeded bootstrap means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy

from rlm_dsl.common.counted import money
from rlm_dsl.common.intervals import wilson
from rlm_dsl.evaluate.outcomes import RECORDED_NAMES, Outcome
from rlm_dsl.models.prices import Price
from rlm_dsl.models.recording import Usage

DRAWS, SEED = 2_000, 0
PriceOf = Callable[[str], Price | None]


def no_price(model: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval, and by which method."""

    mean: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A system over its tasks; tokens and calls are of all of them, turns and seconds a task's mean."""

    system: str
    tasks: int
    unasked: int
    score: Interval | None
    calls: int
    new_calls: int
    root_tokens: int
    row_tokens: int
    usd: float | None
    turns: float
    seconds: float
    failures: dict[str, int]
    groups: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        return {RECORDED_NAMES.get(name, name): value for name, value in asdict(self).items()}


def interval(scores: Sequence[float]) -> Interval:
    """The mean score with its interval. The scores must not be none."""
    mean = sum(scores) / len(scores)
    if all(score in (0, 1) for score in scores):
        return Interval(mean, *wilson(mean, len(scores)), "Wilson")
    draws = numpy.random.default_rng(SEED).choice(numpy.asarray(scores), (DRAWS, len(scores))).mean(axis=1)
    low, high = (float(bound) for bound in numpy.quantile(draws, (0.025, 0.975)))
    return Interval(mean, low, high, "bootstrap")


def summaries(outcomes: Iterable[Outcome], price_of: PriceOf = no_price) -> tuple[Summary, ...]:
    """One a system, in the order in which they come."""
    by_system: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_system.setdefault(outcome.system, []).append(outcome)
    return tuple(summary(name, held, price_of) for name, held in by_system.items())


def summary(system: str, outcomes: Sequence[Outcome], price_of: PriceOf) -> Summary:
    scored = [outcome for outcome in outcomes if outcome.lasting]
    usage = [each for outcome in outcomes for each in outcome.usage]
    groups: dict[str, list[float]] = {}
    for outcome in scored:
        groups.setdefault(outcome.group, []).append(outcome.score)
    return Summary(
        system,
        len(scored),
        len(outcomes) - len(scored),
        interval([outcome.score for outcome in scored]) if scored else None,
        sum(each.calls for each in usage),
        sum(each.new for each in usage),
        sum(each.prompt_tokens + each.completion_tokens for each in usage if each.root),
        sum(each.prompt_tokens + each.completion_tokens for each in usage if not each.root),
        cost(usage, price_of),
        mean([outcome.turns for outcome in scored]),
        mean([outcome.seconds for outcome in scored]),
        dict(sorted(Counter(outcome.failure for outcome in outcomes if outcome.failure).items())),
        {name: mean(scores) for name, scores in sorted(groups.items()) if name},
    )


def cost(usage: Iterable[Usage], price_of: PriceOf) -> float | None:
    """Dollars, also for answers that were known; None where a price is not."""
    found = 0.0
    for each in usage:
        price = price_of(each.model)
        if price is None:
            return None
        found += price.of(each.prompt_tokens, each.completion_tokens, each.cached_tokens)
    return found


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


HEADS = (
    "contender",
    "tasks",
    "score",
    "95 % interval",
    "calls",
    "new",
    "root tokens",
    "row tokens",
    "turns",
    "s a task",
)


def table(found: Sequence[Summary]) -> str:
    """The summaries as text, with their groups and failures below."""
    dollars = any(each.usd is not None for each in found)
    rows = [[*HEADS, *(["cost"] if dollars else [])], *(cells(each, dollars) for each in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for each in found:
        lines += [f"{each.system}: {name}: {score:.3f}" for name, score in each.groups.items()]
    for each in found:
        if each.failures:
            lines.append(f"{each.system} failed: {', '.join(f'{n} {kind}' for kind, n in each.failures.items())}")
        if each.unasked:
            lines.append(f"{each.system}: {each.unasked} not scored; run the same command again")
    return "\n".join(lines)


def cells(each: Summary, dollars: bool) -> list[str]:
    score, bounds = "-", "-"
    if each.score is not None:
        score = f"{each.score.mean:.3f}"
        bounds = f"{each.score.low:.3f} to {each.score.high:.3f} ({each.score.method})"
    cost = [money(each.usd) if each.usd is not None else "-"] if dollars else []
    counts = (each.calls, each.new_calls, each.root_tokens, each.row_tokens)
    return [each.system, str(each.tasks), score, bounds, *(f"{count:,}" for count in counts), f"{each.turns:.1f}",
            f"{each.seconds:.2f}", *cost]  # fmt: skip
