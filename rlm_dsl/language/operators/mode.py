"""`mode`: the most frequent value."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql

mode = AggregateFunction(
    name="mode",
    summary="the most frequent value, of several the smallest; nulls left out",
    words="the most frequent {value}",
    parameters=(("value", "ordered"),),
    result=lambda types: types[0],
    lower=lambda values, types, over: sql("mode({v} ORDER BY {v}){o}", v=values[0], o=over),
    examples=(
        Example("t | mode(n)", {"n": [3, 2, 3, 2, 9, None, None, None]}, 2),
        Example("t | group(by=k, m=mode(w))", {"k": [1, 1, 1], "w": ["b", "a", "b"]}, [[1, "b"]]),
    ),
)
