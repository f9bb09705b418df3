"""A table: rows as aligned text.

In: column names, rows. Out: text. Law: it is bounded in rows, and each cell in characters.
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.explore.view import cell


def table_text(columns: tuple[str, ...], rows: list[list[Any]], limit: int = 20, width: int = 40) -> str:
    """Rows as aligned text, at most `limit` of them, cells at most `width` characters."""
    shown = [[cell(value, width) for value in row] for row in rows[:limit]]
    widths = (
        [max(len(name), *(len(row[i]) for row in shown), 0) for i, name in enumerate(columns)]
        if shown
        else [len(name) for name in columns]
    )
    lines = ["  ".join(name.ljust(w) for name, w in zip(columns, widths, strict=True)).rstrip()]
    lines += ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in shown]
    if len(rows) > limit:
        lines.append(f"... {len(rows) - limit:,} more rows")
    return "\n".join(lines)
