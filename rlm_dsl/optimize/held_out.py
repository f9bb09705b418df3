"""The test on examples held back: once, by the program as it is and by the one result, after everything is chosen.

In: scores and costs before and after. Out: a gain with its interval, and a verdict. Law: what counts as proved is said
by the interval alone; no choice is made after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.provable import WORSE
from rlm_dsl.optimize.search import Search
from rlm_dsl.optimize.statistics import Interval, Pairs, compared, gain_above, paired_gain

PROVED = ("better", "cheaper")
EXACT = "exact, of pairs that are right or wrong"
BETS = "by bets, of scores from 0 to 1"


@dataclass(frozen=True, slots=True)
class HeldOutTest:
    """Mean scores and costs of 1,000, before and after, on so many examples; how many of them differ which way."""

    verdict: str
    examples: int
    scores: tuple[float, float]
    costs: tuple[float, float]
    gain: Interval
    pairs: Pairs
    interval: str

    @property
    def proved(self) -> bool:
        return self.verdict in PROVED

    def as_json(self) -> dict[str, Any]:
        before, after = self.scores
        return {
            "examples": self.examples,
            "before": round(before, 4),
            "after": round(after, 4),
            "gain": self.gain.as_json(),
            "differ": {"better": self.pairs.better, "worse": self.pairs.worse},
            "interval": self.interval,
        }


def held_out_test(search: Search, base: Candidate, result: Candidate) -> HeldOutTest:
    examples, cost = search.splits.test, search.cost
    base_trial, before = search.evaluate(base, examples)
    result_trial, after = search.evaluate(result, examples) if result is not base else (base_trial, before)
    unchanged = Interval(0.0, 0.0, 0.0)
    gain = unchanged if result is base else paired_gain(before, after, graded=search.graded)
    costs = cost.of_thousand(base_trial, len(examples)), cost.of_thousand(result_trial, len(examples))
    if result is base:
        verdict = "nothing better was found"
    else:
        verdict = verdict_of(before, after, cost.plainly_less(*costs), graded=search.graded)
    means = sum(before) / len(before), sum(after) / len(after)
    interval = BETS if search.graded else EXACT
    return HeldOutTest(verdict, len(examples), means, costs, gain, compared(before, after), interval)


def verdict_of(before: Sequence[float], after: Sequence[float], cheaper: bool, *, graded: bool) -> str:
    """Both verdicts follow from one end of one interval, so that either is false 25 times in 1,000 at most."""
    if gain_above(before, after, 0.0, graded=graded):
        return "better"
    return "cheaper" if cheaper and gain_above(before, after, -WORSE, graded=graded) else "unproved"
