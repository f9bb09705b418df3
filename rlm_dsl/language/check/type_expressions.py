"""Type expressions to types.

In: a tree expression, or a table type's text as headers of traces and descriptions of contexts hold it. Out: the type,
or None after saying what is wrong. Law: a table type's own text gives the very same type.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import ProgramError, did_you_mean
from rlm_dsl.common.source import Source, Span
from rlm_dsl.language.check.habits import TYPES
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import DIGITS, MONEY, SCALARS, Decimal, Enum, Field, ListOf, Record, Table, Type, nullable


def resolve_type(names: Names, expression: t.Expression) -> Type | None:
    """The type that an expression spells, or None after saying what is wrong with it."""
    match expression:
        case t.Name(name):
            return _scalar(names, name, expression.span)
        case t.Maybe(of):
            inner = resolve_type(names, of)
            return None if inner is None else nullable(inner)
        case t.Applied("list", (of,)):
            inner = resolve_type(names, of)
            return None if inner is None else ListOf(inner)
        case t.Applied("enum", items):
            return _enum(names, items, expression.span)
        case t.Entries(entries):
            fields = _fields(names, entries)
            return None if fields is None else Record(fields)
        case t.Call("table", (), entries):
            fields = _fields(names, entries)
            return None if fields is None else Table(fields)
        case t.Call("decimal", arguments):
            return _decimal(names, arguments, expression.span)
        case t.Text(text) if text in SCALARS or text.lower() in TYPES:
            meant = text if text in SCALARS else TYPES[text.lower()]
            names.report("C13", "a type is no text", expression.span, f"write it bare: {meant}")
            return None
        case _:
            names.report(
                "C13",
                "no type",
                expression.span,
                f'types: {", ".join(SCALARS)}, decimal(2), list[T], enum["a", "b"], {{name: T}}, table(col: T), T?',
            )
            return None


def parse_table_type(text: str) -> Table | None:
    """The table type that a text spells, None for any other text."""
    try:
        statement = parse(Source("type", f"context held: {text}")).statements[0]
    except ProgramError:
        return None
    type_ = resolve_type(Names({}, {}, {}), statement.type) if isinstance(statement, t.ContextStatement) else None
    return type_ if isinstance(type_, Table) else None


def _scalar(names: Names, name: str, span: Span) -> Type | None:
    if name in SCALARS:
        return SCALARS[name]
    if name == "decimal":
        return MONEY
    known = TYPES.get(name.lower())
    hints = (f"write `{known}`",) if known else did_you_mean(name, list(SCALARS), what="types")
    names.report("C13", f"no type is called `{name}`", span, *hints)
    return None


def _decimal(names: Names, arguments: tuple[t.Argument, ...], span: Span) -> Type | None:
    match arguments:
        case (t.Argument(None, t.Number(int() as scale)),) if scale <= DIGITS:
            return Decimal(scale)
        case (t.Argument(None, t.Number(int())), t.Argument(None, t.Number(int() as scale))) if scale <= DIGITS:
            hint = f"write decimal({scale}): of {DIGITS} digits in all"
        case _:
            hint = f"write decimal(2), or another number from 0 to {DIGITS}"
    names.report("C13", "a decimal is told by its digits after the point alone", span, hint)
    return None


def _enum(names: Names, items: tuple[t.Expression, ...], span: Span) -> Type | None:
    values = [item.value for item in items if isinstance(item, t.Text)]
    if len(values) != len(items) or not values or len(set(values)) != len(values):
        names.report("C13", "an enum is a list of different texts", span, 'write enum["a", "b"]')
        return None
    return Enum(tuple(values))


def _fields(names: Names, entries: tuple[t.Entry, ...]) -> tuple[Field, ...] | None:
    found = [(entry.name, resolve_type(names, entry.value)) for entry in entries]
    lowered = [name.lower() for name, _ in found]
    for entry, name in zip(entries, lowered, strict=True):
        if lowered.count(name) > 1:
            names.report("C09", f"`{entry.name}` stands here twice (names differ by more than case)", entry.name_span)
            return None
    if any(type_ is None for _, type_ in found):
        return None
    if any(names.hidden(entry.name, entry.name_span) for entry in entries):
        return None
    return tuple(Field(name, type_) for name, type_ in found if type_ is not None)
