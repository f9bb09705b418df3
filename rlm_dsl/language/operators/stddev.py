"""`stddev`: how far numbers are from their mean."""

from __future__ import annotations

from rlm_dsl.language.operators import variance as of_variance
from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import FLOAT, Type, nullable


def lower(values: tuple[Sql, ...], types: tuple[Type, ...], over: Sql) -> Sql:
    return sql("sqrt({variance})", variance=of_variance.lower(values, types, over))


stddev = AggregateFunction(
    name="stddev",
    summary="sample standard deviation, the root of variance; null for fewer than two values",
    words="the standard deviation of {value}",
    parameters=(("value", "number"),),
    result=lambda types: nullable(FLOAT),
    lower=lower,
    examples=(
        Example("t | stddev(n)", {"n": [2, 4, 4, 4, 5, 5, 7, 9, None]}, 2.138089935299395),
        Example(
            "t | group(by=k, s=stddev(n))", {"k": ["a", "b", "a"], "n": [1.5, 2.0, 1.5]}, [["a", 0.0], ["b", None]]
        ),
    ),
)
