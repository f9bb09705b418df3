"""The Pareto front of what was tried: score, cost, seconds; and which of it is taken.

In: points. Out: those that no other beats in everything; one of them by a rule. Law: the same points give the same
front and choice, whatever their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError

PICKS = ("best", "cheapest", "knee")
CLOSE = 0.01
"""A score within this of the best counts as no worse for `cheapest`."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a candidate came to on validation: `score` from 0 to 1; `cost` for 1,000 rows (or runs), in dollars where
    all prices are known, else in tokens; `seconds` of model time for as many, None where nothing was timed."""

    name: str
    score: float
    cost: float
    calls: float
    seconds: float | None
    on_front: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "score": round(self.score, 4),
            "cost": round(self.cost, 6),
            "calls": round(self.calls, 1),
            "seconds": None if self.seconds is None else round(self.seconds, 2),
            "front": self.on_front,
        }


def dominates(a: Point, b: Point) -> bool:
    """Whether a is as good in everything, and better in something."""
    pairs = [(a.score, b.score), (-a.cost, -b.cost)]
    if a.seconds is not None and b.seconds is not None:
        pairs.append((-a.seconds, -b.seconds))
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats, from the cheapest to the dearest."""
    held = [each for each in points if not any(dominates(other, each) for other in points)]
    return sorted(held, key=lambda p: (p.cost, -p.score, p.name))


def pick(points: Sequence[Point], rule: str) -> Point:
    """One point of the front: the best score; the cheapest whose score is as good as that of the first point, which is
    the program as it is; the knee, farthest from the line between the front's ends; or the cheapest that reaches a
    score. Raises UserError for a rule that is none, and for a score that nothing reaches."""
    cheap = sorted(points, key=lambda p: (p.cost, -p.score, p.name))
    if rule == "best":
        return min(points, key=lambda p: (-p.score, p.cost, p.name))
    if rule == "cheapest":
        return next(p for p in cheap if p.score >= points[0].score - CLOSE)
    if rule == "knee":
        return knee(pareto_front(points))
    least = least_score(rule)
    found = next((p for p in cheap if p.score >= least), None)
    if found is None:
        best = max(p.score for p in points)
        raise UserError(f"nothing reaches {rule}: the best is {best:.3f}", "pick another: --pick best", code="pick")
    return found


def check_rule(rule: str) -> None:
    """Raises UserError for a rule that is none."""
    if rule not in PICKS:
        least_score(rule)


def least_score(rule: str) -> float:
    kind, compared, share = rule.replace(" ", "").partition(">=")
    try:
        least = float(share)
    except ValueError:
        least = -1.0
    if kind not in ("accuracy", "score") or not compared or not 0 <= least <= 1:
        raise UserError(f"no rule to pick by: {rule!r}", "--pick best, cheapest, knee or 'accuracy>=0.9'")
    return least


def knee(points: Sequence[Point]) -> Point:
    low, high = points[0], max(points, key=lambda p: p.score)
    width, height = (high.cost - low.cost) or 1.0, (high.score - low.score) or 1.0
    return max(points, key=lambda p: ((p.score - low.score) / height - (p.cost - low.cost) / width, -p.cost))
