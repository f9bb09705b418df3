"""`join`: rows of two tables that belong together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.kinds import Choice, JoinCondition, Rows
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.nullability import known_present, present
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.provenance import origin_list
from rlm_dsl.language.operators.core.relation import FROM, ORD, Relation
from rlm_dsl.language.operators.functions.meeting import meeting_types
from rlm_dsl.language.program import Column, Step
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import TEXT, Field, Table, Type, null_if


def result(arguments: Arguments) -> Type:
    how, table, other = arguments["how"], arguments.table, arguments.tables["other"]
    if how in ("semi", "inner"):
        table, other = partners(table, other, arguments["on"])
    if how in ("semi", "anti"):
        return table
    theirs = renamed(table, other, arguments["on"])
    return table.with_columns(Field(new, null_if(how == "left", type_)) for _, new, type_ in theirs)


def partners(table: Table, other: Table, on: Any) -> tuple[Table, Table]:
    """The types of rows that have a partner: what decides that is not null in them."""
    if isinstance(on, tuple):
        keys = {column: Column(column, TEXT) for column in on}
        return known_present(table, dict(keys)), known_present(other, dict(keys))
    found = present(on)
    columns = {identity: node for identity, node in found.items() if isinstance(node, Column)}
    mine, theirs = (
        {identity: replace(node, side="") for identity, node in columns.items() if node.side == side}
        for side in ("left", "right")
    )
    return known_present(table, dict(mine)), known_present(other, dict(theirs))


def renamed(table: Table, other: Table, on: object) -> list[tuple[str, str, Type]]:
    """The other table's columns that the result has: name there, name here, type.

    Keys stand once; a name that clashes (ignoring case, as the engine does) gets `other_` until it is free.
    """
    keys = on if isinstance(on, tuple) else ()
    taken = {column.lower() for column in table.names}
    made: list[tuple[str, str, Type]] = []
    for column in other.columns:
        if column.name in keys:
            continue
        new = column.name
        while new.lower() in taken:
            new = f"other_{new}"
        taken.add(new.lower())
        made.append((column.name, new, column.type))
    return made


def lower(lowering: Lowering) -> Sql:
    how, on = lowering["how"], condition(lowering)
    t, other = lowering.inputs
    if how in ("semi", "anti"):
        return sql(
            f'SELECT "left".* FROM {{t}} AS "left" {how.upper()} JOIN {{other}} AS "right" ON {{on}}',
            t=t.sql,
            other=other.sql,
            on=on,
        )
    theirs = joined(
        "",
        (sql(', "right".{c} AS {n}', c=name(c), n=name(n)) for c, n, _ in renamed(t.type, other.type, lowering["on"])),
    )
    return sql(
        f'SELECT {{own}}{{theirs}}, row_number() OVER (ORDER BY "left".{{ord}}, "right".{{ord}}) AS {{ord}}, '
        f'{{origin}} AS {{from}} FROM {{t}} AS "left" {how.upper()} JOIN {{other}} AS "right" ON {{on}}',
        own=qualified_names(t),
        theirs=theirs,
        ord=name(ORD),
        origin=both_origins(t, other),
        t=t.sql,
        other=other.sql,
        on=on,
        **{"from": name(FROM)},
    )


def qualified_names(t: Relation) -> Sql:
    return joined(", ", (sql('"left".{c}', c=name(c)) for c in t.type.names))


def both_origins(t: Relation, other: Relation) -> Sql:
    """This row's origin and the other's; the other's is absent where a left join found none."""
    return sql(
        'CASE WHEN "right".{ord} IS NULL THEN {a} ELSE list_concat({a}, {b}) END',
        ord=name(ORD),
        a=origin_list(t, "left", grouped=False),
        b=origin_list(other, "right", grouped=False),
    )


def condition(lowering: Lowering) -> Sql:
    on = lowering["on"]
    if not isinstance(on, tuple):
        return lowering.value("on")
    return joined(" AND ", (sql("{a} = {b}", a=a, b=b) for a, b in (met_sides(lowering, c) for c in on)))


def met_sides(lowering: Lowering, column: str) -> tuple[Sql, Sql]:
    """A column of both tables, each side in the type in which they meet."""
    sides = [sql(f'"{side}".{{c}}', c=name(column)) for side in ("left", "right")]
    given = [relation.type.column(column) for relation in lowering.inputs]
    types = tuple(type_ for type_ in given if type_ is not None)
    assert len(types) == len(sides)
    a, b = map(widened, sides, types, meeting_types("==", types))
    return a, b


def most_rows(arguments: Arguments, rows: list[int]) -> int | None:
    return max(rows[0] * rows[1], rows[0]) if arguments["how"] in ("inner", "left") else rows[0]


def unites(step: Step, inputs: tuple[Relation, ...]) -> bool:
    return step.arguments["how"] in ("inner", "left") or inputs[0].united


join = Operator(
    name="join",
    summary="rows of both that belong together: equal keys, or a condition over left. and right. columns",
    words="joins {other} by {on}[how: ({how})]",
    told="signature",
    parameters=(
        Parameter("other", Rows()),
        Parameter("on", JoinCondition(), shown="on=col, [cols] or left.a < right.b"),
        Parameter("how", Choice(("inner", "left", "semi", "anti")), "inner"),
    ),
    result=result,
    lower=lower,
    most_rows=most_rows,
    chooses=lambda arguments: "by row" if arguments["how"] in ("semi", "anti") else "",
    order="this table's, then the other's",
    origin="both rows; this one's with semi and anti",
    unites=unites,
    manual="A key stands once. Clashing names of the other table get `other_`. `left` keeps rows without a partner.",
    over_parts=lambda arguments: "kept" if arguments["how"] in ("semi", "anti") else "numbered",
    examples=(
        Example(
            "t | join(other, on=k)",
            {"k": ["a", "b", "a"], "n": [1, 2, 3]},
            [["a", 1, 9], ["a", 3, 9]],
            other={"k": ["a", "c"], "m": [9, 8]},
        ),
        Example(
            't | join(other, on=[k], how="left")',
            {"k": ["a", "b"]},
            [["a", 9], ["b", None]],
            other={"k": ["a"], "m": [9]},
        ),
        Example('t | join(other, on=k, how="anti")', {"k": ["a", "b"]}, [["b"]], other={"k": ["a"]}),
        Example("t | join(other, on=left.n < right.n)", {"n": [1, 2]}, [[1, 2], [1, 3], [2, 3]], other={"n": [2, 3]}),
    ),
)
