"""Bounded views of what a step came to: for the root model, the terminal and a log alike.

In: a type and some rows or a value. Out: text of at most so many rows, columns and characters.
Law: a view says what it leaves out; control characters in the data never reach it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import printable
from rlm_dsl.common.json_ready import json_ready, json_text
from rlm_dsl.language.types import Table, Type


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a view shows at most."""

    rows: int = 5
    cell: int = 160
    characters: int = 2_400


def view_table(name: str, type_: Table, count: int, rows: Sequence[Sequence[Any]], limits: Limits = Limits()) -> str:
    """Name, type and row count, then the first rows, a line each."""
    lines = [f"{name}: {type_}, {counted(count, 'row')}"]
    room = limits.characters - len(lines[0])
    lines[0] = cut(lines[0], limits.characters // 2)
    shown = 0
    for row in rows[: limits.rows]:
        line = "  " + " | ".join(cell(value, limits.cell) for value in row)
        if len(line) > room and shown:
            break
        lines.append(cut(line, max(room, 80)))
        room -= len(line) + 1
        shown += 1
    if count > shown:
        lines.append(f"  ... {count - shown:,} more rows: | take({limits.rows}, skip={shown}) has the next")
    return "\n".join(lines)


def view_value(name: str, type_: Type, value: Any, limits: Limits = Limits()) -> str:
    """Name, type and the value as JSON; of a text that is too long, how the next of it is seen."""
    told = printable(json_text(value))
    seen = f"{name}: {cut(str(type_), 400)} = {cut(told, limits.characters)}"
    if len(told) <= limits.characters or not isinstance(value, str):
        return seen
    unnamed = name.partition(".")[0] in ("show", "answer")
    of, first = ("NAME", "the next of it, once it is bound: ") if unnamed else (name, "the next of it: ")
    return f"{seen}\n  {first}show substring({of}, {limits.characters + 1}, {limits.characters})"


def cell(value: Any, width: int) -> str:
    """A value in one line; a text as it is, the rest as JSON."""
    told = json_ready(value)
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    return cut(printable(text.replace("\n", "\\n")), width)


def cut(text: str, width: int) -> str:
    """The text, or its beginning with how much is left out."""
    return text if len(text) <= width else f"{text[:width]}... (+{len(text) - width:,} characters)"
