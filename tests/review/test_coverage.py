"""Intervals hold as often as they say: by simulation, on real labels and made-up ones, with models of known errors."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

from rlm_dsl.review.estimates.stratum import Stratum
from rlm_dsl.review.estimates.total import estimate_total
from tests.support.paths import ROOT
from tests.support.real import FOLDER, needs_real_data


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("review")


@pytest.mark.parametrize("error", ["uniform", "skewed", "drifting"])
@pytest.mark.parametrize("by", ["simple", "answer"])
def test_a_small_sample_of_the_proof(simulation: ModuleType, error: str, by: str) -> None:
    world = simulation.made([n % 6 for n in range(1000)], 0.9, error, "a sample")
    found = simulation.reviewed(world, by, 100, 120, 4)
    # 107 or fewer of 120 would come once in 200 where 94 % hold
    assert all(tally.held >= tally.known - 12 for tally in found.values()), found
    assert by != "simple" or found["count"].narrower < 0.75


def test_rare_classes_and_orders_that_were_made_to_mislead(simulation: ModuleType) -> None:
    """Rows in the order of the model's errors, and copies of a few texts: neither is seen by a draw."""
    rng = np.random.default_rng(4)
    truth = np.repeat(rng.integers(0, 2, 40), 25).astype(float)  # forty texts, twenty-five times each
    model = truth.copy()
    model[:75] = 1 - model[:75]  # three texts are wrong, and stand first
    held = 0
    for _ in range(300):
        rows = rng.permutation(1000)[:80]
        found = estimate_total([Stratum.of(model, rows, truth[rows])])
        assert found.low is not None and found.high is not None and found.width > 0
        held += found.low <= truth.sum() <= found.high
    assert held >= 275


@pytest.mark.proof
@needs_real_data
@pytest.mark.parametrize("world", ["clinc150", "banking77", "snips", "6 labels", "2 labels", "1 in 500"])
def test_intervals_hold_in_94_of_100_reviews(simulation: ModuleType, world: str) -> None:
    lines, least = simulation.table(1000, 400, FOLDER, [world])
    assert least >= 0.94, "\n".join(lines)
