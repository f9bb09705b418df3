"""Numbers that are the same on every machine and in every order, and JSON's values as they are written."""

from __future__ import annotations

import math
import random
import statistics
from decimal import Decimal
from fractions import Fraction

import pytest

from rlm_dsl.language.operators.core.exact_numbers import (
    log_of,
    log_to_base,
    power_of,
    variance_of_floats,
    variance_of_wholes,
)
from rlm_dsl.language.operators.core.json_text import json_at
from tests.support.small import answer


def test_a_logarithm_is_within_one_unit_in_the_last_place() -> None:
    drawn = random.Random(7)
    values = [5e-324, 1e-300, 0.5, 0.70710678, 0.71, 1.0, 1.0000000000000002, math.e, 2.0, 1e300, 1.7e308]
    for value in [*values, *(drawn.uniform(0, 3) for _ in range(300)), *(drawn.expovariate(1e-9) for _ in range(300))]:
        exact = Decimal(value).ln()
        assert abs(Decimal(log_of(value)) - exact) <= Decimal(math.ulp(float(exact))), value
    assert math.isinf(log_of(math.inf)) and math.isnan(log_of(math.nan))


def test_a_logarithm_to_a_base_is_whole_where_it_is() -> None:
    for base in (2.0, 3.0, 10.0, 0.5):
        assert [log_to_base(float(Fraction(base) ** n), base) for n in range(1, 30)] == list(range(1, 30))
    assert log_to_base(8.0, 3.0) == pytest.approx(1.8927892607143721) and math.isinf(log_to_base(math.inf, 2.0))
    assert log_to_base(1.0, 10.0) == 0.0


def test_powers_are_rounded_once_and_have_the_floats_of_the_standard_at_the_ends() -> None:
    assert power_of(1.1, 2.0) == float(Fraction(1.1) ** 2) and power_of(-3.0, 3.0) == -27.0
    assert power_of(2.0, 0.5) == math.sqrt(2) and power_of(1.5, 65.0) == pytest.approx(1.5**65, rel=1e-15)
    assert power_of(0.0, 0.0) == power_of(math.nan, 0.0) == power_of(-5.0, 0.0) == 1.0
    assert power_of(1e200, 3.0) == math.inf and power_of(-1e200, 3.0) == -math.inf and power_of(10.0, -400.0) == 0.0
    assert power_of(math.inf, -1.0) == 0.0 and power_of(2.0, math.inf) == math.inf and power_of(0.0, 2.0) == 0.0


@pytest.mark.parametrize(
    "values", [[0.1] * 3, [1e16, 1.0, -1e16], [1e-300, 2e-300], [1.5, 2.25, -8.125, 1e10], [-0.0, 0.0]]
)
def test_a_variance_is_the_nearest_float_in_any_order(values: list[float]) -> None:
    exact = float(statistics.variance([Fraction(value) for value in values]))
    assert {variance_of_floats(order) for order in (values, values[::-1], sorted(values))} == {exact}


def test_a_variance_of_whole_numbers_and_decimals_is_exact() -> None:
    large = [2**63 - 1, -(2**63), 0]
    assert variance_of_wholes(large, 0) == float(statistics.variance(map(Fraction, large)))
    assert variance_of_wholes([110, 120, 150], 2) == float(
        statistics.variance([Fraction(n, 100) for n in (110, 120, 150)])
    )
    assert variance_of_floats([1e200, -1e200]) == math.inf and math.isnan(variance_of_floats([1.0, math.inf]))
    assert answer("answer t | group(by=k, v=variance(n))", {"t": {"k": [1, 1, 2], "n": [1, 2, 5]}}) == [
        [1, 0.5],
        [2, None],
    ]


JSONS = [
    ('{"a": 1.50}', "$.a", "=1.5", "=1.50"),
    ('{"a": 1, "a": 2}', "$.a", "=1", "=2"),
    ('{"a": {"b": 1, "b": {"c": "x"}}}', "$.a.b.c", "", "=x"),
    ('{"a": {"b": 1, "b": 2}}', "$.a", '={"b":1,"b":2}', '={"b":2}'),
    ('[0.10, {"é": [true, null, "\\u00e9\\n"]}]', "$", "=", '=[0.10,{"é":[true,null,"é\\n"]}]'),
    ('[1.0, [2e3]]', "$[1][0]", "=2000.0", "=2e3"),
    ('[1.0]', "$[1]", "", ""),
    ('[1.0]', "$.a", "", ""),
    ('{"a b": -0}', '$."a b"', "=0", "=-0"),
    ('{"a": null, "b": 1.0}', "$.a", "", ""),
    ('{"a": 12345678901234567890}', "$.a", "=1.2345678901234567e19", "=12345678901234567890"),
    ('{"a": 1, "b": [1, 2]}', "$.b", "=[1,2]", "=[1,2]"),
    ('{"a": 1.0, }', "$.a", "=1.0", "=1.0"),
    ('{"a": 1.0, "b": "\\ud800"}', "$.b", "=x", "=x"),
    ('{"a": 1.0, "b": NaN}', "$.b", "=nan", "=nan"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "found", "told"), JSONS)
def test_a_value_of_json_is_as_it_is_written(text: str, path: str, found: str, told: str) -> None:
    assert json_at(text, path, found) == told


@pytest.mark.parametrize(("text", "path", "told"), [(t, p, w) for t, p, f, w in JSONS if w not in ("=x", "=nan")])
def test_so_it_is_in_a_program(text: str, path: str, told: str) -> None:
    written = path.replace('"', '\\"')
    assert answer(f'answer t | derive(v=json(x, "{written}")) | first(v)', {"t": {"x": [text]}}) == (
        told[1:] if told else None
    )
