"""`take`: the first rows, of the table or of each group."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Constant, Keys
from rlm_dsl.language.operators.core.lowering import Lowering, key_list
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.program import Literal, known_value
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import INT, Type


def not_negative(arguments: Arguments, *counts: str) -> Type:
    """The table's own type, once the counts that are written out are known not to be negative."""
    for count in counts:
        node = arguments[count]
        if isinstance(node, Literal) and node.value < 0:
            raise Refused(count, f"`{count}` cannot be negative", "give 0 or more")
    return arguments.table


def result(arguments: Arguments) -> Type:
    return not_negative(arguments, "n", "skip")


def first_few(arguments: Arguments, rows: list[int]) -> int | None:
    """At most `n` rows, unless they are `n` of each group."""
    n = known_value(arguments["n"])
    return rows[0] if arguments["by"] or n is None else min(rows[0], int(n))


def lower(lowering: Lowering) -> Sql:
    n, skip, t = lowering.value("n"), lowering.value("skip"), lowering.t.sql
    if not lowering["by"]:
        return sql("SELECT * FROM {t} ORDER BY {ord} LIMIT {n} OFFSET {skip}", t=t, ord=name(ORD), n=n, skip=skip)
    return sql(
        "SELECT * FROM {t} QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {ord}) - {skip} BETWEEN 1 AND {n}",
        t=t,
        by=key_list(lowering["by"], lowering),
        ord=name(ORD),
        skip=skip,
        n=n,
    )


take = Operator(
    name="take",
    summary="the first n rows after `skip`; with `by`, of each group",
    words="takes the first {n} rows[skip: after {skip}][by: of each {by}]",
    told="signature",
    parameters=(
        Parameter("n", Constant(INT)),
        Parameter("skip", Constant(INT), Literal(0, INT), shown="skip=0"),
        Parameter("by", Keys(), ()),
    ),
    result=result,
    keeps_columns=True,
    lower=lower,
    most_rows=first_few,
    chooses=lambda arguments: "by place",
    over_parts=lambda arguments: "again" if known_value(arguments["skip"]) == 0 else "",
    examples=(
        Example("t | take(2, skip=1)", {"n": [1, 2, 3, 4]}, [[2], [3]]),
        Example("t | sort(-n) | take(1, by=k)", {"k": ["a", "b", "a"], "n": [1, 2, 3]}, [["a", 3], ["b", 2]]),
    ),
)
