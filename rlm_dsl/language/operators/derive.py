"""`derive`: more columns, computed per row."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Derived
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Field, Type


def result(arguments: Arguments) -> Type:
    return arguments.table.with_columns(Field(column, node.type) for column, node in arguments["columns"])


def lower(lowering: Lowering) -> Sql:
    made = joined(
        ", ",
        (
            sql("{e} AS {n}", e=lowering.expression(node, hint=column), n=name(column))
            for column, node in lowering["columns"]
        ),
    )
    return sql("SELECT *, {made} FROM {t}", made=made, t=lowering.t.sql)


derive = Operator(
    name="derive",
    summary="more columns; later ones may use earlier ones",
    words="adds {columns}",
    told="signature",
    parameters=(Parameter("columns", Derived(), shown="name=expr, ..."),),
    result=result,
    as_many_always=True,
    lower=lower,
    examples=(
        Example("t | derive(m=n + 1, k=m * 2)", {"n": [1, None]}, [[1, 2, 4], [None, None, None]]),
        Example('t | derive(w=if(n > 1, "many", "few"))', {"n": [1, 2]}, [[1, "few"], [2, "many"]]),
    ),
)
