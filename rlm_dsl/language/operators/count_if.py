"""`count_if`: how many rows satisfy a condition."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction, Partial
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import INT

count_if = AggregateFunction(
    name="count_if",
    summary="number of rows for which it holds",
    words="the number of rows where {condition}",
    parameters=(("condition", "bool"),),
    result=lambda types: INT,
    lower=lambda values, types, over: sql("count(*) FILTER (WHERE {c}){o}", c=values[0], o=over),
    partial=lambda values, types: Partial(
        (sql("count(*) FILTER (WHERE {c})", c=values[0]),), lambda kept: sql("sum({k})::BIGINT", k=kept[0])
    ),
    never_null=True,
    examples=(Example("t | group(n=count_if(x > 1))", {"x": [1, 2, None, 3]}, [[2]]),),
)
