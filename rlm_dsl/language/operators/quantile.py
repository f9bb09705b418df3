"""`quantile`: the value below which a share of the values lies."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import FLOAT, is_nullable, null_if

quantile = AggregateFunction(
    name="quantile",
    summary="the value at fraction q (0 to 1), interpolated; nulls left out",
    words="the value of {value} at {q}",
    parameters=(("value", "number"), ("q", "fraction")),
    result=lambda types: null_if(is_nullable(types[0]), FLOAT),
    lower=lambda values, types, over: sql(
        "quantile_cont({v}::DOUBLE, {q}::DOUBLE){o}", v=widened(values[0], types[0], FLOAT), q=values[1], o=over
    ),
    examples=(Example("t | group(p=quantile(n, 0.5))", {"n": [1, 2, 3]}, [[2.0]]),),
)
