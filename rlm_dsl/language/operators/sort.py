"""`sort`: another order."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import SortKeys
from rlm_dsl.language.operators.core.lowering import Lowering, sort_list
from rlm_dsl.language.operators.core.operator import Example, Operator, same_table
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, name, names, sql


def lower(lowering: Lowering) -> Sql:
    t = lowering.t
    return sql(
        "SELECT {kept}, row_number() OVER (ORDER BY {keys}) AS {ord}, {origin} FROM {t}",
        kept=names(t.type.names),
        keys=sort_list(lowering["keys"], lowering),
        ord=name(ORD),
        origin=names(t.origin),
        t=t.sql,
    )


sort = Operator(
    name="sort",
    summary="ordered by these; `-col` is descending; stable; nulls last",
    words="sorts by {keys}",
    told="signature",
    parameters=(Parameter("keys", SortKeys(), shown="col, -col, ..."),),
    result=same_table,
    keeps_columns=True,
    as_many_always=True,
    lower=lower,
    order="the keys, then as before",
    manual="Texts compare by code point.",
    examples=(
        Example(
            "t | sort(-n, w)",
            {"w": ["b", "a", "c", "d"], "n": [1, 1, 2, None]},
            [["c", 2], ["a", 1], ["b", 1], ["d", None]],
        ),
    ),
)
