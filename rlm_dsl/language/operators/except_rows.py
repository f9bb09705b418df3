"""`except`: rows that another table does not have."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Rows
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.join import met_sides
from rlm_dsl.language.operators.union import result as same_columns
from rlm_dsl.language.sql import Sql, joined, sql
from rlm_dsl.language.types import Type


def result(arguments: Arguments) -> Type:
    same_columns(arguments)
    return arguments.table


def lower(lowering: Lowering) -> Sql:
    """Equal in every column; null equals null."""
    t, other = lowering.inputs
    equal = joined(
        " AND ",
        (
            sql("{a} IS NOT DISTINCT FROM {b}", a=a, b=b)
            for a, b in (met_sides(lowering, column) for column in t.type.names)
        ),
    )
    return sql(
        'SELECT "left".* FROM {t} AS "left" ANTI JOIN {other} AS "right" ON {equal}',
        t=t.sql,
        other=other.sql,
        equal=equal,
    )


def united(step: object, inputs: tuple[object, ...]) -> bool:
    return bool(inputs[0].united)  # type: ignore[attr-defined]


except_rows = Operator(
    name="except",
    summary="rows of this table to which no row of the other is equal; same columns",
    words="leaves out the rows of {other}",
    told="signature",
    parameters=(Parameter("other", Rows()),),
    result=result,
    lower=lower,
    unites=united,
    manual=(
        "Null equals null here. Rows that stand twice in this table stay twice. By a key alone: "
        '`join(other, on=key, how="anti")`.'
    ),
    examples=(
        Example("t | except(other)", {"a": [1, 2, 2, None]}, [[2], [2]], other={"a": [1, None]}),
        Example("t | except(t | where(a > 1))", {"a": [1, 2]}, [[1]]),
    ),
)
