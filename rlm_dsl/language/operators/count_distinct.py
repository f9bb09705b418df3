"""`count_distinct`: how many different values."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import INT

count_distinct = AggregateFunction(
    name="count_distinct",
    summary="number of different values, null not counted",
    words="the number of different {value}",
    parameters=(("value", "any"),),
    result=lambda types: INT,
    lower=lambda values, types, over: sql("count(DISTINCT {v}){o}", v=values[0], o=over),
    never_null=True,
    examples=(Example("t | count_distinct(x)", {"x": ["a", "b", "a", None]}, 2),),
)
