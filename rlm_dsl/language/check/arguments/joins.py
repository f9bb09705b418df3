"""Arguments about another table: the table itself, a join's condition, columns of both.

In: a slot and what is written for it. Out: the table's node, a condition or keys, columns by their names in the join.
Law: the other table is checked before whatever is said of both.
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.language.check.arguments.columns import own_text, text_columns
from rlm_dsl.language.check.arguments.slot import Failed, Slot
from rlm_dsl.language.check.scope import Scope
from rlm_dsl.language.operators.join import renamed
from rlm_dsl.language.program import Column, Node
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import BOOL, Table, bare, comparable, is_text


def check_rows(slot: Slot, expression: t.Expression) -> Node:
    node = slot.constant(expression)
    if not isinstance(node.type, Table):
        raise slot.fail(
            "C11", f"`{slot.operator.name}` wants another table here, and this is {node.type}", expression.span
        )
    return node


def check_join_condition(slot: Slot, expression: t.Expression) -> Any:
    if "other" not in slot.tables:
        raise Failed
    other = slot.tables["other"]
    if isinstance(expression, t.Name | t.Text | t.Items):
        items = [i.value for i in expression.items] if isinstance(expression, t.Items) else [expression]
        if not items:
            raise slot.fail("C12", "a join needs a key", expression.span, "write on=col")
        return tuple(join_key(slot, item, other) for item in items)
    node = slot.value(expression, Scope(left=slot.table, right=other))
    if bare(node.type) != BOOL:
        raise slot.fail(
            "C03",
            f"a condition is wanted, and this is {node.type}",
            expression.span,
            "write on=col, or on=left.a == right.b",
        )
    return node


def join_key(slot: Slot, expression: t.Expression, other: Table) -> str:
    name = (
        expression.value
        if isinstance(expression, t.Text)
        else (expression.name if isinstance(expression, t.Name) else "")
    )
    ours, theirs = slot.table.column(name), other.column(name)
    if ours is None or theirs is None:
        where = (
            "both tables"
            if ours is None and theirs is None
            else "the other table"
            if theirs is None
            else ("this table")
        )
        there = other if theirs is None else slot.table
        raise slot.fail(
            "C01",
            f"no column `{name}` in {where}",
            expression.span,
            *did_you_mean(name, list(there.names), what="columns"),
            "keys of different names: on=left.a == right.b",
        )
    if not comparable(ours, theirs):
        raise slot.fail("C03", f"`{name}` is {ours} here and {theirs} there", expression.span)
    return name


def check_of_both(slot: Slot) -> tuple[tuple[str, Column], ...]:
    """Columns by the names they have in a join of both tables; without any written, each table's only text."""
    if "other" not in slot.tables:
        raise Failed
    other = Table(slot.tables["other"].columns)  # told apart by identity, where a table is matched with itself too
    places = {theirs: new for theirs, new, _ in renamed(slot.table, other, ())}
    if not slot.written:
        chosen = [(only_text_of(slot, table), table) for table in (slot.table, other)]
    else:
        first = slot.written[0].value
        items = [i.value for i in first.items] if isinstance(first, t.Items) else [first]
        chosen = [place for item in items for place in column_sides(slot, item, other)]
    for table, which in ((slot.table, "the piped table"), (other, "the other table")):
        if not any(owner is table for _, owner in chosen):
            raise slot.fail(
                "C16", f"no column of {which} is named", slot.written[0].span, *text_columns(table), "on=[a, b]"
            )
    found = []
    for column, owner in chosen:
        type_ = owner.column(column)
        assert type_ is not None
        here = column if owner is slot.table else places[column]
        found.append((here, Column(here, type_)))
    return tuple(found)


def only_text_of(slot: Slot, table: Table) -> str:
    field = own_text(table)
    if field is None:
        span = slot.call.operator_span
        raise slot.fail("C16", f"say which columns of both: {slot.parameter.name}=", span, *text_columns(table))
    return field.name


def column_sides(slot: Slot, expression: t.Expression, other: Table) -> list[tuple[str, Table]]:
    """A column's name with the tables that have it."""
    if not isinstance(expression, t.Name):
        raise slot.fail("C12", "a column's name is wanted", expression.span, "compute it first with derive(name=...)")
    name = expression.name
    found = [(name, table) for table in (slot.table, other) if table.column(name) is not None]
    if not found:
        known = [*slot.table.names, *other.names]
        hints = did_you_mean(name, known, what="columns")
        raise slot.fail("C01", f"no column `{name}` in either table", expression.span, *hints)
    for _, table in found:
        if not is_text(table.column(name)):  # type: ignore[arg-type]
            raise slot.fail("C16", f"`{name}` is {table.column(name)}, and a text is wanted", expression.span)
    return found
