"""`last`: the last row, or a column's value in it."""

from __future__ import annotations

from rlm_dsl.operators.operator import (
    ORD,
    VALUE,
    AggregateFunction,
    Arguments,
    Each,
    Example,
    Lowering,
    Operator,
    Parameter,
)
from rlm_dsl.sql import Sql, joined, name, sql
from rlm_dsl.types import Record, Type, nullable


def result(arguments: Arguments) -> Type:
    column = arguments["column"]
    return nullable(Record(arguments.table.columns) if column is None else column.type)


def lower(lowering: Lowering) -> Sql:
    column = lowering["column"]
    value = row_record(lowering.t.type.names) if column is None else lowering.value("column")
    return sql(
        "SELECT (SELECT {value} FROM {t} ORDER BY {ord} DESC LIMIT 1) AS {v}",
        value=value,
        t=lowering.t.sql,
        ord=name(ORD),
        v=name(VALUE),
    )


def row_record(columns: tuple[str, ...]) -> Sql:
    return sql("struct_pack({fields})", fields=joined(", ", (sql("{c} := {c}", c=name(c)) for c in columns)))


last_row = Operator(
    name="last",
    summary="the last row as a record, or one column's value of it; null if there is none",
    parameters=(Parameter("column", Each(), None, shown="col"),),
    result=result,
    lower=lower,
    order="a value",
    origin="the last row",
    examples=(
        Example("t | last(n)", {"n": [1, 2]}, 2),
        Example("t | last()", {"n": [1, 2], "w": ["a", "b"]}, {"n": 2, "w": "b"}),
        Example("t | where(n > 9) | last(n)", {"n": [1]}, None),
    ),
)

last_value = AggregateFunction(
    name="last",
    summary="the last row's value",
    parameters=(("value", "any"),),
    result=lambda types: types[0],
    lower=lambda values, types: sql("first({v} ORDER BY {o} DESC)", v=values[0], o=name(ORD)),
)
