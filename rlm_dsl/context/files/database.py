"""What files of databases have in common: which table is meant, and that nothing of it lies elsewhere.

In: the path of such a file, and its tables. Out: the source, and the table's name. Law: the rows are those of the very
bytes that were digested: a file that is being written to is refused.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.context.context import SourceFile
from rlm_dsl.context.files.find import TABLE_MARK, find
from rlm_dsl.context.files.read import source_of
from rlm_dsl.context.files.recognised import seems


def database_source(path: str, magic: tuple[int, bytes], what: str) -> SourceFile:
    """The file with its digest. Raises UserError where it is no such file: `magic` are bytes at a place in its head."""
    found = find(path)
    if len(found) != 1:
        raise UserError(f"{path} is not one file", f"give one {what} file")
    try:
        with Path(path).open("rb") as file:
            head = file.read(8_192)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as failure:
        raise system_error(failure, path, "read") from None
    at, expected = magic
    if head[at : at + len(expected)] != expected:
        raise UserError(f"{path} is no {what} file", seems(head, path))
    return source_of(0, found[0], size, digest)


LOAD_AGAIN = "load its source again: rlm-dsl load"
DUCKDB = (8, b"DUCK")
"""What a DuckDB file begins with, and at which byte."""


def engine_file(path: str) -> str:
    """A DuckDB file's whole path, which an engine can take for no address and no other kind of file. Raises UserError
    for what is no such file, such as a link, a pipe or an SQLite file of its name."""
    at, expected = DUCKDB
    try:
        if regular_head(path)[at : at + len(expected)] == expected and not os.path.lexists(f"{path}.wal"):
            return os.path.abspath(path)  # noqa: PTH100 - links above it stay: the engine compares names
    except OSError as failure:
        raise system_error(failure, path, "read", LOAD_AGAIN) from None
    raise UserError(f"{path} is no file of the engine's", LOAD_AGAIN)


def regular_head(path: str) -> bytes:
    """The first bytes of a regular file, none of anything else: a pipe or device is not opened, a link not followed."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return b""
    with Path(path).open("rb") as file:
        return file.read(100)


def require_rows(connection: Any, database: str, path: str) -> None:
    """Raises UserError where the rows of a file that is open are no table of its own, but made by a view or formula."""
    held = "database_name = $database AND schema_name = 'main' AND table_name = 'rows'"
    found = connection.execute(
        f"SELECT (SELECT count(*) FROM duckdb_tables() WHERE {held}), "
        f"(SELECT count(*) FROM duckdb_columns() WHERE {held} AND column_default IS NOT NULL)",
        {"database": database},
    ).fetchall()
    if found != [(1, 0)]:
        raise UserError(f"{path} holds no rows of a loaded context", LOAD_AGAIN)


def refuse_pending_changes(path: str, endings: Sequence[str]) -> None:
    """Raises UserError where changes lie beside the file that are not in it yet."""
    for ending in endings:
        beside = Path(path + ending)
        if beside.exists() and beside.stat().st_size:
            raise UserError(
                f"{path} is not complete: {beside.name} holds changes that are not in it yet",
                "close what is writing to it, or copy it by the database's own backup",
            )


def choose_table(path: str, said: str, tables: Sequence[str], views: Sequence[str]) -> str:
    """The table that is meant: the one that is said, or the only one."""
    if said:
        if said not in (*tables, *views):
            raise UserError(
                f"{path} has no table `{said}`", *did_you_mean(said, [*tables, *views], what="tables and views")
            )
        return said
    if len(tables) != 1:
        listed = ", ".join(tables) or "none"
        raise UserError(
            f"{path} has {len(tables):,} tables, not one: {listed}",
            *([f"say which: {path}{TABLE_MARK}{(*tables, *views)[0]}"] if tables or views else []),
        )
    return tables[0]


def file_state(path: str) -> tuple[int, int]:
    """What changes when a file is written to."""
    found = Path(path).stat()
    return found.st_mtime_ns, found.st_size


def refuse_changed(path: str, before: tuple[int, int]) -> None:
    if file_state(path) != before:
        raise UserError(f"{path} was written to while it was read", "read it when nothing writes to it")


def quote_name(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
