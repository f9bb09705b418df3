"""Arguments that are the same for all rows: constants, flags, texts, patterns, choices, types, names of new columns.

In: a slot and what is written for it. Out: a node that no row enters, a plain value or a type.
Law: what must be known before the run is written out, or bound to a name that is.
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.arguments.slot import Failed, Slot
from rlm_dsl.language.check.type_expressions import resolve_type
from rlm_dsl.language.operators.core.registry import aggregates
from rlm_dsl.language.patterns.validate import problem
from rlm_dsl.language.program import Literal, Node, known_value, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import INT, TEXT, Record, Table, Type, bare, fits, is_nullable, quoted_name


def check_constant(slot: Slot, expression: t.Expression, of: Type) -> Node:
    if (
        isinstance(expression, t.Name)
        and expression.name not in slot.names.bindings
        and slot.table.column(expression.name) is not None
    ):
        raise slot.fail(
            "C03",
            f"`{expression.name}` is a column, and `{slot.parameter.name}` is one value for all rows",
            expression.span,
            f"name the column so: on={quoted_name(expression.name)}"
            if of == TEXT
            else f"make one value of it first: max(t, {quoted_name(expression.name)})",
        )
    node = slot.constant(expression)
    if not fits(bare(node.type), of):
        raise slot.fail(
            "C03",
            f"`{slot.parameter.name}` wants {'a whole number' if of == INT else of}, and this is {node.type}",
            expression.span,
        )
    if is_nullable(node.type):
        raise slot.fail(
            "C21",
            f"`{slot.parameter.name}` may be null here",
            expression.span,
            f"give a default: coalesce(.., {'1' if of == INT else 'default'})",
        )
    return node


def check_flag(slot: Slot, expression: t.Expression) -> bool:
    if not isinstance(expression, t.Constant) or expression.value is None:
        raise slot.fail("C12", f"`{slot.parameter.name}` is true or false, written out", expression.span)
    return expression.value


def check_plain(slot: Slot, expression: t.Expression) -> Any:
    if not isinstance(expression, t.Text):
        raise slot.fail("C12", f"`{slot.parameter.name}` is a text, written out", expression.span)
    whole = slot.operator.name in aggregates()
    return Literal(expression.value, TEXT) if whole else expression.value


def check_pattern(slot: Slot, expression: t.Expression) -> Node:
    node = slot.constant(expression)
    text = known_value(node)
    if not isinstance(text, str):
        raise slot.fail(
            "C12", "a pattern is a text written out, or a name bound to one", expression.span, 'write r"pattern"'
        )
    if bad := problem(text):
        raise slot.fail("C10", bad.message, expression.span, *bad.hints)
    return resolved(node)


def check_choice(slot: Slot, expression: t.Expression, values: tuple[str, ...], or_pattern: bool) -> Any:
    if isinstance(expression, t.Text) and expression.value in values:
        return expression.value
    word = isinstance(expression, t.Number) or (
        isinstance(expression, t.Text) and not expression.raw and expression.value.isalpha()
    )
    if or_pattern and not word:
        return check_pattern(slot, expression)
    if isinstance(expression, t.Number) and "size" in {p.name for p in slot.operator.parameters}:
        hints: tuple[str, ...] = (f"name it: size={expression.value:g}",)
    elif isinstance(expression, t.Text) and expression.value.lower() in habits.CHOICES:
        hints = (habits.CHOICES[expression.value.lower()],)
    elif isinstance(expression, t.Name) and expression.name in values:
        hints = (f'put it in quotes: "{expression.name}"',)
    else:
        given = expression.value if isinstance(expression, t.Text) else ""
        hints = (
            did_you_mean(given, [f"{v}" for v in values], what="choices")
            if given
            else (f"choices: {', '.join(values)}",)
        )
    raise slot.fail("C12", f"`{slot.parameter.name}` is one of {', '.join(values)}", expression.span, *hints)


def check_result_type(slot: Slot, expression: t.Expression, record: bool) -> Any:
    type_ = resolve_type(slot.names, expression)
    if type_ is None:
        raise Failed
    if record and not isinstance(type_, Record):
        raise slot.fail(
            "C13",
            f"`{slot.parameter.name}` is a record of columns",
            expression.span,
            f"write {slot.parameter.name}={{name: {type_}}}",
        )
    if isinstance(type_, Table):
        raise slot.fail("C13", "a model does not answer with a table", expression.span, "ask for list[{name: T}]")
    return type_


def check_column_types(slot: Slot, expression: t.Expression) -> tuple[tuple[str, Any], ...]:
    if not isinstance(expression, t.Entries):
        raise slot.fail("C13", "`types` is a record of types", expression.span, "write types={name: int}")
    found = [(entry.name, resolve_type(slot.names, entry.value)) for entry in expression.entries]
    if any(type_ is None for _, type_ in found):
        raise Failed
    return tuple(found)


def check_new_name(slot: Slot, expression: t.Expression) -> str:
    name = (
        expression.name
        if isinstance(expression, t.Name)
        else (expression.value if isinstance(expression, t.Text) else "")
    )
    if not name:
        raise slot.fail("C12", f"`{slot.parameter.name}` is a new column's name", expression.span)
    return name
