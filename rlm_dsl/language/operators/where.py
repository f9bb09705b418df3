"""`where`: rows for which a condition holds."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Each
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.nullability import known_present, present
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import Type


def result(arguments: Arguments) -> Type:
    """What the condition needs is not null in the rows that are left."""
    return known_present(arguments.table, present(arguments["condition"]))


def lower(lowering: Lowering) -> Sql:
    return sql("SELECT * FROM {t} WHERE {condition}", t=lowering.t.sql, condition=lowering.value("condition"))


where = Operator(
    name="where",
    summary="rows for which it holds (a null condition counts as false)",
    words="keeps the rows where {condition}",
    told="signature",
    parameters=(Parameter("condition", Each("bool")),),
    result=result,
    keeps_columns=True,
    lower=lower,
    chooses=lambda arguments: "by row",
    over_parts=lambda arguments: "kept",
    examples=(
        Example("t | where(n > 1)", {"n": [1, 2, None, 3]}, [[2], [3]]),
        Example('t | where(w in ["a", "c"] and n is not null)', {"w": ["a", "b", "c"], "n": [1, 2, None]}, [["a", 1]]),
    ),
)
