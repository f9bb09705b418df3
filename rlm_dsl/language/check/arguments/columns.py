"""Arguments that are columns: expressions for each row, columns shown, keys, sort keys, names of columns.

In: a slot and what is written for it. Out: nodes, with the names of columns where they have some.
Law: every node is evaluated for each row of the piped table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.language.check.aggregates import is_of_kind
from rlm_dsl.language.check.arguments.slot import Failed, Slot
from rlm_dsl.language.check.names import fields_named
from rlm_dsl.language.check.null_warnings import warn_of_nulls
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.registry import aggregates
from rlm_dsl.language.program import Column, Node, SortKey
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import BOOL, TEXT, Field, ListOf, Record, Table, bare, is_text, quoted_name


def check_each(slot: Slot, expression: t.Expression, of: str) -> Node:
    node = slot.single(slot.in_row(expression), expression.span)
    if slot.operator.name in aggregates() and slot.parameter.name != "column":
        kind = dict(aggregates()[slot.operator.name].parameters)[slot.parameter.name]
        if not is_of_kind(slot.names, slot.operator.name, node, kind, expression.span):
            raise Failed
    if of == "text" and not is_text(node.type):
        raise slot.fail(
            "C16",
            f"`{slot.parameter.name}` wants a text, and this is {node.type}",
            expression.span,
            *text_columns(slot.table),
        )
    if of == "bool" and bare(node.type) != BOOL:
        raise slot.fail(
            "C03",
            f"a condition is wanted, and this is {node.type}",
            expression.span,
            "compare it: x == ..., x > 0, x is not null",
        )
    if of == "bool":
        warn_of_nulls(slot.names, node, expression.span)
    return node


def only_text(slot: Slot) -> Any:
    """The table's own text column, where one is; else it must be said."""
    field = own_text(slot.table)
    if field is None:
        raise slot.fail(
            "C16", f"say which column: {slot.parameter.name}=", slot.call.operator_span, *text_columns(slot.table)
        )
    column = Column(field.name, field.type)
    return ((field.name, column),) if isinstance(slot.parameter.kind, kinds.Shown) else column


def own_text(table: Table) -> Field | None:
    """The one column of plain text, a file's `path` apart; of several the one called `text`, as lines and documents
    have it, whatever was cut from it since."""
    texts = [c for c in table.columns if bare(c.type) == TEXT and c.name != "path"]
    return texts[0] if len(texts) == 1 else next((c for c in texts if c.name == "text"), None)


def text_columns(table: Table) -> tuple[str, ...]:
    found = [quoted_name(c.name) for c in table.columns if is_text(c.type)]
    return (f"text columns: {', '.join(found)}",) if found else ("this table has no text column",)


def check_shown(slot: Slot, expression: t.Expression) -> tuple[tuple[str, Node], ...]:
    if isinstance(expression, t.Items):
        if not expression.items:
            raise slot.fail("C16", "name at least one column to show", expression.span, *text_columns(slot.table))
        return named_values(slot, expression.items)
    node = slot.single(slot.in_row(expression), expression.span)
    if not is_text(node.type):
        raise slot.fail(
            "C16",
            f"one column shown must be a text, and this is {node.type}",
            expression.span,
            "show it by name: on=[a, b]"
            + ("" if isinstance(bare(node.type), ListOf | Record) else ", or make it text: on=concat(x)"),
        )
    return ((expression.name if isinstance(expression, t.Name) else "text", node),)


def check_keys(slot: Slot, expression: t.Expression) -> tuple[tuple[str, Node], ...]:
    if isinstance(expression, t.Items):
        return named_values(slot, expression.items)
    return named_values(slot, (t.Argument(None, expression, expression.span, expression.span),))


def named_values(slot: Slot, items: Sequence[t.Argument]) -> tuple[tuple[str, Node], ...]:
    found: list[tuple[str, Node]] = []
    for item in items:
        if item.name is None and not isinstance(item.value, t.Name):
            slot.in_row(item.value)
            raise slot.fail("C12", "a computed key needs a name", item.span, "write [name=expression]")
        node = slot.single(slot.in_row(item.value), item.span)
        found.append((item.name or item.value.name, node))  # type: ignore[union-attr]
    return tuple(found)


def check_columns(slot: Slot, named: bool) -> tuple[tuple[str, Node], ...]:
    found: list[tuple[str, Node]] = []
    for argument in slot.written:
        items = argument.value.items if isinstance(argument.value, t.Items) and not argument.name else (argument,)
        found += [column(slot, item, named) for item in items]
    return tuple(found)


def column(slot: Slot, argument: t.Argument, named: bool) -> tuple[str, Node]:
    if argument.name is not None:
        slot.spans[f"column {argument.name}"] = argument.name_span
        return argument.name, slot.single(slot.in_row(argument.value), argument.value.span)
    if not isinstance(argument.value, t.Name):
        raise slot.fail("C12", "a column's name is wanted", argument.span, column_hint(slot, argument.value, named))
    return argument.value.name, table_column(slot, argument.value)


def column_hint(slot: Slot, expression: t.Expression, named: bool) -> str:
    """What to write where something else than a column's name stands."""
    match expression:
        case t.Text(text) if slot.table.column(text) is not None:
            return f"write the name bare: {quoted_name(text)}"
        case t.Unary("-", t.Name(name)):
            return f"for all columns but one: drop({quoted_name(name)})"
        case _:
            return "name it: name=..." if named else "compute it first with derive(name=...)"


def table_column(slot: Slot, name: t.Name) -> Column:
    type_ = slot.table.column(name.name)
    if type_ is None:
        raise slot.fail(
            "C01",
            f"no column `{name.name}`",
            name.span,
            *(fields_named(slot.table, name.name) or did_you_mean(name.name, slot.table.names, what="columns")),
        )
    return Column(name.name, type_)


def check_sort_keys(slot: Slot) -> tuple[SortKey, ...]:
    return tuple(sort_key(slot, expression) for expression in flat_items(slot))


def flat_items(slot: Slot) -> list[t.Expression]:
    """The arguments, with lists taken apart."""
    found: list[t.Expression] = []
    for argument in slot.written:
        items = argument.value.items if isinstance(argument.value, t.Items) else None
        found += [item.value for item in items] if items is not None else [argument.value]
    return found


def sort_key(slot: Slot, expression: t.Expression) -> SortKey:
    descending = isinstance(expression, t.Unary) and expression.operator == "-"
    inner = expression.operand if isinstance(expression, t.Unary) and descending else expression
    node = slot.single(slot.in_row(inner), inner.span)
    if isinstance(inner, t.Text):
        raise slot.fail("C12", "this sorts by a constant text", inner.span, f"write the name bare: {inner.value}")
    return SortKey(node, descending)
