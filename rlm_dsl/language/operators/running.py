"""`running`: aggregates over the rows so far."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Aggregates, Keys
from rlm_dsl.language.operators.core.lowering import Lowering, partition_by
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Field, Type


def result(arguments: Arguments) -> Type:
    if not arguments["columns"]:
        raise Refused("columns", "nothing to compute", "write running(total=sum(amount))")
    return arguments.table.with_columns(Field(column, node.type) for column, node in arguments["columns"])


def lower(lowering: Lowering) -> Sql:
    so_far = sql(" OVER ({by}ORDER BY {ord} ROWS UNBOUNDED PRECEDING)", by=partition_by(lowering), ord=name(ORD))
    write = lowering.expression.over_rows(so_far)
    made = joined(
        ", ", (sql("{e} AS {n}", e=write(node, column), n=name(column)) for column, node in lowering["columns"])
    )
    return sql("SELECT *, {made} FROM {t}", made=made, t=lowering.t.sql)


running = Operator(
    name="running",
    summary="aggregates over the rows so far, this one included; with `by`, within each group",
    words="adds, over the rows so far[by: of each {by}], {columns}",
    told="name",
    parameters=(
        Parameter("columns", Aggregates(), shown="name=aggregate(..), ..."),
        Parameter("by", Keys(), ()),
    ),
    result=result,
    as_many_always=True,
    lower=lower,
    manual="Running totals of floats may differ from `sum` in the last digit: they are not added one by one.",
    examples=(
        Example("t | running(total=sum(n), top=max(n))", {"n": [2, 1, 5]}, [[2, 2, 2], [1, 3, 2], [5, 8, 5]]),
        Example("t | running(n=count(), by=k)", {"k": ["a", "b", "a"]}, [["a", 1], ["b", 1], ["a", 2]]),
    ),
)
