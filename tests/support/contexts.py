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


def lines_as_read(content: bytes) -> list[tuple[int, int, int, str]]:
    """Number, places and text of each line of a file that is read as UTF-8, one line after the other."""
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    found, at = [], 0
    while at < len(content):
        start, feed = at, content.find(b"\n", at)
        end, at = (len(content), len(content)) if feed < 0 else (feed, feed + 1)
        if not start and content.startswith(b"\xef\xbb\xbf"):
            start = 3
        while feed >= 0 and end > start and content[end - 1 : end] == b"\r":
            end -= 1
        found.append((len(found) + 1, start, end, content[start:end].decode("utf-8", "replace")))
    return found


def document_as_read(content: bytes) -> str:
    """The text of a file that is read as UTF-8."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")


def raw_rows(context: Context, content: bytes) -> list[bytes]:
    """Each row's own bytes of a file."""
    return [content[lo:hi] for lo, hi in zip(column(context, "#lo"), column(context, "#hi"), strict=True)]  # type: ignore[misc]


def notes(context: Context) -> str:
    return "; ".join(context.notes)
