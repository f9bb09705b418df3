"""The test on examples held back: once, by the program as it is and by the one result, after everything is chosen.

In: scores and costs before and after. Out: a gain with its interval, and a verdict. Law: what counts as proved is said
by the interval alone; no choice is made after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.cost import point_of
from rlm_dsl.optimize.search import Search
from rlm_dsl.optimize.statistics import Interval, paired_gain

WORSE = 0.05
"""A cheaper program counts as proved where its score is not worse by more than this, with a certainty of 95 %."""
PROVED = ("better", "cheaper")


@dataclass(frozen=True, slots=True)
class HeldOutTest:
    """Mean scores and costs of 1,000, before and after, on so many examples."""

    verdict: str
    examples: int
    scores: tuple[float, float]
    costs: tuple[float, float]
    gain: Interval

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
        }


def held_out_test(search: Search, base: Candidate, result: Candidate) -> HeldOutTest:
    examples, settings = search.splits.test, search.job.settings
    base_trial, before = search.evaluate(base, examples)
    result_trial, after = search.evaluate(result, examples) if result is not base else (base_trial, before)
    gain = paired_gain(before, after, search.job.seed)
    cost_before, cost_after = (
        point_of("", trial, scores, settings).cost for trial, scores in ((base_trial, before), (result_trial, after))
    )
    verdict = verdict_of(gain, cost_before, cost_after) if result is not base else "nothing better was found"
    means = sum(before) / len(before), sum(after) / len(after)
    return HeldOutTest(verdict, len(examples), means, (cost_before, cost_after), gain)


def verdict_of(gain: Interval, cost_before: float, cost_after: float) -> str:
    if gain.low > 0:
        return "better"
    return "cheaper" if cost_after < 0.95 * cost_before and gain.low > -WORSE else "unproved"
