"""A file of SQLite's that is only read: not a byte of it or beside it changes.

In: a path. Out: what is in the store. Law: it is read on a disk that takes nothing too; what an earlier version wrote,
or what is damaged, is read by way of a copy in memory.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kinds.sqlite.damage import BUSY, CHECKED, Damaged, check, is_damage, is_ours, store_error
from rlm_dsl.models.cache.kinds.sqlite.reading import SqliteReader
from rlm_dsl.models.cache.kinds.sqlite.salvage import salvage
from rlm_dsl.models.cache.kinds.sqlite.tables import VERSION, fill, make, version_of


class SqliteFile(SqliteReader):
    """Reads a file that others may write to. While nobody does, no log lies beside it, and SQLite is told that the
    file does not change, for else it would lay files of its own there. Once it has changed it is opened anew."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        self.seen: tuple[float, ...] | None = None
        """What the file was when it was opened, where it must not change meanwhile."""
        try:
            self.reader = self.connected()
            if version_of(self.reader, path) != VERSION:
                self.reader, self.seen = copied(self.reader, path), None
            elif path.stat().st_size <= CHECKED:
                check(self.reader)
        except (sqlite3.Error, OSError, Damaged) as failure:
            if not is_damage(failure) or not is_ours(path):
                raise store_error(path, failure) from None
            self.reader, self.seen = saved(path), None

    def connected(self) -> sqlite3.Connection:
        self.seen = None if has_log(self.path) else state_of(self.path)
        how = "mode=ro" if self.seen is None else "immutable=1"
        address = f"file:{quote(str(self.path.absolute()))}?{how}"
        return sqlite3.connect(address, uri=True, timeout=BUSY, check_same_thread=False, isolation_level=None)

    def rows(self, query: str, *values: Any) -> list[Any]:
        try:
            found = super().rows(query, *values)
        except UserError:
            if not self.changed():
                raise
        else:
            if not self.changed():
                return found
        self.reader.close()
        self.reader = self.connected()
        return super().rows(query, *values)

    def changed(self) -> bool:
        return self.seen is not None and (has_log(self.path) or state_of(self.path) != self.seen)

    def met(self, failure: Exception) -> UserError:
        return store_error(self.path, failure)


def state_of(path: Path) -> tuple[float, ...]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def open_to_read(path: Path) -> SqliteReader:
    if not path.is_file():
        raise UserError(f"there is no answer store at {path}, and one that is only read is not made",
                        "make it by a run with a store that is written to", code="store")  # fmt: skip
    return SqliteFile(path)


def has_log(path: Path) -> bool:
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def in_memory(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    make(connection, path)
    return connection


def copied(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A store of an earlier version, brought up to date in memory."""
    made = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    with closing(connection):
        connection.backup(made)
    make(made, path)
    return made


def saved(path: Path) -> sqlite3.Connection:
    """What can be read of a damaged store, in memory."""
    made = in_memory(path)
    fill(made, salvage(path))
    return made
