"""`around`: a window of neighbours for each row that satisfies a condition."""

from __future__ import annotations

from rlm_dsl.language.operators.core.kinds import Constant, Each
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.relation import ORD, qualified, source_of
from rlm_dsl.language.operators.take import not_negative
from rlm_dsl.language.program import Literal, known_value
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import BOOL, INT, Field, Type


def result(arguments: Arguments) -> Type:
    not_negative(arguments, "before", "after")
    return arguments.table.with_columns((Field("hit", INT), Field("is_hit", BOOL)))


def lower(lowering: Lowering) -> Sql:
    """Rows are counted within their source; a window is the rows whose count is near enough to its hit's."""
    t = lowering.t
    return sql(
        'SELECT * FROM (WITH "#rows" AS (SELECT *, {source} AS "#source", '
        'row_number() OVER (PARTITION BY {source} ORDER BY {ord}) AS "#at" FROM {t}), '
        '"#hits" AS (SELECT {ord} AS "#hit_ord", "#source" AS "#hit_source", "#at" AS "#hit_at", '
        'row_number() OVER (ORDER BY {ord}) AS "#hit" FROM "#rows" WHERE {condition}) '
        'SELECT {kept}, "#hit" AS hit, "#rows".{ord} = "#hit_ord" AS is_hit, '
        'row_number() OVER (ORDER BY "#hit", "#rows".{ord}) AS {ord}, {origin} FROM "#hits" JOIN "#rows" '
        'ON "#source" = "#hit_source" AND "#at" - "#hit_at" BETWEEN -{before} AND {after})',
        source=source_of(t),
        ord=name(ORD),
        t=t.sql,
        condition=lowering.value("condition"),
        kept=qualified(t.type.names, "#rows"),
        origin=qualified(t.origin, "#rows"),
        before=lowering.value("before"),
        after=lowering.value("after"),
    )


def most_rows(arguments: Arguments, rows: list[int]) -> int | None:
    before, after = known_value(arguments["before"]), known_value(arguments["after"])
    return None if before is None or after is None else rows[0] * (1 + int(before) + int(after))


around = Operator(
    name="around",
    summary="for EACH row that satisfies it, its neighbours in the same source, with `hit: int`, `is_hit: bool`",
    words="finds each row where {condition}, with its neighbours[before:, {before} before][after:, {after} after]",
    told="name",
    parameters=(
        Parameter("condition", Each("bool")),
        Parameter("before", Constant(INT), Literal(0, INT), shown="before=0"),
        Parameter("after", Constant(INT), Literal(0, INT), shown="after=0"),
    ),
    result=result,
    lower=lower,
    order="by window, then the table's",
    most_rows=most_rows,
    manual=(
        "`hit` numbers the windows from 1, `is_hit` marks the row that the window is for. A row in two windows stands "
        "twice. Where every neighbour is wanted once, use `grep(before=, after=)`."
    ),
    examples=(
        Example(
            't | around(x == "E", before=1)',
            {"x": ["a", "E", "E", "b"]},
            [["a", 1, False], ["E", 1, True], ["E", 2, False], ["E", 2, True]],
        ),
        Example(
            't | around(x == "E", after=2) | select(x, hit)',
            {"x": ["E", "b", None, "c"]},
            [["E", 1], ["b", 1], [None, 1]],
        ),
    ),
)
