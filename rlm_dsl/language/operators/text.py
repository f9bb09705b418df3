"""`text`: many texts joined into one."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import TEXT, Type


def lower(values: tuple[Sql, ...], types: tuple[Type, ...], over: Sql) -> Sql:
    separator = values[1] if len(values) > 1 else sql("chr(10)")
    return sql(
        "coalesce(array_to_string(list(CAST({v} AS VARCHAR) ORDER BY {o}){over}, {s}), '')",
        v=values[0],
        o=name("#ord"),
        s=separator,
        over=over,
    )


text = AggregateFunction(
    name="text",
    summary='the values as one text, in the table\'s order, with sep="\\n" between them; nulls left out',
    words="{value} as one text",
    parameters=(("value", "any"), ("sep", "plain")),
    result=lambda types: TEXT,
    lower=lower,
    never_null=True,
    optional=1,
    examples=(
        Example('t | text(w, sep=", ")', {"w": ["a", None, "b"]}, "a, b"),
        Example("t | group(by=k, w=text(w))", {"k": [1, 1], "w": ["b", "a"]}, [[1, "b\na"]]),
    ),
)
