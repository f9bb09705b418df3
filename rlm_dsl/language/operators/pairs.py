"""`pairs`: each two rows of a table once."""

from __future__ import annotations

from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments
from rlm_dsl.language.operators.core.provenance import origin_list
from rlm_dsl.language.operators.core.relation import FROM, ORD
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Field, Table, Type


def result(arguments: Arguments) -> Type:
    columns = arguments.table.columns
    return Table(tuple(Field(f"{side}_{c.name}", c.type) for side in ("a", "b") for c in columns))


def lower(lowering: Lowering) -> Sql:
    t = lowering.t
    columns = joined(
        ", ",
        (sql("{s}.{c} AS {n}", s=name(s), c=name(c), n=name(f"{s}_{c}")) for s in ("a", "b") for c in t.type.names),
    )
    return sql(
        "SELECT {columns}, row_number() OVER (ORDER BY a.{ord}, b.{ord}) AS {ord}, list_concat({first}, {second}) "
        "AS {from} FROM {t} AS a JOIN {t} AS b ON a.{ord} < b.{ord}",
        columns=columns,
        ord=name(ORD),
        first=origin_list(t, "a", grouped=False),
        second=origin_list(t, "b", grouped=False),
        t=t.sql,
        **{"from": name(FROM)},
    )


pairs = Operator(
    name="pairs",
    summary="each two different rows once, as `a_*` and `b_*` (the earlier is `a`)",
    words="makes a row of each two rows",
    parameters=(),
    result=result,
    lower=lower,
    order="the earlier row's, then the later's",
    origin="both rows",
    unites=True,
    most_rows=lambda arguments, rows: rows[0] * (rows[0] - 1) // 2,
    as_many_always=True,
    manual="n rows give n * (n - 1) / 2 pairs: label or narrow rows first, then pair them.",
    examples=(
        Example(
            "t | pairs()",
            {"u": ["x", "y", "z"]},
            [["x", "y"], ["x", "z"], ["y", "z"]],
        ),
        Example("t | where(n > 9) | pairs() | count()", {"n": [1]}, 0),
    ),
)
