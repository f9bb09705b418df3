"""Estimators against the libraries that have them, and against values that follow from what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, hypergeom, poisson

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.review.estimates.agreement import agreement, cohens_kappa, krippendorffs_alpha
from rlm_dsl.review.estimates.limits import at_most, clopper_pearson, gamma_limits, hypergeometric
from rlm_dsl.review.estimates.prediction_powered import prediction_powered_mean
from rlm_dsl.review.estimates.ratio import estimate_precision, estimate_ratio, estimate_recall
from rlm_dsl.review.estimates.stratum import Stratum
from rlm_dsl.review.estimates.total import estimate_total
from rlm_dsl.review.estimates.unequal import estimate_unequal, hajek_mean


@pytest.mark.parametrize(("found", "drawn"), [(0, 1), (0, 60), (3, 60), (59, 60), (60, 60)])
def test_clopper_and_pearson_as_scipy_has_it(found: int, drawn: int) -> None:
    theirs = binomtest(found, drawn).proportion_ci(0.95, "exact")
    assert clopper_pearson(found, drawn) == pytest.approx((theirs.low, theirs.high))


def test_hypergeometric_limits_are_the_counts_that_a_test_does_not_reject() -> None:
    for size, drawn in ((31, 30), (30, 8), (7, 7)):
        held = np.arange(size + 1)
        for found in range(0, drawn + 1, 2):
            law = hypergeom(size, held, drawn)
            likely = (law.cdf(found) > 0.025) & (law.sf(found - 1) > 0.025)
            kept = held[likely & (held >= found) & (held <= size - (drawn - found))]
            assert hypergeometric(found, drawn, size) == (kept[0], kept[-1])
    assert at_most(3, 40, 20, 300) == pytest.approx(hypergeom(300, 20, 40).cdf(3))
    assert hypergeometric(0, 0, 9) == (0, 9) and hypergeometric(4, 9, 9) == (4, 4)


def test_gamma_limits_of_equal_weights_are_those_of_a_poisson_count() -> None:
    low, high = gamma_limits(7.0, 7.0, 1.0, 1.0)
    assert poisson(low).sf(6) == pytest.approx(0.025) and poisson(high).cdf(7) == pytest.approx(0.025)
    assert gamma_limits(0.0, 0.0, 50.0, 2500.0) == (0.0, pytest.approx(50 * 3.6889, rel=1e-4))


def test_prediction_powered_means_as_ppi_python_has_them() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(3, 2, 80).round(3)
    model = (truth + rng.normal(0, 1, 80)).round(3)
    others = (rng.normal(3, 2, 900) + rng.normal(0, 1, 900)).round(3)
    # ppi-python 0.2: ppi_mean_pointestimate and ppi_mean_ci with lam=0, 1 and None
    assert prediction_powered_mean(truth, model, others, 0.0) == pytest.approx((2.6632875, 2.26609493, 3.06048007))
    assert prediction_powered_mean(truth, model, others, 1.0) == pytest.approx((3.152875, 2.90757087, 3.39817913))
    tuned = prediction_powered_mean(truth, model, others, None)
    assert tuned == pytest.approx((2.9803902, 2.77124138, 3.18953902), rel=1e-4)


def test_agreement_as_published() -> None:
    pairs = [(0, 0)] * 20 + [(0, 1)] * 5 + [(1, 0)] * 10 + [(1, 1)] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([("a", "a")]) is None and cohens_kappa([]) is None
    # three coders with missing values: Krippendorff's own example, as the package krippendorff computes it
    coders = ["*****3412113 3*3".replace(" ", ""), "1*213343*******", "**2134 4*21133*4".replace(" ", "")]
    units = [[None if value == "*" else int(value) for value in unit] for unit in zip(*coders, strict=True)]
    assert krippendorffs_alpha(units) == pytest.approx(0.691358024691358)
    assert krippendorffs_alpha(units, "ordinal") == pytest.approx(0.8067214199413153)
    assert krippendorffs_alpha(units, "interval") == pytest.approx(0.8108448928121059)
    assert krippendorffs_alpha([[1, None], [2]]) is None and krippendorffs_alpha([[1, 1], [1, 1]]) is None
    assert agreement([(1, 1)] * 9 + [(1, 2)]) == pytest.approx((0.9, *clopper_pearson(9, 10)))


def whole(model: list[float], truth: list[float], reviewed: list[int], **bounds: object) -> Stratum:
    return Stratum.of(model, reviewed, [truth[row] for row in reviewed], **bounds)  # type: ignore[arg-type]


def test_a_count_is_set_right_by_what_was_off() -> None:
    model, truth = [1.0] * 20 + [0.0] * 80, [1.0] * 18 + [0.0] * 2 + [1.0] * 4 + [0.0] * 76
    found = estimate_total([whole(model, truth, [0, 5, 10, 19, 20, 40, 60, 80, 99, 30])])
    # of the 4 counted rows 1 is wrong: 5 of 20; of the 6 others 1 was missed: 80 / 6
    assert (found.model, found.value) == (20, pytest.approx(20 - 5 + 80 / 6))
    assert found.low is not None and found.high is not None and 3 <= found.low <= 22 <= found.high
    assert found.reviewed == 10 and found.rows == 100


def test_where_every_row_was_reviewed_nothing_is_unsure() -> None:
    rng = np.random.default_rng(3)
    for values in (np.ones(40), rng.gamma(2, 20, 40).round(2)):
        model, truth = rng.integers(0, 2, 40) * values, rng.integers(0, 2, 40) * values
        found = estimate_total([Stratum.of(model, np.arange(40), truth, 0.0, values)])
        assert (found.value, found.low, found.high) == pytest.approx((truth.sum(),) * 3)


def test_no_disagreement_is_no_certainty() -> None:
    """A class of 1 in 500 in a sample in which nobody disagreed, as a count and as amounts, in one stratum and more."""
    model = np.zeros(5000)
    model[:10] = 1
    for values in (np.ones(5000), np.linspace(1, 90, 5000)):
        first = estimate_total([Stratum.of(model * values, np.arange(100, 300), np.zeros(200), 0.0, values)])
        strata = [
            Stratum.of((model * values)[part], np.arange(40), (model * values)[part][:40], 0.0, values[part])
            for part in (slice(0, 1000), slice(1000, 5000))
        ]
        for found in (first, estimate_total(strata)):
            assert found.low is not None and found.high is not None
            assert found.high - found.low > 50 and found.low <= model @ values <= found.high
    assert estimate_precision([Stratum.of(model, np.arange(5), model[:5])]).width > 0


def test_what_cannot_be_told_widens_the_interval_to_both_sides() -> None:
    model = np.array([1.0, 0.0] * 50)
    rows = np.arange(40)
    sure = estimate_total([Stratum.of(model, rows, model[rows])])
    unsure = model[rows].copy()
    unsure[:6] = np.nan
    found = estimate_total([Stratum.of(model, rows, unsure)])
    assert found.low is not None and sure.low is not None and found.high is not None and sure.high is not None
    assert found.low < sure.low and found.high > sure.high and found.reviewed == 34
    assert found.notes == ("6 could not be told: they count as either",)
    assert estimate_total([Stratum.of(model, rows, np.full(40, np.nan))]).why == "no row of its own was reviewed"


def test_a_stratum_of_which_nothing_was_reviewed_may_hold_anything() -> None:
    seen = Stratum.of(np.ones(100), np.arange(50), np.ones(50))
    unseen = Stratum.of(np.array([1.0] * 4 + [0.0] * 30), [], [])
    found = estimate_total([seen, unseen])
    assert found.high == 134 and found.low is not None and found.low <= 100


def test_a_sum_of_anything_is_estimated_where_many_rows_differ_and_refused_where_few_do() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(100, 20, 2000)
    model = truth + rng.normal(5, 10, 2000)
    rows = rng.permutation(2000)[:200]
    free = (np.full(2000, -np.inf), np.full(2000, np.inf))
    found = estimate_total([Stratum.of(model, rows, truth[rows], *free)])
    assert found.method == "normal approximation, PPI++"
    assert found.low is not None and found.high is not None and found.low <= truth.sum() <= found.high
    few = estimate_total([Stratum.of(model, rows, model[rows], *free)])
    assert not few.known and "nothing bounds" in few.why


def test_ratios_lie_between_what_their_rows_may_be() -> None:
    rng = np.random.default_rng(2)
    truth, model, values = rng.integers(0, 2, 500), rng.integers(0, 2, 500), rng.uniform(10, 20, 500)
    rows = rng.permutation(500)[:80]
    upper = Stratum.of(model * values, rows, (truth * values)[rows], 0.0, values)
    lower = Stratum.of(model, rows, truth[rows])
    found = estimate_ratio([upper], [lower], together=True)
    mean = (truth * values).sum() / truth.sum()
    assert found.low is not None and found.high is not None and 10 <= found.low <= mean <= found.high <= 20
    nothing = Stratum.of(np.zeros(500), rows, np.zeros(80))
    assert "no row at all" in estimate_ratio([nothing], [nothing]).why


def test_recall_comes_from_what_was_left_out() -> None:
    model, truth = np.array([1.0] * 100 + [0.0] * 300), np.array([1.0] * 90 + [0.0] * 10 + [1.0] * 30 + [0.0] * 270)
    every = Stratum.of(model, np.arange(400), truth)
    precision, recall = estimate_precision([every]), estimate_recall([every])
    assert (precision.value, precision.low, precision.high) == pytest.approx((0.9,) * 3)
    assert (recall.value, recall.low, recall.high) == pytest.approx((0.75,) * 3)
    only_kept = [Stratum.of(model[:100], np.arange(50), truth[:50]), Stratum.of(model[100:], [], [])]
    assert estimate_recall(only_kept).low == pytest.approx(0.24, abs=0.01)  # all 300 left out may belong


def test_unequal_probabilities() -> None:
    found = estimate_unequal(50.0, 400, [1, 0, 1, 0], [1, 1, 0, 0], [1.0, 0.5, 0.25, 0.1])
    assert found.value == pytest.approx(50 + 2 - 4)
    assert found.low is not None and found.high is not None and found.low < 48 < found.high
    assert estimate_unequal(2.0, 2, [1, 1], [1, 0], [1.0, 1.0]).width == 0
    assert hajek_mean([1, 0, 1], [0.5, 0.5, 0.25])[0] == pytest.approx(0.75)
    with pytest.raises(UserError):
        estimate_unequal(1.0, 2, [1], [1], [0.0])
