"""How often `optimize` says what is not so: verdicts of a thousand searches each, over what may be true of programs.

    python benchmarks/verdicts.py

In: nothing. Out: a line a state: how often each verdict was given for 10, 17, 40 and 200 examples, and how often one
was false. Law: what is drawn follows from a seed; the verdicts are those of `rlm_dsl.optimize.held_out`; each candidate
counts as cheaper, so that nothing but the score stands against a verdict.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from rlm_dsl.optimize.held_out import verdict_of
from rlm_dsl.optimize.provable import WORSE

RUNS, SIZES, SCORE = 1_000, (10, 17, 40, 200), 0.6


@dataclass(frozen=True)
class Truth:
    """How probable it is that an example comes out better, and worse. `graded` scores differ by a part of the whole."""

    better: float
    worse: float
    graded: bool = False

    @property
    def gain(self) -> float:
        return (self.better - self.worse) * (0.5 if self.graded else 1.0)

    def false(self, verdict: str) -> bool:
        return (verdict == "better" and self.gain <= 1e-12) or (verdict == "cheaper" and self.gain <= 1e-12 - WORSE)

    def drawn(self, chance: np.random.Generator, size: int) -> tuple[list[float], list[float]]:
        """Scores before and after."""
        kinds = chance.choice((1, -1, 0), size=size, p=(self.better, self.worse, 1 - self.better - self.worse))
        step = kinds * (chance.random(size) if self.graded else 1.0)
        same = chance.random(size) * (1 - abs(step)) if self.graded else (chance.random(size) < SCORE) * (kinds == 0)
        before = same + np.where(step < 0, -step, 0.0)
        return [float(each) for each in before], [float(each) for each in before + step]


STATES: dict[str, tuple[Truth, ...]] = {
    "equal, differing in 2 of 100": (Truth(0.01, 0.01),),
    "equal, differing in 20 of 100": (Truth(0.1, 0.1),),
    "equal, differing in 60 of 100": (Truth(0.3, 0.3),),
    "worse by 0.05, never better": (Truth(0.0, 0.05),),
    "worse by 0.05": (Truth(0.05, 0.1),),
    "worse by 0.05, differing in 45 of 100": (Truth(0.2, 0.25),),
    "worse by 0.1": (Truth(0.02, 0.12),),
    "better by 0.1": (Truth(0.12, 0.02),),
    "better by 0.3": (Truth(0.35, 0.05),),
    "the best of 8 that are equal": (Truth(0.1, 0.1),) * 8,
    "the best of 8, from equal to worse by 0.14": tuple(Truth(0.1, 0.1 + 0.02 * n) for n in range(8)),
    "graded, equal": (Truth(0.2, 0.2, True),),
    "graded, worse by 0.05": (Truth(0.1, 0.2, True),),
    "graded, better by 0.2": (Truth(0.45, 0.05, True),),
}
"""Each with what is true of its candidates. The one that leads on as many other examples is tested."""


def verdicts(name: str, size: int, runs: int) -> tuple[Counter[str], int]:
    """How often each verdict was given, and how often one that is false."""
    chance = np.random.default_rng([size, list(STATES).index(name)])
    found: Counter[str] = Counter()
    false = 0
    for _ in range(runs):
        truth = chosen(STATES[name], chance, size)
        verdict = verdict_of(*truth.drawn(chance, size), True, graded=truth.graded)
        found[verdict] += 1
        false += truth.false(verdict)
    return found, false


def chosen(truths: tuple[Truth, ...], chance: np.random.Generator, size: int) -> Truth:
    """The candidate that a search would take to the test."""
    if len(truths) == 1:
        return truths[0]
    leads = [sum(after) - sum(before) for before, after in (truth.drawn(chance, size) for truth in truths)]
    return truths[leads.index(max(leads))]


def main() -> None:
    worst = 0
    for name in STATES:
        told = []
        for size in SIZES:
            found, false = verdicts(name, size, RUNS)
            worst = max(worst, false)
            given = ", ".join(f"{verdict} {found[verdict] / RUNS:.1%}" for verdict in ("better", "cheaper"))
            told.append(f"{size}: {given}, false {false / RUNS:.1%}")
        print(f"{name}; {'; '.join(told)}", flush=True)
    print(f"false at most {worst} of {RUNS:,}")


if __name__ == "__main__":
    main()
