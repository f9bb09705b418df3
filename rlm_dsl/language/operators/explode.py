"""`explode`: a row for each element of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.operators.core.kinds import Columns, Flag
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, joined, name, names, sql
from rlm_dsl.language.types import Field, ListOf, Record, Table, Type, bare, is_nullable, null_if, nullable


def result(arguments: Arguments) -> Type:
    columns = arguments["columns"]
    if len(columns) != 1:
        raise Refused("columns", "`explode` takes one list column", "for several, explode one after the other")
    column, node = columns[0]
    list_type = bare(node.type)
    if not isinstance(list_type, ListOf):
        raise Refused(
            "columns",
            f"`{column}` is {node.type}, and only a list has elements",
            'split a text first: derive(part=split(x, ","))',
            code="C03",
        )
    made: list[Field] = []
    of = nullable(list_type.of) if keeps_empty(arguments.values) else list_type.of
    for field in arguments.table.columns:
        made += elements(field, of) if field.name == column else [field]
    return Table(tuple(made))


def keeps_empty(arguments: Mapping[str, Any]) -> bool:
    return bool(arguments.get("keep_empty"))


def elements(column: Field, of: Type) -> list[Field]:
    """What stands where the list stood: its element, or a record's fields."""
    inner = bare(of)
    if isinstance(inner, Record):
        return [Field(f.name, null_if(is_nullable(of), f.type)) for f in inner.fields]
    return [Field(column.name, of)]


def lower(lowering: Lowering) -> Sql:
    column, node = lowering["columns"][0]
    list_type = bare(node.type)
    assert isinstance(list_type, ListOf)
    inner = bare(list_type.of)
    element = sql('"#m"[1]')
    if isinstance(inner, Record):
        made = joined(", ", (sql("({e}).{f} AS {f}", e=element, f=name(f.name)) for f in inner.fields))
    else:
        made = sql("{e} AS {c}", e=element, c=name(column))
    columns = joined(", ", (made if c == column else name(c) for c in lowering.t.type.names))
    items = sql("list_zip({c}, range(len({c})))", c=name(column))
    if keeps_empty(lowering.step.arguments):
        none = sql(f"list_zip([NULL]::{engine_type(list_type)}, [0::BIGINT])")
        items = sql("CASE WHEN len({c}) > 0 THEN {items} ELSE {none} END", c=name(column), items=items, none=none)
    return sql(
        'SELECT {columns}, row_number() OVER (ORDER BY {ord}, "#m"[2]) AS {ord}, {origin} FROM '
        '(SELECT * EXCLUDE ({c}), unnest({items}) AS "#m" FROM {t})',
        columns=columns,
        items=items,
        ord=name(ORD),
        origin=names(lowering.t.origin),
        c=name(column),
        t=lowering.t.sql,
    )


explode = Operator(
    name="explode",
    summary="a row for each element of a list column; an element's record fields become columns",
    words="gives each element of {columns} a row[keep_empty:, and what has none a row too]",
    told="name",
    parameters=(
        Parameter("columns", Columns(), shown="col"),
        Parameter("keep_empty", Flag(), False, optional=True),
    ),
    result=result,
    lower=lower,
    order="the table's, then the list's",
    most_rows=lambda arguments, rows: None,
    manual=(
        "The element stands where the list stood, under its name. An empty or null list gives no row, or with "
        "keep_empty=true one of null."
    ),
    over_parts=lambda arguments: "numbered",
    examples=(
        Example(
            't | derive(w=split(x, " ")) | explode(w)', {"x": ["a b", "", None]}, [["a b", "a"], ["a b", "b"], ["", ""]]
        ),
        Example(
            "t | parse_json(types={p: list[{id: int, n: text}]}) | explode(p) | select(id, n)",
            {"x": ['{"p": [{"id": 1, "n": "a"}, {"id": 2}]}', '{"p": []}']},
            [[1, "a"], [2, None]],
        ),
        Example(
            't | derive(w=split(x, " ")) | explode(w, keep_empty=true) | select(w)',
            {"x": ["a b", None]},
            [["a"], ["b"], [None]],
        ),
    ),
)
