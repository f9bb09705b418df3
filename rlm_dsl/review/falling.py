"""Whether a model agrees with people less often than it did: a changed model, a changed corpus.

In: of each period which reviewed rows the model was right about. Out: a verdict for the last one. Law: where nothing
changed, an alarm comes within any twelve periods with a probability of 5 % at the most: each period spends a twelfth of
that, on exact tests (Fisher's, one-sided) of the last one, two and three periods against all before them. A row that
both sides hold, by what it shows, counts in the later one alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.review.estimates.limits import at_most

FALSE_ALARMS = 0.05
"""The probability of an alarm within `PERIODS` periods where nothing changed."""
PERIODS = 12
BACK = (1, 2, 3)
"""Of how many periods the later side is made."""

Rows = Mapping[str, bool]
"""Reviewed rows by their digests, and whether the model was right."""


@dataclass(frozen=True)
class Falling:
    """`now` and `before` are right answers of so many rows; of the split at which the drop is least likely by chance,
    `chance` being how likely. `alarm` says that it is less likely than what a period may spend."""

    step: str
    now: tuple[int, int]
    before: tuple[int, int]
    periods: int
    chance: float
    alarm: bool

    def told(self) -> str:
        shares = [f"{100 * right / rows:.0f} % of {rows:,}" for right, rows in (self.now, self.before)]
        last = "this period" if self.periods == 1 else f"the last {self.periods} periods"
        if not self.alarm:
            return f"{self.step}: agreement with people has not fallen: {shares[0]} reviewed rows, {shares[1]} before"
        return (
            f"{self.step}: agreement with people FELL: {shares[0]} reviewed rows in {last}, {shares[1]} before "
            f"(by chance once in {1 / max(self.chance, 1e-9):,.0f}); the model or the data may be others now"
        )

    def as_json(self) -> dict[str, Any]:
        sides = {name: {"right": k, "rows": n} for name, (k, n) in (("now", self.now), ("before", self.before))}
        return {"step": self.step, **sides, "periods": self.periods, "chance": self.chance, "alarm": self.alarm}


def falling(step: str, periods: Sequence[Rows]) -> Falling | None:
    """Whether agreement fell in the last of the periods, oldest first; None where there is nothing to compare."""
    splits = [back for back in BACK if back < len(periods)]
    found: Falling | None = None
    for back in splits:
        now = merged(periods[-back:])
        before = {row: right for row, right in merged(periods[:-back]).items() if row not in now}
        if not now or not before:
            continue
        one, other = ((sum(side.values()), len(side)) for side in (now, before))
        chance = drop(one, other)
        bound = FALSE_ALARMS / PERIODS / len(splits)
        if found is None or chance < found.chance:
            found = Falling(step, one, other, back, chance, chance <= bound)
    return found


def merged(periods: Sequence[Rows]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for rows in periods:
        found |= rows
    return found


def drop(now: tuple[int, int], before: tuple[int, int]) -> float:
    """How likely so few right answers are in the later side, were it drawn from both together."""
    right, rows = now
    held, size = right + before[0], rows + before[1]
    return at_most(right, rows, held, size)
