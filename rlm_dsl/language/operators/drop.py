"""`drop`: all columns but these."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Columns
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.sql import Sql, names, sql
from rlm_dsl.language.types import Table, Type


def result(arguments: Arguments) -> Type:
    dropped = {column for column, _ in arguments["columns"]}
    left = tuple(column for column in arguments.table.columns if column.name not in dropped)
    if not left:
        raise Refused("columns", "this drops every column", "keep at least one, or use `select`")
    return Table(left)


def lower(lowering: Lowering) -> Sql:
    assert isinstance(lowering.step.type, Table)
    kept = (*lowering.step.type.names, *lowering.t.hidden)
    return sql("SELECT {kept} FROM {t}", kept=names(kept), t=lowering.t.sql)


drop = Operator(
    name="drop",
    summary="all columns but these",
    words="leaves out {columns}",
    told="name",
    parameters=(Parameter("columns", Columns(), shown="col, ..."),),
    result=result,
    as_many_always=True,
    lower=lower,
    over_parts=lambda arguments: "kept",
    examples=(Example("t | drop(a)", {"a": [1], "b": [2]}, [[2]]),),
)
