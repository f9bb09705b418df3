"""What is said with a certainty of 95 %: exact for few examples, false no more often than that, told before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import comb, factorial
from pathlib import Path
from typing import Any

import pytest

from tests.support.optional import needs

pytestmark = needs("scipy", "sklearn", "dspy", "optuna")


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import verdicts

    yield verdicts
    sys.modules.pop("verdicts", None)


def test_equal_pairs_bound_what_may_be_lost() -> None:
    """Of 17 equal pairs the true bound is 16 to 20 %: they prove nothing to be no worse by 5; 74 do."""
    from rlm_dsl.optimize.held_out import verdict_of
    from rlm_dsl.optimize.statistics import paired_gain

    found = paired_gain([1.0] * 17, [1.0] * 17)
    assert 0.16 <= -found.low <= 0.20 and found.high == -found.low
    for count, verdict in ((17, "unproved"), (60, "unproved"), (80, "cheaper")):
        assert verdict_of([1.0] * count, [1.0] * count, True, graded=False) == verdict
        assert verdict_of([1.0] * count, [1.0] * count, False, graded=False) == "unproved"


@pytest.mark.parametrize("n", [6, 11])
def test_the_interval_of_pairs_holds_the_truth_95_times_in_100_whatever_it_is(n: int) -> None:
    """By counting all samples there are, and not by drawing some."""
    from rlm_dsl.optimize.statistics import chance_of_lead, exact_interval

    samples = {(b, c): exact_interval(n, b, c) for b in range(n + 1) for c in range(n + 1 - b)}
    for (better, worse), found in samples.items():
        assert -1 <= found.low <= found.mean <= found.high <= 1
        assert found.low <= 0 or chance_of_lead(better, worse) <= 0.025
        mirrored = samples[worse, better]
        assert abs(found.low + mirrored.high) < 1e-9
    for better in range(21):
        for worse in range(21 - better):
            b, c = better / 20, worse / 20
            ways = {s: factorial(n) // (factorial(s[0]) * factorial(s[1]) * factorial(n - sum(s))) for s in samples}
            chance = {s: ways[s] * b ** s[0] * c ** s[1] * max(0.0, 1 - b - c) ** (n - sum(s)) for s in samples}
            for missed in (
                sum(p for s, p in chance.items() if samples[s].low > b - c + 1e-9),
                sum(p for s, p in chance.items() if samples[s].high < b - c - 1e-9),
            ):
                assert missed <= 0.025 + 1e-9, (b, c, missed)


def test_a_lead_by_chance_is_that_of_coins() -> None:
    from rlm_dsl.optimize.statistics import chance_of_lead

    assert chance_of_lead(1, 0) == 0.5 and chance_of_lead(0, 0) == 1
    assert chance_of_lead(6, 2) == pytest.approx(sum(comb(8, k) for k in range(6, 9)) / 2**8)


def test_graded_scores_are_bound_by_what_their_range_allows() -> None:
    """Against the worst there is: seldom a great loss, which few samples hold."""
    import numpy as np

    from rlm_dsl.optimize.statistics import betting_interval

    chance, missed = np.random.default_rng(3), 0
    for _ in range(300):
        drawn = np.where(chance.random(17) < 0.05, -1.0, 0.05)
        found = betting_interval(list(drawn))
        assert found.low <= found.mean <= found.high
        missed += found.low > 0.95 * 0.05 - 0.05
    assert missed <= 15, "a bootstrap's interval misses in nearly half of these"


@pytest.mark.parametrize(("runs", "sizes"), [(60, (10, 17, 40)), pytest.param(1_000, (), marks=pytest.mark.proof)])
def test_verdicts_are_false_five_times_in_100_at_most(runs: int, sizes: tuple[int, ...], simulation: Any) -> None:
    for state in simulation.STATES:
        for size in sizes or simulation.SIZES:
            _, false = simulation.verdicts(state, size, runs)
            assert false <= 0.05 * runs, (state, size, false)


def test_what_can_be_proved_is_what_the_test_would_prove() -> None:
    from rlm_dsl.optimize.provable import examples_for, power, provable
    from rlm_dsl.optimize.statistics import gain_above

    found = provable(17)
    rows = round(found.at_least * 17)
    assert [gain_above([0.0] * 17, [1.0] * k + [0.0] * (17 - k), 0.0) for k in (rows - 1, rows)] == [False, True]
    assert not found.cheaper and not found.enough and "+0.35" in found.lines()[0]
    assert provable(120).cheaper and provable(120).enough
    graded = provable(120, graded=True)
    assert graded.at_least > provable(120).at_least and "more as scores are graded" in graded.lines()[1]
    assert power(examples_for(0.1), 0.1) >= 0.8 > power(examples_for(0.1) // 2, 0.1)
    assert found.labels[0.05] > found.labels[0.1] > 400
