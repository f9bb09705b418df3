"""`median`: the middle value."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import FLOAT, is_nullable, null_if

median = AggregateFunction(
    name="median",
    summary="middle value, or the mean of the two middle ones; nulls left out",
    words="the median of {value}",
    parameters=(("value", "number"),),
    result=lambda types: null_if(is_nullable(types[0]), FLOAT),
    lower=lambda values, types, over: sql(
        "quantile_cont({v}::DOUBLE, 0.5){o}", v=widened(values[0], types[0], FLOAT), o=over
    ),
    examples=(Example("t | median(n)", {"n": [4, 1, 2, None]}, 2.0), Example("t | median(n)", {"n": [1, 2]}, 1.5)),
)
