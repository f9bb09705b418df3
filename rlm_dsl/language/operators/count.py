"""`count`: how many rows."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction, Partial
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import INT

count = AggregateFunction(
    name="count",
    summary="number of rows",
    words="the number of rows",
    parameters=(),
    result=lambda types: INT,
    lower=lambda values, types, over: sql("count(*){o}", o=over),
    partial=lambda values, types: Partial((sql("count(*)"),), lambda kept: sql("sum({k})::BIGINT", k=kept[0])),
    never_null=True,
    examples=(Example("t | count()", {"n": [1, None]}, 2), Example("t | where(n > 9) | count()", {"n": [1]}, 0)),
)
