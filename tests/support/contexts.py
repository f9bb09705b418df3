"""Files and what loading them gives: rows, cells, places and notes.

In: content for a file, a loaded context. Out: the file's path; the context's values as Python has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlm_dsl.context.context import Context


def written(folder: Path, name: str, content: bytes | str) -> str:
    """A file below a folder with this content; its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def column(context: Context, name: str) -> list[object]:
    return context.rows[name].to_pylist()


def cells(context: Context) -> list[dict[str, Any]]:
    """The rows, without the columns that say where they stand."""
    rows: list[dict[str, Any]] = context.rows.select(list(context.schema.names)).to_pylist()
    return rows


def raw_rows(context: Context, content: bytes) -> list[bytes]:
    """Each row's own bytes of a file."""
    return [content[lo:hi] for lo, hi in zip(column(context, "#lo"), column(context, "#hi"), strict=True)]  # type: ignore[misc]


def notes(context: Context) -> str:
    return "; ".join(context.notes)
