"""`number`: rows numbered from 1."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Keys, NewName
from rlm_dsl.language.operators.core.lowering import Lowering, partition_by
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import INT, Field, Type


def result(arguments: Arguments) -> Type:
    return arguments.table.with_columns([Field(arguments["into"], INT)])


def lower(lowering: Lowering) -> Sql:
    return sql(
        "SELECT *, row_number() OVER ({by}ORDER BY {ord}) AS {into} FROM {t}",
        by=partition_by(lowering),
        ord=name(ORD),
        into=name(lowering["into"]),
        t=lowering.t.sql,
    )


number = Operator(
    name="number",
    summary="rows numbered from 1 in a new column; with `by`, anew in each group",
    words="numbers the rows as {into|number}[by: for each {by}]",
    told="name",
    parameters=(Parameter("into", NewName(), "number"), Parameter("by", Keys(), ())),
    result=result,
    as_many_always=True,
    lower=lower,
    examples=(
        Example("t | number(into=no)", {"x": ["b", "a"]}, [["b", 1], ["a", 2]]),
        Example("t | number(by=k)", {"k": ["a", "b", "a"]}, [["a", 1], ["b", 1], ["a", 2]]),
    ),
)
