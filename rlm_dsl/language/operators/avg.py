"""`avg`: the mean of numbers."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction, Partial
from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import FLOAT, INT, Type, bare, is_decimal, is_nullable, null_if


def lower(values: tuple[Sql, ...], types: tuple[Type, ...], over: Sql) -> Sql:
    """Ints and decimals are added exactly and divided once; floats are added in the table's order."""
    if bare(types[0]) == INT:
        return sql("(sum({v}){o}::DOUBLE / nullif(count({v}){o}, 0))", v=values[0], o=over)
    if is_decimal(types[0]):
        whole = widened(sql("sum({v}){o}", v=values[0], o=over), types[0], FLOAT)
        return sql("({whole} / nullif(count({v}){o}, 0))", whole=whole, v=values[0], o=over)
    return sql('(sum({v} ORDER BY "#ord"){o} / nullif(count({v}){o}, 0))', v=values[0], o=over)


def partial(values: tuple[Sql, ...], types: tuple[Type, ...]) -> Partial | None:
    """As sums, with how many values there are."""
    if bare(types[0]) == INT:
        whole = sql("CAST(sum({v}) AS DECIMAL(38, 0))", v=values[0])
    elif is_decimal(types[0]):
        whole = sql("sum({v})", v=values[0])
    else:
        return None

    def of_parts(kept: tuple[Sql, ...]) -> Sql:
        total = sql("sum({k})", k=kept[0])
        whole = sql("{t}::HUGEINT::DOUBLE", t=total)
        total = widened(total, types[0], FLOAT) if is_decimal(types[0]) else whole
        return sql("({total} / nullif(sum({n})::BIGINT, 0))", total=total, n=kept[1])

    return Partial((whole, sql("count({v})", v=values[0])), of_parts)


avg = AggregateFunction(
    name="avg",
    summary="mean, nulls left out",
    words="the mean of {value}",
    parameters=(("value", "number"),),
    result=lambda types: null_if(is_nullable(types[0]), FLOAT),
    lower=lower,
    partial=partial,
    examples=(Example("t | avg(n)", {"n": [1, None, 2]}, 1.5),),
)
