"""Literals: numbers, moments, lists and records written out.

In: a value as the parser read it, or the checked parts of a list or record. Out: a node, or None after saying what is
wrong. Law: a list has one type; a record has at least one field and no name twice.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Sequence

from rlm_dsl.common.source import Span
from rlm_dsl.language.check.decimals import meet_exactly
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.program import ListValue, Literal, Node, RecordValue
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import DATE, FLOAT, INT, NULL, TIMESTAMP, Field, ListOf, Record, Table, Type, unify


def number_literal(names: Names, number: int | float | decimal.Decimal, span: Span) -> Node | None:
    if isinstance(number, decimal.Decimal):
        return Literal(float(number), FLOAT, exact=number)
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        names.report("C03", "a whole number has at most 64 bits", span, "write it as a float, such as 1e20")
        return None
    return Literal(number, INT if isinstance(number, int) else FLOAT)


def moment_literal(text: str) -> Literal:
    """A date or timestamp; its form was checked by the parser."""
    if "T" in text:
        return Literal(datetime.datetime.fromisoformat(text), TIMESTAMP)
    return Literal(datetime.date.fromisoformat(text), DATE)


def list_literal(names: Names, items: Sequence[Node], span: Span) -> Node | None:
    items = meet_exactly(tuple(items))
    of: Type | None = items[0].type if items else NULL
    for node in items[1:]:
        of = None if of is None else unify(of, node.type)
    if of is None or any(isinstance(node.type, Table) for node in items):
        names.report("C03", "the elements of a list must have one type", span)
        return None
    if all(isinstance(node, Literal) for node in items):
        return Literal([node.value for node in items if isinstance(node, Literal)], ListOf(of))
    return ListValue(tuple(items), ListOf(of))


def record_literal(names: Names, entries: Sequence[t.Entry], values: Sequence[Node | None]) -> Node | None:
    """A record of its entries' values, None where one of them is wrong."""
    seen: set[str] = set()
    for entry in entries:
        if entry.name.lower() in seen:
            names.report("C09", f"`{entry.name}` stands in this record twice", entry.name_span)
        seen.add(entry.name.lower())
    fields = [(entry.name, node) for entry, node in zip(entries, values, strict=True) if node is not None]
    if len(fields) < len(entries) or len(seen) < len(entries):
        return None
    if not fields:
        names.report("C03", "a record has at least one field", entries[0].span if entries else Span(0, 0))
        return None
    return RecordValue(tuple(fields), Record(tuple(Field(name, node.type) for name, node in fields)))
