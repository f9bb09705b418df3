"""A look at data, for a person.

In: a peek. Out: text. Law: it is bounded, and safe for a terminal.
"""

from __future__ import annotations

from rlm_dsl.cli.output import safe
from rlm_dsl.cli.render.table import table_text
from rlm_dsl.common.counted import counted
from rlm_dsl.explore.peek import Column, Peek
from rlm_dsl.explore.view import cell

COLUMNS, SHOWN = 60, 12
"""Columns that are told of, and those of the first rows."""


def peek_text(found: Peek) -> str:
    files = f"{found.files:,} {'file' if found.files == 1 else 'files'}, {counted(found.size, 'byte')}"
    lines = [
        f"{cell(found.given, 200)}: {files}, {counted(found.rows, 'row')}",
        f"format    {found.format} ({found.why})",
        f"encoding  {', '.join(found.encodings)}" if found.encodings else "",
        f"dialect   {found.dialect}" if found.dialect else "",
        *(f"note      {note}" for note in found.notes),
    ]
    held = [[each.name, each.type, each.nulls, each.distinct, decided(each)] for each in found.columns]
    columns = table_text(("column", "type", "nulls", "distinct", "decided by"), held, COLUMNS, 100)
    names = tuple(cell(each.name, 40) for each in found.columns[:SHOWN])
    rows = table_text(names, [list(row[:SHOWN]) for row in found.first]) if found.first else "no rows"
    return safe("\n".join([*filter(None, lines), "", columns, "", rows]))


def decided(column: Column) -> str:
    found = column.decided
    if not found.path and found.line is None:
        return found.why
    place = found.path if found.line is None else f"{found.path}:{found.line}"
    return f"{cell(found.text, 40)} ({place}) {found.why}"
