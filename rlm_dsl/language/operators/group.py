"""`group`: one row per key, with aggregates over its rows."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Aggregates, Keys
from rlm_dsl.language.operators.core.lowering import Lowering, key_list
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import FROM, ORD
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Field, Table, Type


def result(arguments: Arguments) -> Type:
    keys, made = arguments["by"], arguments["columns"]
    if not keys and not made:
        raise Refused("by", "nothing to group by and nothing to compute", "write group(by=user, n=count())")
    return Table(tuple(Field(column, node.type) for column, node in (*keys, *made)))


def lower(lowering: Lowering) -> Sql:
    keys, made = lowering["by"], lowering["columns"]
    columns = joined(
        ", ",
        (
            sql("{e} AS {n}", e=lowering.expression(node, hint=column), n=name(column))
            for column, node in (*keys, *made)
        ),
    )
    by = sql(" GROUP BY {keys}", keys=key_list(keys, lowering)) if keys else sql(" HAVING count(*) > 0")
    return sql(
        "SELECT {columns}, min({ord}) AS {ord}, {origin} AS {from} FROM {t}{by}",
        columns=columns,
        ord=name(ORD),
        origin=lowering.united_origin(grouped=True),
        t=lowering.t.sql,
        by=by,
        **{"from": name(FROM)},
    )


group = Operator(
    name="group",
    summary="one row per key; keys in order of first appearance",
    words="makes a row for each {by|table}[columns: with {columns}]",
    told="signature",
    parameters=(
        Parameter("by", Keys(), (), shown="by=col or [a, b, m=month(sent)]"),
        Parameter("columns", Aggregates(), shown="name=aggregate(..), ..."),
    ),
    result=result,
    lower=lower,
    order="first appearance of each key",
    origin="united",
    unites=True,
    reads_named=True,
    manual="Null is a key of its own. An empty table gives no row.",
    examples=(
        Example(
            "t | group(by=k, n=count(), s=sum(x))",
            {"k": ["b", "a", "b", None], "x": [1, 2, 3, None]},
            [["b", 2, 4], ["a", 1, 2], [None, 1, 0]],
        ),
        Example("t | group(by=[odd=x % 2], m=max(x))", {"x": [1, 2, 3]}, [[1, 3], [0, 2]]),
    ),
)
