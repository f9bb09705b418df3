"""A look at data before anything is asked of it: what it was recognised as and why, its columns, its first rows.

In: what a user gives. Out: a frozen value. Law: what is told is of the rows that a run would read; of each column it
names the cell that its type rests on, with its place and text; its size is bounded, whatever the data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal as Exact
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_ready, json_text
from rlm_dsl.context.columns.cell_types import READERS
from rlm_dsl.context.context import Context
from rlm_dsl.context.files.find import STANDARD_INPUT, Found, file_and_table, is_many
from rlm_dsl.context.files.read import read_file
from rlm_dsl.context.files.streams import plain_name
from rlm_dsl.context.files.text import text_of
from rlm_dsl.context.format_registry import format_named, format_of_ending
from rlm_dsl.context.formats.csv.dialect import find_dialect
from rlm_dsl.context.given import Given
from rlm_dsl.context.loading import load, require_options
from rlm_dsl.explore.view import cut
from rlm_dsl.language.types import FLOAT, Decimal, Field, Type, bare, is_text

ROWS = 5
CELL = 200
"""Characters of a cell that are told."""
BY_CELLS = ("csv", "tsv", "json", "jsonl", "sqlite", "sheet")
"""Formats of which the values tell the types; others say them."""
PARTS = 4_096
"""Values that are looked at at once."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Why a column has its type: in words, and the cell that shows it, where one does."""

    why: str
    text: str = ""
    path: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    decided: Decided
    nulls: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Peek:
    """What there is to know: how data was read and why, and what is in it."""

    given: str
    format: str
    why: str
    files: int
    size: int
    encodings: tuple[str, ...]
    dialect: str
    notes: tuple[str, ...]
    rows: int
    columns: tuple[Column, ...]
    first: tuple[tuple[Any, ...], ...]


def peek(given: Given) -> Peek:
    """A look at what a user gives. Raises UserError for what cannot be read."""
    require_options(given)
    context = load("data", given.path, format=given.format, options=given.options)
    rows: Any = context.rows
    if isinstance(rows, tuple):
        raise UserError(
            f"{given.path} is a kept context: how it is read was settled when it was loaded",
            f"its columns and notes: rlm-dsl load {given.path}; a look at its data: rlm-dsl peek SOURCE",
        )
    columns = tuple(column_of(context, field) for field in context.schema.columns)
    held = rows.select(list(context.schema.names)).slice(0, ROWS).to_pylist()
    first = tuple(tuple(shown(row[name]) for name in context.schema.names) for row in held)
    return Peek(
        given.path,
        context.format,
        why_format(given, context),
        len(context.sources),
        sum(source.size for source in context.sources),
        tuple(dict.fromkeys(source.encoding for source in context.sources)) if is_of_text(context.format) else (),
        dialect_of(context),
        context.notes,
        context.count,
        columns,
        first,
    )


def is_of_text(format: str) -> bool:
    """Whether the files of a format are text in some encoding."""
    return "encoding" in format_named(format).options


def why_format(given: Given, context: Context) -> str:
    if given.format:
        return "as it is said"
    ending = Path(plain_name(file_and_table(given.path)[0])).suffix
    if is_many(given.path):
        return "by the endings of its files" if context.format not in ("lines", "documents") else "no known endings"
    known = format_of_ending(ending)
    return f"by its ending {ending}" if known is not None else "text: its ending is of no other format"


def dialect_of(context: Context) -> str:
    """How the first file of CSV is cut."""
    if context.format not in ("csv", "tsv") or not context.sources or context.sources[0].path == STANDARD_INPUT:
        return ""
    source = context.sources[0]
    if source.held is not None:
        return ""
    content = text_of(read_file(0, Found(source.path, source.shown))[1], context.options, feeds=True).content
    found = find_dialect(content, context.options, "\t" if context.format == "tsv" else ",")
    decimal = f", decimal sign {found.decimal!r}" if found.decimal not in ("", ".") else ""
    header = "names in its header" if found.headed else "no header: columns are numbered"
    return f"fields between {found.delimiter!r}, quoted by {found.quote or 'nothing'}, {header}{decimal}"


def column_of(context: Context, field: Field) -> Column:
    rows: Any = context.rows
    held = rows[field.name]
    place, text, why = deciding(context.format, field.type, values_of(held))
    decided = Decided(why)
    if place is not None:
        at = rows.slice(place, 1).to_pylist()[0]
        decided = Decided(why, cut(text, CELL), context.sources[at["#source"]].shown, at["#line"])
    return Column(field.name, str(field.type), decided, held.null_count, distinct(held))


def values_of(held: Any) -> Iterator[tuple[int, Any]]:
    """The values that there are, with their places; a part is made Python's at a time."""
    for begin in range(0, len(held), PARTS):
        for place, value in enumerate(held.slice(begin, PARTS).to_pylist(), begin):
            if value is not None:
                yield place, value


def deciding(format: str, type_: Type, values: Iterator[tuple[int, Any]]) -> tuple[int | None, str, str]:
    """The place and text of the cell that a type rests on, and why it does."""
    if format not in BY_CELLS:
        return None, "", "the format says it"
    inner = bare(type_)
    if is_text(inner):
        return deciding_text(values)
    tests: dict[str, tuple[Callable[[Any], bool], str]] = {
        "decimal": (
            lambda value: -exponent(value) == getattr(inner, "scale", 0),
            "has the most digits after the point",
        ),
        "float": (
            lambda value: value != value or value in (float("inf"), float("-inf")) or value % 1 != 0,
            "is no int",
        ),
    }
    kind = "decimal" if isinstance(inner, Decimal) else "float" if inner == FLOAT else ""
    first: tuple[int, Any] | None = None
    for place, value in values:
        first = first or (place, value)
        if not kind or tests[kind][0](value):
            return place, shown_text(value), tests[kind][1] if kind else "and all others read so"
    return (None, "", "no cell holds anything") if first is None else (first[0], shown_text(first[1]), "as all others")


def deciding_text(values: Iterator[tuple[int, Any]]) -> tuple[int | None, str, str]:
    """The first cell at which no narrower type is left for the column."""
    left, last = dict(READERS), None
    for place, value in values:
        if value == "":
            continue
        last = last or (place, value)
        for type_, read in list(left.items()):
            try:
                read(value)
            except (ValueError, KeyError):
                del left[type_]
        if not left:
            return place, value, "fits no narrower type"
    if last is None:
        return None, "", "no cell holds anything"
    return last[0], last[1], "is kept as it is written"


def exponent(value: Exact) -> int:
    found = value.normalize().as_tuple().exponent
    return min(0, found) if isinstance(found, int) else 0


def distinct(held: Any) -> int:
    """How many different values there are, null left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        plain = held.cast(pa.large_string()) if pa.types.is_string_view(held.type) else held
        return int(pc.count_distinct(plain, mode="only_valid").as_py())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return len({json_text(value) for _, value in values_of(held)})


def shown(value: Any) -> Any:
    """A value as JSON has it, a long text cut."""
    ready = json_ready(value)
    if isinstance(ready, str):
        return cut(ready, CELL)
    told = json.dumps(ready, ensure_ascii=False)
    return ready if len(told) <= CELL else cut(told, CELL)


def shown_text(value: Any) -> str:
    ready = json_ready(value)
    return ready if isinstance(ready, str) else json.dumps(ready, ensure_ascii=False)
