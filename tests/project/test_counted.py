"""Counts and amounts as people say them: one of each, and none that is told as nothing though it is something."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.common.counted import money


def test_amounts_are_told_as_they_are() -> None:
    told = {
        0.0: "$0.00",
        0.00001234: "$0.000012",
        0.004: "$0.0040",
        0.0123: "$0.0123",
        0.5: "$0.50",
        1234.5: "$1,234.50",
    }
    assert {amount: money(amount) for amount in told} == told


@given(st.floats(1e-9, 1e6))
def test_an_amount_is_told_within_a_twentieth_of_itself(amount: float) -> None:
    assert abs(float(money(amount)[1:].replace(",", "")) - amount) <= amount / 20
