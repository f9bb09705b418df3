"""What Python hands in to stand where a peer stood: any nested value is a table, and no value is left out."""

from __future__ import annotations

import collections
import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.integrations.python_data import given_context


@dataclasses.dataclass
class Point:
    a: int
    b: list[int]


GIVEN: list[tuple[Any, str, int]] = [
    ({"a": {"b": [1, {"c": 2}]}}, "table(a: {b: list[text]})", 1),
    ([[1, 2], [3]], "table(number: int, value: list[int])", 2),
    ([1, 2, 3], "table(number: int, value: int)", 3),
    (["a", {"b": 1}, 3, None, [1]], "table(number: int, value: text?)", 5),
    ([[{"a": 1}], [{"a": 2}, {"b": 3}]], "table(number: int, value: list[{a: int?, b: int?}])", 2),
    (["x", "y"], "table(number: int, text: text)", 2),
    ({"b", "a"}, "table(number: int, text: text)", 2),
    ([(1, "a"), (2, "b")], "table(number: int, value: list[text])", 2),
    ({1: "a", 2: "b"}, "table(key: int, value: text)", 2),
    ({"a": {1: {2: "x"}}}, "table(a: {1: {2: text}})", 1),
    ([{"a": {1: 2}}, {"a": {1: 3}}], "table(a: {1: int})", 2),
    ({}, "table(value: text?)", 0),
    ([], "table(value: text?)", 0),
    (5, "table(value: int)", 1),
    (None, "table(value: text?)", 1),
    (datetime.date(2024, 1, 1), "table(value: date)", 1),
    (Point(1, [2]), "table(a: int, b: list[int])", 1),
    ([Point(1, [2]), Point(2, [])], "table(a: int, b: list[int])", 2),
    ((n for n in range(3)), "table(number: int, value: int)", 3),
    (collections.deque([1.5, 2]), "table(number: int, value: float)", 2),
    ([10**30], "table(number: int, value: text)", 1),
]


@pytest.mark.parametrize(("given", "schema", "count"), GIVEN, ids=[f"{n}-{each[1]}" for n, each in enumerate(GIVEN)])
def test_any_nested_value_is_a_table(given: Any, schema: str, count: int) -> None:
    context = given_context("t", given)
    assert (str(context.schema).replace("`", ""), context.count) == (schema, count)


@pytest.mark.parametrize("given", [b"abc", object(), len, 1 + 2j, {"a": Path("x")}, [{"a": [object()]}]])
def test_what_no_table_can_hold_is_refused_by_name(given: Any) -> None:
    with pytest.raises(UserError, match=r"bytes|no data|no type for"):
        given_context("t", given)
