"""The Pareto front of what was tried: score, cost, seconds; and which of it is taken, and why.

In: points, the first of them the program as it is. Out: those that no other beats in everything; one of them by a rule,
with the reason. Law: the same points give the same front and choice, whatever the order of those that follow; a score
that chance may have made is not bought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.optimize.statistics import ALPHA, Pairs, chance_of_lead, compared

PICKS = ("best", "cheapest", "knee")
SLOWER = 2.0
"""So many times the seconds are told of, where costs are other than seconds."""
CLOSE = 0.01
"""A score within this of the best counts as no worse for `cheapest`."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a candidate came to on validation: `score` from 0 to 1; `cost` for 1,000 rows (or runs), in the
    optimization's one unit; `seconds` of model time for as many, None where nothing was timed. `scores` are those of
    each example; one that `lapsed` asked about its rows together, and in the end no less often than one by one."""

    name: str
    score: float
    cost: float
    calls: float
    seconds: float | None
    on_front: bool = False
    scores: tuple[float, ...] = ()
    lapsed: bool = False

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


@dataclass(frozen=True, slots=True)
class Choice:
    """A point, in words why it is that one, and of each that scores higher why it is not."""

    point: Point
    why: str
    passed: tuple[str, ...] = ()


def pick(points: Sequence[Point], rule: str) -> Choice:
    """One point: the best that its cost is borne out for; the cheapest whose score is as good as that of the first
    point, which is the program as it is; the knee, farthest from the line between the front's ends; or the cheapest
    that reaches a score. Raises UserError for a rule that is none, and for a score that nothing reaches."""
    first, *others = points
    points = [first, *(point for point in others if not point.lapsed)]
    cheap = sorted(points, key=lambda p: (p.cost, -p.score, p.name))
    if rule == "best":
        return best(points)
    if rule == "cheapest":
        found = next(p for p in cheap if p.score >= first.score - CLOSE)
        return Choice(found, f"the cheapest that scores at most {CLOSE:g} less than the program as it is")
    if rule == "knee":
        return Choice(knee(pareto_front(points)), "the best trade of score for cost")
    least = least_score(rule)
    reached = next((p for p in cheap if p.score >= least), None)
    if reached is None:
        most = max(p.score for p in points)
        raise UserError(f"nothing reaches {rule}: the best is {most:.3f}", "pick another: --pick best", code="pick")
    return Choice(reached, f"the cheapest with {rule}")


def best(points: Sequence[Point]) -> Choice:
    """Of what scores no less than the first point, from the cheapest upwards: a dearer one takes its place where it
    scores higher and that is borne out for what it costs."""
    first = points[0]
    good = [point for point in points if point.score >= first.score]
    good.sort(key=lambda p: (p.cost, -p.score, p is not first, p.name))
    held, passed = good[0], list[str]()
    for point in good[1:]:
        if point.score <= held.score:
            continue
        lead = Lead(held, point, first.cost)
        if lead.borne_out:
            held, passed = point, []
        else:
            passed.append(f"{point.name} scores {point.score:.3f} and is passed over: {lead}")
    if held is first:
        return Choice(held, "no higher score is worth its cost" if passed else "nothing scores higher", tuple(passed))
    cost = f", at {held.cost / first.cost:.2f} times its cost" if first.cost else ""
    return Choice(held, f"{held.score:.3f} against {first.score:.3f} of the program as it is{cost}", tuple(passed))


@dataclass(frozen=True, slots=True)
class Lead:
    """A dearer point that scores higher than the one held. What costs no more than the program as it is, `usual`,
    counts as costing just as much."""

    held: Point
    dearer: Point
    usual: float

    @property
    def borne_out(self) -> bool:
        """At r times the cost, where chance alone would show such a lead, on the examples on which the two differ, at
        most once in 1 + r times; and where that is less than once in forty, at any cost."""
        return self.chance <= self.most_chance

    @property
    def pairs(self) -> Pairs:
        return compared(self.held.scores, self.dearer.scores)

    @property
    def chance(self) -> float:
        return chance_of_lead(self.pairs.better, self.pairs.worse)

    @property
    def most_chance(self) -> float:
        return max(ALPHA / 2, 1 / (1 + self.times))

    @property
    def times(self) -> float:
        held, dearer = (max(self.usual, point.cost) for point in (self.held, self.dearer))
        return dearer / held if held else (1.0 if not dearer else inf)

    def __str__(self) -> str:
        pairs = self.pairs
        return (
            f"{pairs.better} better and {pairs.worse} worse of {pairs.n} come by chance once in {1 / self.chance:.1f} "
            f"times, and for {self.times:.1f} times the cost of {self.held.name} once in {1 / self.most_chance:.1f} is "
            f"asked for"
        )


def slower(first: Point, point: Point) -> str:
    """What is to be said of a point that takes plainly longer than the first one, whatever it costs; "" of others."""
    if first.seconds is None or point.seconds is None or point.seconds <= SLOWER * first.seconds:
        return ""
    return (
        f"{point.name} is slow: {point.seconds:,.1f} s of model time for 1,000, "
        f"{point.seconds / first.seconds if first.seconds else inf:,.1f} times that of the program as it is"
    )


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
