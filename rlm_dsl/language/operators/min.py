"""`min`: the smallest value."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction, Partial
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql

smallest = AggregateFunction(
    name="min",
    summary="smallest value, nulls left out",
    words="the smallest {value}",
    parameters=(("value", "ordered"),),
    result=lambda types: types[0],
    partial=lambda values, types: Partial((sql("min({v})", v=values[0]),), lambda kept: sql("min({k})", k=kept[0])),
    lower=lambda values, types, over: sql("min({v}){o}", v=values[0], o=over),
    examples=(
        Example("t | min(n)", {"n": [2, 1, None]}, 1),
        Example("t | group(m=min(w))", {"w": ["b", "a"]}, [["a"]]),
    ),
)
