"""Typed values to SQL.

In: a node, and how a step is read. Out: a fragment in which every constant is a bound value with a telling name.
Law: the fragment's value is the node's, whatever the names and texts of the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.language.operators.core.engine_types import engine_type, widened
from rlm_dsl.language.operators.core.registry import aggregates, functions
from rlm_dsl.language.operators.functions.meeting import meeting_types
from rlm_dsl.language.operators.functions.text import template_pieces
from rlm_dsl.language.patterns.validate import group_count
from rlm_dsl.language.program import (
    Aggregate,
    Apply,
    Column,
    ContextRows,
    FieldOf,
    ListValue,
    Literal,
    Node,
    Param,
    RecordValue,
    Reference,
    Step,
    known_value,
    resolved,
)
from rlm_dsl.language.sql import Sql, bound, joined, name, sql
from rlm_dsl.language.types import NULL, ListOf, Nullable, Scalar, Type, bare


def constant(value: Any, type_: Type, hint: str) -> Sql:
    """A bound constant, cast so that the engine cannot choose a narrower type for it."""
    if value is None:
        return sql("NULL" if type_ == NULL else f"NULL::{engine_type(type_)}")
    plain = isinstance(type_, Scalar | Nullable) and isinstance(value, str | bool)
    return bound(value, hint, "" if plain else engine_type(type_))


NO_WINDOW = sql("")


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes expressions. `read` gives the relation of a step whose result is a value; `prefix` heads the names of
    bound values."""

    read: Callable[[Step], Sql]
    prefix: str = ""
    over: Sql = NO_WINDOW

    def over_rows(self, over: Sql) -> Writer:
        """The same writer, whose aggregates are over the window `over`."""
        return replace(self, over=over)

    def __call__(self, node: Node, hint: str = "value") -> Sql:
        match node:
            case Literal(value, type_):
                return constant(value, type_, f"{self.prefix}{hint}")
            case Param(param, value, type_):
                return constant(value, type_, param)
            case Column(column, _, side):
                return sql("{s}.{c}", s=name(side), c=name(column)) if side else name(column)
            case Apply():
                return self.applied(node, hint)
            case Aggregate(function, arguments):
                written = tuple(self(a, hint) for a in arguments)
                return aggregates()[function].lower(written, tuple(a.type for a in arguments), self.over)
            case ListValue(items):
                of = bare(node.type)
                assert isinstance(of, ListOf)
                written_items = (widened(self(item, hint), item.type, of.of) for item in items)
                return sql("[{items}]", items=joined(", ", written_items))
            case RecordValue(fields):
                inner = joined(", ", (sql("{n} := {v}", n=name(n), v=self(v, n)) for n, v in fields))
                return sql("struct_pack({inner})", inner=inner)
            case FieldOf(value, field):
                return sql("({v}).{f}", v=self(value, hint), f=name(field))
            case Reference(reference, inner):
                return self(inner, reference)
            case Step():
                return sql('(SELECT "value" FROM {t})', t=self.read(node))
            case ContextRows():
                raise TypeError("a table is no value")

    def applied(self, node: Apply, hint: str) -> Sql:
        """A scalar function, its arguments by the names of its signature."""
        entry = functions()[node.function]
        types = tuple(argument.type for argument in node.arguments)
        met = meeting_types(node.function, types)
        written = [widened(self(a, hint), a.type, m) for a, m in zip(node.arguments, met, strict=True)]
        named: dict[str, Any] = {}
        for index, wanted in enumerate(entry.inputs):
            named[wanted.name] = written[index:] if wanted.rest else written[index]
        written_as = entry.sql if node.version == entry.version else entry.earlier
        if callable(written_as):
            return written_as(
                {
                    **named,
                    **special(node, named, f"{self.prefix}{hint}"),
                    "types": types,
                }
            )
        assert isinstance(entry.sql, str)
        return sql(entry.sql, **named)


def special(node: Apply, named: dict[str, Any], hint: str) -> dict[str, Any]:
    """What a pattern or template, known before the run, says about the SQL."""
    if node.function == "format":
        template = resolved(node.arguments[0])
        assert isinstance(template, Literal | Param)
        return {"pieces": [bound(piece, "template") for piece in template_pieces(template.value)]}
    if node.function in ("matches", "json"):
        return {"known": known_value(node.arguments[1]), "hint": hint}
    if node.function in ("to_date", "to_timestamp"):
        return {"form": re.findall(r"%-?(.)", known_value(node.arguments[1]))}
    if node.function in ("round", "to_decimal"):
        return {"scale": known_value(node.arguments[1])}
    if node.function == "regex_extract":
        pattern, group = resolved(node.arguments[1]), node.arguments[2]
        assert isinstance(pattern, Literal | Param)
        wanted = known_value(group)
        return {"group": sql(str(min(1, group_count(pattern.value)) if wanted is None else int(wanted)))}
    return {}
