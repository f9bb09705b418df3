"""What `first` and `last` have in common: the row at one end of the table's order."""

from __future__ import annotations

from functools import partial

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.kinds import Each
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import ORD, VALUE
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Record, Type, nullable


def result(arguments: Arguments) -> Type:
    """The whole row as a record, or one column's value; null where the table is empty."""
    column = arguments["column"]
    return nullable(Record(arguments.table.columns) if column is None else column.type)


def row_record(columns: tuple[str, ...]) -> Sql:
    return sql("struct_pack({fields})", fields=joined(", ", (sql("{c} := {c}", c=name(c)) for c in columns)))


def lower(lowering: Lowering, order: str) -> Sql:
    column = lowering["column"]
    value = row_record(lowering.t.type.names) if column is None else lowering.value("column")
    return sql(
        f"SELECT (SELECT {{value}} FROM {{t}} ORDER BY {{ord}}{order} LIMIT 1) AS {{v}}",
        value=value,
        t=lowering.t.sql,
        ord=name(ORD),
        v=name(VALUE),
    )


def end_row(end: str, order: str, examples: tuple[Example, ...]) -> Operator:
    """The operator for one end; `order` is what follows the hidden order's column."""
    return Operator(
        name=end,
        summary=f"the {end} row as a record, or one column's value of it; null if there is none",
        told="signature",
        words=f"gives {{column|all}} of the {end} row",
        parameters=(Parameter("column", Each(), None, shown="col"),),
        result=result,
        lower=partial(lower, order=order),
        order="a value",
        origin=f"the {end} row",
        examples=examples,
    )


def end_value(end: str, order: str) -> AggregateFunction:
    """The aggregate for one end of each group."""
    return AggregateFunction(
        name=end,
        summary=f"the {end} row's value",
        words=f"{{value}} of the {end} row",
        parameters=(("value", "any"),),
        result=lambda types: types[0],
        lower=lambda values, types, over: sql(
            f"first({{v}} ORDER BY {{o}}{order}){{over}}", v=values[0], o=name(ORD), over=over
        ),
    )
