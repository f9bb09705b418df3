"""`median`: the middle value."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.engine_types import engine_type, widened
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import DATE, FLOAT, TIMESTAMP, Type, bare, is_nullable, null_if


def lower(values: tuple[Sql, ...], types: tuple[Type, ...], over: Sql) -> Sql:
    """Moments are whole microseconds, whose middle is exact."""
    if bare(types[0]) not in (DATE, TIMESTAMP):
        return sql("quantile_cont({v}::DOUBLE, 0.5){o}", v=widened(values[0], types[0], FLOAT), o=over)
    at = sql("epoch_us({v}::TIMESTAMP)", v=values[0])
    low, high = sql("quantile_disc({a}, 0.5){o}", a=at, o=over), sql("-quantile_disc(-{a}, 0.5){o}", a=at, o=over)
    return sql(f"CAST(make_timestamp({{l}} + (({{h}}) - {{l}}) // 2) AS {engine_type(bare(types[0]))})", l=low, h=high)


median = AggregateFunction(
    name="median",
    summary="middle value, or the mean of the two middle ones (of dates the day it falls on); nulls left out",
    words="the median of {value}",
    parameters=(("value", "measure"),),
    result=lambda types: null_if(
        is_nullable(types[0]), bare(types[0]) if bare(types[0]) in (DATE, TIMESTAMP) else FLOAT
    ),
    lower=lower,
    examples=(
        Example("t | median(n)", {"n": [4, 1, 2, None]}, 2.0),
        Example("t | median(n)", {"n": [1, 2]}, 1.5),
        Example("t | median(to_date(d))", {"d": ["2024-03-01", "2024-01-01", "2024-01-04"]}, "2024-01-04"),
    ),
)
