"""`derive`: more columns, computed per row."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Derived
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Step
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Field, Type


def result(arguments: Arguments) -> Type:
    return arguments.table.replacing(Field(column, node.type) for column, node in arguments["columns"])


def lower(lowering: Lowering) -> Sql:
    """New columns are computed side by side; from the first on that takes the place of another, one after the other,
    since a name would mean the column that was there."""
    own, columns = set(lowering.t.type.names), lowering["columns"]
    written = [
        (column, sql("{e} AS {n}", e=lowering.expression(node, hint=column), n=name(column)))
        for column, node in columns
    ]
    side_by_side = next((at for at, (column, _) in enumerate(written) if column in own), len(written))
    rows = lowering.t.sql
    if side_by_side:
        made = joined(", ", (value for _, value in written[:side_by_side]))
        rows = sql("SELECT *, {made} FROM {t}", made=made, t=rows)
    for at, (column, value) in enumerate(written[side_by_side:], side_by_side):
        form = "SELECT * REPLACE ({made}) FROM {t}" if column in own else "SELECT *, {made} FROM {t}"
        rows = sql(form, made=value, t=sql("({rows})", rows=rows) if at else rows)
    return rows


def own_column(step: Step, inputs: tuple[Relation, ...]) -> str:
    """What takes the place of the rows' own text is not what stands in their source."""
    made = {column for column, _ in step.arguments["columns"]}
    return "" if inputs[0].own in made else inputs[0].own


derive = Operator(
    name="derive",
    summary="more columns, or new values of old ones; later ones may use earlier ones",
    words="computes {columns}",
    told="signature",
    parameters=(Parameter("columns", Derived(), shown="name=expr, ..."),),
    result=result,
    as_many_always=True,
    lower=lower,
    own=own_column,
    over_parts=lambda arguments: "kept",
    examples=(
        Example("t | derive(m=n + 1, k=m * 2)", {"n": [1, None]}, [[1, 2, 4], [None, None, None]]),
        Example('t | derive(w=if(n > 1, "many", "few"))', {"n": [1, 2]}, [[1, "few"], [2, "many"]]),
        Example("t | derive(n=to_int(n), m=n + 1)", {"n": ["1", "x"], "k": [7, 8]}, [[1, 7, 2], [None, 8, None]]),
    ),
)
