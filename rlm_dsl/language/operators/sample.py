"""`sample`: some rows, chosen by a seed, in the table's order."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Constant, Keys
from rlm_dsl.language.operators.core.lowering import Lowering, partition_by
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.operators.take import first_few, not_negative
from rlm_dsl.language.program import Literal
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import INT, Type


def result(arguments: Arguments) -> Type:
    return not_negative(arguments, "n")


def lower(lowering: Lowering) -> Sql:
    """Rows are drawn by the sha256 of seed and place: the same on every machine, with any number of threads."""
    return sql(
        "SELECT * FROM {t} QUALIFY row_number() OVER ({by}ORDER BY sha256(concat({seed}, ':', {ord})), {ord}) <= {n}",
        t=lowering.t.sql,
        by=partition_by(lowering),
        seed=lowering.value("seed"),
        ord=name(ORD),
        n=lowering.value("n"),
    )


sample = Operator(
    name="sample",
    summary="n rows drawn by seed, in the table's order; with `by`, of each group",
    words="draws {n} rows[by: of each {by}]",
    told="name",
    parameters=(
        Parameter("n", Constant(INT)),
        Parameter("seed", Constant(INT), Literal(0, INT), shown="seed=0"),
        Parameter("by", Keys(), ()),
    ),
    result=result,
    keeps_columns=True,
    lower=lower,
    most_rows=first_few,
    chooses=lambda arguments: "by place",
    over_parts=lambda arguments: "drawn",
    examples=(
        Example("t | sample(9) | count()", {"n": [1, 2, 3]}, 3),
        Example("t | sample(1, by=k) | count()", {"k": ["a", "b", "a"]}, 2),
    ),
)
