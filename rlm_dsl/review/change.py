"""Changes between two runs: whether a number moved by more than the error of both.

In: what reviews say of two runs. Out: a change a number, with its limits. Law: where the two share reviewed rows, or it
is not known, the limits hold whatever the rows have to do with each other: each side's own limits at half the error
(Bonferroni). Where they share none the samples are independent, and the distances are added as squares (MOVER; Zou and
Donner, 2008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.review.corrected import Corrected, figure
from rlm_dsl.review.estimates.estimate import Estimate, Part, added, less
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.reviewed import Reviewed, name_of

LARGER, NOT_LARGER = "larger than the error", "not larger than the error"


@dataclass(frozen=True)
class Change:
    """A number on both sides. `value` is by how much it changed, with its limits; `shared` counts the reviewed rows
    that both rest on. Where it is not known, `why` says why."""

    part: tuple[str, ...]
    column: str
    group: Mapping[str, Any]
    model: float | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    whole: bool = False
    shared: int = 0
    why: str = ""

    @property
    def larger(self) -> bool | None:
        """Whether it is larger than the error: that its limits do not hold nothing. None where that is not known."""
        if self.low is None or self.high is None:
            return None
        return self.low > 0 or self.high < 0

    @property
    def name(self) -> str:
        return name_of(Corrected(self.part, self.column, self.group, (), Estimate(None)))

    def told(self, *, both: bool = True) -> str:
        """As people read it; with `both`, also how many reviewed rows the two share."""
        model = "" if self.model is None else f"{signed(self.model, self.whole)} by the model; "
        if self.value is None or self.low is None or self.high is None:
            return f"{model}whether that is larger than the error is not known: {self.why}"
        value, low, high = (signed(each, self.whole) for each in (self.value, self.low, self.high))
        verdict = LARGER if self.larger else NOT_LARGER
        shared = self.shared_told() if both else ""
        return f"{model}{value} ({low} to {high}, {100 * LEVEL:g} %) by reviewed rows: {verdict}{shared}"

    def shared_told(self) -> str:
        return f"; {counted(self.shared, 'reviewed row')} in both, the limits are wide for it" if self.shared else ""

    def as_json(self) -> dict[str, Any]:
        where = {"column": self.column, "group": dict(self.group)} if self.column else {}
        found: dict[str, Any] = {"part": list(self.part), **where, "model": self.model}
        if self.value is None:
            return {**found, "why": self.why}
        limits = {"value": self.value, "low": self.low, "high": self.high, "level": LEVEL}
        return {**found, **limits, "shared": self.shared, "larger_than_error": self.larger}


def signed(number: float, whole: bool) -> str:
    told = figure(number, whole)
    return told if told.startswith("-") or told == "0" else f"+{told}"


def changes_between(before: Reviewed, after: Reviewed) -> tuple[Change, ...]:
    """Every number that both runs have and that rests on a model, where rows of either were reviewed."""
    if not before.steps and not after.steps:
        return ()
    one, other = before.by_key(), after.by_key()
    shared = shared_rows(before, after)
    found = []
    for key, (now, wide_now) in other.items():
        then, wide_then = one.get(key, (None, None))
        found.append(change_of(then, now, wide_then, wide_now, shared, before, after))
    return tuple(found)


def shared_rows(before: Reviewed, after: Reviewed) -> int:
    """How many rows, by what they show, were reviewed for both."""
    rows = [{(t.question, row) for t in side.trials for row in (*t.right, *t.others)} for side in (before, after)]
    return len(rows[0] & rows[1])


def change_of(
    then: Corrected | None,
    now: Corrected,
    wide_then: tuple[float, float] | None,
    wide_now: tuple[float, float] | None,
    shared: int,
    before: Reviewed,
    after: Reviewed,
) -> Change:
    where = (now.part, now.column, now.group)
    one, other = None if then is None else then.estimate, now.estimate
    if one is None:
        return Change(*where, None, why="the other run does not have it")
    model = None if one.model is None or other.model is None else other.model - one.model
    for estimate, side, name in ((one, before, "the one before"), (other, after, "this one")):
        if not estimate.known:
            reviewed = "no row of it was reviewed" if not side.steps else estimate.why
            return Change(*where, model, why=f"of {name} no error is known: {reviewed}")
    if one.value is None or one.low is None or one.high is None or other.value is None:
        return Change(*where, model, why="it has no limits")
    whole = one.whole and other.whole
    if shared:
        if wide_then is None or wide_now is None:
            return Change(*where, model, why="the two share reviewed rows, whose limits are known at one level alone")
        value, low, high = other.value - one.value, wide_now[0] - wide_then[1], wide_now[1] - wide_then[0]
        return Change(*where, model, value, low, high, whole, shared)
    earlier: Part = (one.value, one.low, one.high)
    later: Part = (other.value, other.low or 0.0, other.high or 0.0)
    return Change(*where, model, *added([later, less(earlier)]), whole)
