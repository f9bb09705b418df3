"""Changes between two runs, and agreement that falls: what is said holds as often as it says, by simulation."""

from __future__ import annotations

import numpy as np

from rlm_dsl.review.change import changes_between
from rlm_dsl.review.corrected import Corrected, StepReview
from rlm_dsl.review.estimates.estimate import Estimate
from rlm_dsl.review.estimates.stratum import Stratum
from rlm_dsl.review.estimates.total import estimate_total
from rlm_dsl.review.falling import FALSE_ALARMS, PERIODS, falling
from rlm_dsl.review.reviewed import WIDE, Reviewed, Trials

STEP = StepReview("topics", "classify", 60, 1000, Estimate(None))


def month(rng: np.random.Generator, truth: np.ndarray, model: np.ndarray, names: np.ndarray) -> Reviewed:
    """What 60 reviewed rows say of how many rows there are; the first by their names are drawn, as a draw does."""
    drawn = np.argsort(names)[:60]
    cells = [Stratum.of(model.astype(float), drawn, truth[drawn].astype(float))]
    found, wide = estimate_total(cells), estimate_total(cells, WIDE)
    assert wide.low is not None and wide.high is not None
    rows = Trials("topics", "q", {str(names[n]): True for n in drawn})
    number = Corrected(("total",), "", {}, ("topics",), found)
    return Reviewed("", (number,), (STEP,), ((wide.low, wide.high),), (rows,))


def test_limits_of_a_change_hold_with_rows_that_are_shared_and_without() -> None:
    rng = np.random.default_rng(3)
    held = {0: 0, 500: 0}
    for shared in held:
        for _ in range(150):
            sides, truths = [], []
            truth = rng.random(1000) < 0.3
            names = rng.random(1000)
            for month_number in range(2):
                if month_number:
                    fresh = 1000 - shared
                    truth = np.concatenate([truth[:shared], rng.random(fresh) < 0.4])
                    names = np.concatenate([names[:shared], rng.random(fresh)])
                model = truth ^ (rng.random(1000) < 0.12)
                sides.append(month(rng, truth, model, names))
                truths.append(int(truth.sum()))
            (change,) = changes_between(*sides)
            assert (change.shared > 0) == (shared > 0) and change.low is not None and change.high is not None
            held[shared] += change.low <= truths[1] - truths[0] <= change.high
    assert held[0] >= 135 and held[500] >= 141, held  # 134 of 150 would come once in 200 where 95 % hold


def test_a_change_is_told_only_where_both_sides_are_known() -> None:
    def side(value: float, low: float, high: float, rows: str = "") -> Reviewed:
        number = Corrected(("total",), "", {}, (), Estimate(value, value, low, high, 60, 100, whole=True))
        trials = Trials("topics", "q", {}, (rows,))
        return Reviewed("", (number,), (STEP,), ((low - 1, high + 1),), (trials,))

    (told,) = changes_between(side(10, 9, 12, "a"), side(20, 16, 21, "b"))
    assert (
        told.larger and told.told() == "+10 by the model; +10 (+6 to +11, 95 %) by reviewed rows: larger than the error"
    )
    (same,) = changes_between(side(10, 9, 12, "a"), side(12, 10, 14, "a"))
    assert same.larger is False and "not larger than the error; 1 reviewed row in both" in same.told()
    blank = Reviewed("", (Corrected(("total",), "", {}, (), Estimate(10, why="no drawn row is reviewed")),))
    (unknown,) = changes_between(blank, side(12, 10, 14))
    assert unknown.larger is None and "no row of it was reviewed" in unknown.told()
    assert changes_between(blank, blank) == ()


def test_agreement_that_falls_is_told_and_false_alarms_are_bounded() -> None:
    rng = np.random.default_rng(8)

    def alarms(rates: list[float], runs: int) -> float:
        """In how many of the runs any period gave an alarm."""
        found = 0
        for run in range(runs):
            rows = [{f"{run} {p} {n}": bool(rng.random() < rate) for n in range(20)} for p, rate in enumerate(rates)]
            held = [falling("topics", rows[: last + 1]) for last in range(len(rows))]
            found += any(each is not None and each.alarm for each in held)
        return found / runs

    assert alarms([0.85] * PERIODS, 300) <= FALSE_ALARMS
    assert alarms([0.9] * 4 + [0.5], 60) > 0.5 and alarms([0.9] * 4 + [0.6] * 3, 60) > 0.7
    assert falling("topics", [{"a": True}]) is None
    same = {f"{n}": True for n in range(60)}
    assert falling("topics", [same, same]) is None  # the same rows again are no other period's
    other = falling("topics", [same, {f"x{n}": n < 5 for n in range(20)}])
    assert other is not None and other.alarm and "FELL: 25 % of 20" in other.told()
