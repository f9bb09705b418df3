"""`list`: the values of a group in a list; `values` is the same over a whole table."""

from __future__ import annotations

from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.sql import name, sql
from rlm_dsl.language.types import ListOf

listed = AggregateFunction(
    name="list",
    summary="the values in the table's order, nulls among them",
    words="the list of {value}",
    parameters=(("value", "any"),),
    result=lambda types: ListOf(types[0]),
    lower=lambda values, types, over: sql(
        "coalesce(list({v} ORDER BY {o}){over}, [])", v=values[0], o=name("#ord"), over=over
    ),
    never_null=True,
    examples=(
        Example("t | group(by=k, l=list(n))", {"k": ["a", "b", "a"], "n": [1, 2, 3]}, [["a", [1, 3]], ["b", [2]]]),
    ),
)
