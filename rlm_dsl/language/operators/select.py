"""`select`: some of the columns, renamed or computed if named."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Columns
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Column, Step
from rlm_dsl.language.sql import Sql, joined, name, names, sql
from rlm_dsl.language.types import Field, Table, Type


def result(arguments: Arguments) -> Type:
    return Table(tuple(Field(column, node.type) for column, node in arguments["columns"]))


def lower(lowering: Lowering) -> Sql:
    chosen = joined(
        ", ",
        (
            sql("{e} AS {n}", e=lowering.expression(node, hint=column), n=name(column))
            for column, node in lowering["columns"]
        ),
    )
    return sql("SELECT {chosen}, {hidden} FROM {t}", chosen=chosen, hidden=names(lowering.t.hidden), t=lowering.t.sql)


def own(step: Step, inputs: tuple[Relation, ...]) -> str:
    """The column under its new name."""
    return next((new for new, node in step.arguments["columns"] if node == Column(inputs[0].own, node.type)), "")


select = Operator(
    name="select",
    summary="only these columns, in this order; `new=old` renames",
    words="leaves {columns} alone",
    told="signature",
    parameters=(Parameter("columns", Columns(named=True), shown="col, new=old, ..."),),
    result=result,
    as_many_always=True,
    lower=lower,
    own=own,
    over_parts=lambda arguments: "kept",
    examples=(Example("t | select(b, c=a)", {"a": [1], "b": [2]}, [[2, 1]]),),
)
