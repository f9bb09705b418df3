"""A table: rows as aligned text.

In: column names, rows. Out: text. Law: it is bounded in rows, and each cell in characters; in a terminal it is no wider
than that, as long as its columns are still to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_dsl.cli.render.width import INDENT, narrowed, shortened, width_known
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import cells
from rlm_dsl.explore.view import cell


def table_text(columns: tuple[str, ...], rows: list[list[Any]], limit: int = 20, width: int = 40) -> str:
    """Rows as aligned text, at most `limit` of them, cells at most `width` characters."""
    shown = [[cell(value, width) for value in row] for row in rows[:limit]]
    widths = (
        [max(cells(name), *(cells(row[i]) for row in shown), 0) for i, name in enumerate(columns)]
        if shown
        else [cells(name) for name in columns]
    )
    if (room := width_known()) is not None:
        widths = narrowed(widths, room - INDENT)
    lines = [aligned(columns, widths), *(aligned(row, widths) for row in shown)]
    if len(rows) > limit:
        lines.append(f"... {counted(len(rows) - limit, 'more row')}")
    return "\n".join(lines)


def aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """A line of a table: each text as many terminal cells wide as its column."""
    fitting = [
        text if cells(text) <= width else shortened(text, width) for text, width in zip(row, widths, strict=True)
    ]
    return "  ".join(text + " " * (width - cells(text)) for text, width in zip(fitting, widths, strict=True)).rstrip()
