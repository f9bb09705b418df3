"""`sum`: the total of numbers."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction, Partial
from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import INT, Type, bare, is_decimal


def lower(values: tuple[Sql, ...], types: tuple[Type, ...], over: Sql) -> Sql:
    """Floats are added in the table's order: in another order the last bit may differ. What is added to a decimal's sum
    is nothing, and refused where the sum has more digits than are held."""
    if bare(types[0]) == INT:
        return sql("CAST(coalesce(sum({v}){o}, 0) AS BIGINT)", v=values[0], o=over)
    if is_decimal(types[0]):
        none = f"CAST(0 AS {engine_type(bare(types[0]))})"
        return sql(f"(coalesce(sum({{v}}){{o}}, {none}) + {none})", v=values[0], o=over)
    return sql('coalesce(sum({v} ORDER BY "#ord"){o}, 0.0::DOUBLE)', v=values[0], o=over)


def partial(values: tuple[Sql, ...], types: tuple[Type, ...]) -> Partial | None:
    """Sums of whole numbers and decimals are exact; floats are added in the table's order, in one place."""
    if bare(types[0]) == INT:
        kept = sql("CAST(sum({v}) AS DECIMAL(38, 0))", v=values[0])
        return Partial((kept,), lambda parts: sql("CAST(coalesce(sum({k}), 0) AS BIGINT)", k=parts[0]))
    if is_decimal(types[0]):
        return Partial((sql("sum({v})", v=values[0]),), lambda parts: lower(parts, types, sql("")))
    return None


total = AggregateFunction(
    name="sum",
    summary="total, nulls left out; 0 for no rows",
    words="the sum of {value}",
    parameters=(("value", "number"),),
    result=lambda types: bare(types[0]),
    lower=lower,
    partial=partial,
    never_null=True,
    examples=(Example("t | sum(n)", {"n": [1, None, 2]}, 3), Example("t | sum(x)", {"x": [0.5, 0.25]}, 0.75)),
)
