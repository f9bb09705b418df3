"""`shift`: a value of an earlier or later row."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Constant, Each, Keys, NewName
from rlm_dsl.language.operators.core.lowering import Lowering, partition_by
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.program import Literal
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import INT, Field, Type, nullable


def result(arguments: Arguments) -> Type:
    return arguments.table.with_columns([Field(arguments["into"], nullable(arguments["value"].type))])


def lower(lowering: Lowering) -> Sql:
    return sql(
        "SELECT *, lag({value}, {offset}) OVER ({by}ORDER BY {ord}) AS {into} FROM {t}",
        value=lowering.value("value"),
        offset=lowering.value("offset"),
        by=partition_by(lowering),
        ord=name(ORD),
        into=name(lowering["into"]),
        t=lowering.t.sql,
    )


shift = Operator(
    name="shift",
    summary="the value `offset` rows before (negative: after), null where there is none, in a new column",
    words="adds, as {into|shifted}, the {value} of {offset|1} rows before[by: within each {by}]",
    told="name",
    parameters=(
        Parameter("value", Each(), shown="col"),
        Parameter("by", Keys(), ()),
        Parameter("offset", Constant(INT), Literal(1, INT), shown="offset=1"),
        Parameter("into", NewName(), "shifted"),
    ),
    result=result,
    as_many_always=True,
    lower=lower,
    manual=(
        "With `by`, within each group. Seconds since the row before: "
        "`shift(at) | derive(gap=seconds_between(shifted, at))`."
    ),
    examples=(
        Example("t | shift(n, into=before)", {"n": [1, 2, 3]}, [[1, None], [2, 1], [3, 2]]),
        Example(
            "t | shift(n, by=k, offset=-1)",
            {"k": ["a", "b", "a"], "n": [1, 2, 3]},
            [["a", 1, 3], ["b", 2, None], ["a", 3, None]],
        ),
    ),
)
