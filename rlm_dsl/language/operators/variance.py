"""`variance`: how far numbers are from their mean, squared; `stddev` is its root."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.operators.functions.numbers import UNSCALED
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import FLOAT, INT, Type, bare, is_decimal, nullable, scale_of


def lower(values: tuple[Sql, ...], types: tuple[Type, ...], over: Sql) -> Sql:
    """Over a group the exact fraction, rounded once, whatever the order of its rows. Over the rows so far the engine's
    own, which need not hold them all."""
    if over.parts:
        return sql("var_samp({v}::DOUBLE){o}", v=widened(values[0], types[0], FLOAT), o=over)
    many = "CASE WHEN count({v}) > 1 THEN {f}(list({w}) FILTER (WHERE {v} IS NOT NULL){more}) END"
    if is_decimal(types[0]) or bare(types[0]) == INT:
        whole = sql(UNSCALED, v=values[0]) if is_decimal(types[0]) else sql("{v}::HUGEINT", v=values[0])
        more = sql(f", {scale_of(types[0])}")
        return sql(many, v=values[0], f=sql("variance_of_wholes"), w=whole, more=more)
    return sql(many, v=values[0], f=sql("variance_of_floats"), w=sql("{v}::DOUBLE", v=values[0]), more=sql(""))


variance = AggregateFunction(
    name="variance",
    summary="sample variance (n - 1), nulls left out; null for fewer than two values",
    words="the variance of {value}",
    parameters=(("value", "number"),),
    result=lambda types: nullable(FLOAT),
    lower=lower,
    examples=(Example("t | variance(n)", {"n": [1, 2, None, 3, 4]}, 1.6666666666666667),),
)
