"""`distinct`: the first row of each key."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Columns
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator, same_table
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, name, names, sql


def lower(lowering: Lowering) -> Sql:
    keys = tuple(column for column, _ in lowering["columns"]) or lowering.t.type.names
    return sql(
        "SELECT * FROM {t} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {ord}) = 1",
        t=lowering.t.sql,
        keys=names(keys),
        ord=name(ORD),
    )


distinct = Operator(
    name="distinct",
    summary="the first whole row of each key (of each whole row, without columns)",
    words="keeps the first of rows that are alike[columns: in {columns}]",
    told="signature",
    parameters=(Parameter("columns", Columns(), default=(), shown="col, ..."),),
    result=same_table,
    keeps_columns=True,
    lower=lower,
    chooses=lambda arguments: "by place" if arguments["columns"] else "",
    over_parts=lambda arguments: "again",
    examples=(
        Example("t | distinct(k)", {"k": ["a", "b", "a"], "n": [1, 2, 3]}, [["a", 1], ["b", 2]]),
        Example("t | distinct()", {"k": ["a", None, "a", None]}, [["a"], [None]]),
    ),
)
