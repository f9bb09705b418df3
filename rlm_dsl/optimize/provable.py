"""What can be proved with the labels there are, and how many a gain takes: known before anything is asked.

In: how many examples the score is made on. Out: gains, numbers of labels, a line that says so. Law: these figures are
of the very tests that give the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np
from scipy.stats import binom

from rlm_dsl.optimize.statistics import ALPHA, gain_above, most_errors
from rlm_dsl.review.labels.parts import PARTS

WORSE = 0.05
"""A cheaper program counts as proved where its score is not worse by more than this, with a certainty of 95 %."""
POWER = 0.8
"""A gain can be proved where four of five tests of it would prove it."""
LOST = 1 / 3
"""Of what a change makes better, how much as many again it is thought to make worse: for plans alone."""
MODEST = 0.25
"""Where not even a gain of a quarter could be proved, a search is not begun without asking."""
ASKED_FOR = (0.1, 0.05)
MOST_LABELS, LARGE = 200_000, 100


@dataclass(frozen=True, slots=True)
class Provable:
    """What `test` examples can prove: no gain below `at_least`, whatever comes; four times in five one of `gain` (None:
    none); that a program is not worse only where `cheaper` holds. `labels` is how many examples in all a gain takes."""

    test: int
    at_least: float
    gain: float | None
    cheaper: bool
    labels: dict[float, int]
    graded: bool = False

    @property
    def enough(self) -> bool:
        return self.at_least <= MODEST

    def as_json(self) -> dict[str, object]:
        labels = {f"{gain:+.2f}": count for gain, count in self.labels.items()}
        gain = None if self.gain is None else round(self.gain, 4)
        return {"at_least": round(self.at_least, 4), "gain": gain, "cheaper": self.cheaper, "labels": labels}

    def lines(self) -> list[str]:
        """In words: of the examples there are, and of those that it would take."""
        likely = "" if self.gain is None else f", and one of {self.gain:+.2f} is likely to be"
        takes = ", ".join(f"{gain:+.2f} about {count:,}" for gain, count in self.labels.items())
        equal = all_labels(least_equal(self.graded))
        fit = "" if self.cheaper else f"; that a cheaper program is not worse cannot, which takes {equal:,} at least"
        return [
            f"{self.test} examples for the score: no gain below {self.at_least:+.2f} can be proved{likely}{fit}",
            f"labels that a gain takes: {takes}" + (", and more as scores are graded" if self.graded else ""),
        ]


def provable(test: int, *, graded: bool = False) -> Provable:
    """What so many examples for the score can prove."""
    labels = {gain: all_labels(examples_for(gain)) for gain in ASKED_FOR}
    at_least, likely = min(1.0, rows_to_prove(test, graded) / test), None if graded else likely_gain(test)
    return Provable(test, at_least, likely, test >= least_equal(graded), labels, graded)


def require_provable(found: Provable, confirm: Callable[[str], None]) -> None:
    """Before anything is asked: where not even a great gain could be proved, whether to go on is asked."""
    if not found.enough:
        fewest = ceil(rows_to_prove(LARGE) / MODEST)
        confirm(
            f"{found.test} examples for the score prove next to nothing: of them no gain below {found.at_least:+.2f}, "
            f"and even {MODEST:+.2f} takes {fewest}, about {all_labels(fewest)} labels in all"
        )


def require_provable_after(scores: Sequence[float], test: int, confirm: Callable[[str], None]) -> None:
    """When the program as it is has its score: where it leaves so few wrong that even all of them put right would prove
    nothing, and a cheaper program could not be proved either, whether to go on is asked."""
    wrong = sum(score < 1 for score in scores)
    most = most_errors(wrong, len(scores), ALPHA)
    if most * test < rows_to_prove(test) and test < least_equal():
        confirm(
            f"the program as it is has {wrong} of {len(scores)} wrong, and of {test} examples for the score "
            f"{rows_to_prove(test)} must get better to prove anything; that a cheaper program is not worse takes "
            f"{least_equal()} of them, of {all_labels(least_equal())} labels"
        )


def all_labels(test: int) -> int:
    """How many examples there must be for so many to be left for the score."""
    return ceil(100 * test / dict(PARTS)["test"])


@cache
def rows_to_prove(test: int, graded: bool = False) -> int:
    """How many rows must get better, where none gets worse; more than there are where that is not enough."""
    for count in range(1, test + 1):
        after = [1.0] * count + [0.0] * (test - count)
        if gain_above([0.0] * test, after, 0.0, graded=graded):
            return count
    return test + 1


def power(test: int, gain: float) -> float:
    """How often a true gain is proved, where one row gets worse for every three that get better."""
    lost = min(gain * LOST / (1 - LOST), (1 - gain) / 2)
    won = gain + lost
    differ = np.arange(test + 1)
    needed = differ - binom.ppf(ALPHA / 2, differ, 0.5) + 1  # the least that is too much for chance
    needed = np.where(binom.sf(needed - 2, differ, 0.5) <= ALPHA / 2, needed - 1, needed)
    return float((binom.pmf(differ, test, won + lost) * binom.sf(needed - 1, differ, won / (won + lost))).sum())


@cache
def likely_gain(test: int) -> float | None:
    """The least gain that four of five tests prove, in hundredths; None where no gain is so sure."""
    return next((gain / 100 for gain in range(1, 101) if power(test, gain / 100) >= POWER), None)


@cache
def examples_for(gain: float) -> int:
    """How many examples for the score prove such a gain in four of five tests."""
    low, high = 1, 8
    while power(high, gain) < POWER and high < MOST_LABELS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, gain) >= POWER else (middle, high)
    return high


@cache
def least_equal(graded: bool = False) -> int:
    """How many examples prove a program not worse of which every answer is the same."""
    return next(n for n in range(1, 1_000) if gain_above([0.0] * n, [0.0] * n, -WORSE, graded=graded))
