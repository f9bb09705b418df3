"""An answer: a value on one line, a text as it is, a table as rows, several parts each under its name.

In: an answer's parts, as traces hold them. Out: text. Law: numbers and the like stand as JSON writes them; a list is a
line an item, a record a line a field; tables and lists are bounded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.cli.output import indent
from rlm_dsl.cli.render.table import table_text

LISTED = 40
"""Items of a list that are shown."""


def answer_text(parts: Sequence[Mapping[str, Any]]) -> str:
    """The whole answer, under its heading."""
    return "\n".join(["answer", *(line for part in parts for line in part_lines(part))])


def value_lines(value: Any) -> list[str]:
    """A value as people read it: a text as it is (decimals are texts too), rows as a table, a list and a record line by
    line."""
    match value:
        case str():
            return value.split("\n") if value.strip() and value == value.strip(" ") else [json_text(value)]
        case [dict() as first, *_] if all(isinstance(row, dict) and row.keys() == first.keys() for row in value):
            return table_text(tuple(first), [list(row.values()) for row in value]).split("\n")
        case [_, _, *_]:
            more = [f"... {len(value) - LISTED:,} more"] if len(value) > LISTED else []
            return [*(line for item in value[:LISTED] for line in value_lines(item)), *more]
        case dict() if value:
            wide = max(map(len, value))
            return [line for name, each in value.items() for line in field_lines(name, value_lines(each), wide)]
        case _:
            return [json_text(value)]


def field_lines(name: str, lines: Sequence[str], wide: int) -> Iterator[str]:
    """A record's field: its name, and what it holds beside it."""
    yield f"{name.ljust(wide)}  {lines[0]}"
    yield from (f"{' ' * wide}  {line}" for line in lines[1:])


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def part_lines(part: Mapping[str, Any]) -> list[str]:
    label = ".".join(part["part"])
    if "columns" not in part:
        lines = value_lines(part["value"])
        if len(lines) > 1:
            return [*([f"  {label}"] if label else []), *(indent(line, "    " if label else "  ") for line in lines)]
        return [f"  {label} = {lines[0]}" if label else f"  {lines[0]}"]
    rows = table_text(tuple(part["columns"]), part["value"])
    return [f"  {label}", indent(rows, "    ")] if label else [indent(rows)]
