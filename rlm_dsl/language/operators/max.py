"""`max`: the largest value."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction, Partial
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql

largest = AggregateFunction(
    name="max",
    summary="largest value, nulls left out",
    words="the largest {value}",
    parameters=(("value", "ordered"),),
    result=lambda types: types[0],
    partial=lambda values, types: Partial((sql("max({v})", v=values[0]),), lambda kept: sql("max({k})", k=kept[0])),
    lower=lambda values, types, over: sql("max({v}){o}", v=values[0], o=over),
    examples=(
        Example("t | max(n)", {"n": [2, 1, None]}, 2),
        Example("t | group(m=max(w))", {"w": ["b", "a"]}, [["b"]]),
    ),
)
