"""`fill`: a null takes the last value before it."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Columns, Keys
from rlm_dsl.language.operators.core.lowering import Lowering, partition_by
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import ORD, Relation
from rlm_dsl.language.program import Step
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Type


def result(arguments: Arguments) -> Type:
    """Columns stay nullable: before the first value there is none to take."""
    if not arguments["columns"]:
        raise Refused("columns", "no column to fill is named", "write fill(col)")
    return arguments.table


def lower(lowering: Lowering) -> Sql:
    filled = joined(
        ", ",
        (
            sql(
                "last_value({c} IGNORE NULLS) OVER ({by}ORDER BY {ord} ROWS UNBOUNDED PRECEDING) AS {c}",
                c=name(column),
                by=partition_by(lowering),
                ord=name(ORD),
            )
            for column in dict.fromkeys(column for column, _ in lowering["columns"])
        ),
    )
    return sql("SELECT * REPLACE ({filled}) FROM {t}", filled=filled, t=lowering.t.sql)


def own(step: Step, inputs: tuple[Relation, ...]) -> str:
    """A filled text may be another row's."""
    filled = {column for column, _ in step.arguments["columns"]}
    return "" if inputs[0].own in filled else inputs[0].own


fill = Operator(
    name="fill",
    summary="a null takes the last value before it; with `by`, within each group",
    words="puts the last value before in place of what is missing in {columns}[by: for each {by}]",
    told="name",
    parameters=(Parameter("columns", Columns(), shown="col, ..."), Parameter("by", Keys(), ())),
    result=result,
    keeps_columns=True,
    as_many_always=True,
    lower=lower,
    own=own,
    examples=(
        Example("t | fill(x)", {"x": [None, "a", None, "b", None]}, [[None], ["a"], ["a"], ["b"], ["b"]]),
        Example(
            "t | fill(x, by=k)",
            {"k": [1, 2, 1], "x": ["a", None, None]},
            [[1, "a"], [2, None], [1, "a"]],
        ),
    ),
)
