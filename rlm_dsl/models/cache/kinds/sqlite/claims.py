"""Claims: a request is in flight once, over processes too.

In: keys. Out: whether this process may ask. Law: a claim holds until it is given back, its process ends or it is too
old; a claim that is lost costs a second question, never an answer, so that nothing waits for the disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from rlm_dsl.common.processes import is_running

OLD = 900.0
"""Seconds after which a claim holds no more: longer than any request with all its attempts."""
TABLE = (
    "CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT, process INTEGER, until REAL) WITHOUT ROWID"
)


class Claims:
    """Owns a small database beside the store. Where it cannot be used, everything may be asked."""

    def __init__(self, store: Path) -> None:
        self.owner = f"{os.uname().nodename}:{uuid.uuid4().hex}"
        self.lock = threading.Lock()
        self.connection: sqlite3.Connection | None = None
        with suppress(sqlite3.Error):
            path = ":memory:" if str(store) == ":memory:" else f"{store}-claims"
            connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False, isolation_level=None)
            self.connection = connection
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(TABLE)

    def taken(self, key: str) -> bool:
        """Take the claim on a key; false if another process that is still there holds it."""
        if self.connection is None:
            return True
        try:
            with self.lock:
                return self._taken(key, self.connection)
        except sqlite3.Error:
            return True

    def _taken(self, key: str, connection: sqlite3.Connection) -> bool:
        now = time.time()
        mine = (key, self.owner, os.getpid(), now + OLD)
        if connection.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?)", mine).rowcount:
            return True
        row = connection.execute("SELECT owner, process, until FROM claims WHERE key = ?", (key,)).fetchone()
        if row is not None and row[0] != self.owner and now < row[2] and alive(row[0], self.owner, row[1]):
            return False
        connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", mine)
        return True

    def give_back(self, key: str) -> None:
        if self.connection is not None:
            with self.lock, suppress(sqlite3.Error):
                self.connection.execute("DELETE FROM claims WHERE key = ? AND owner = ?", (key, self.owner))

    def close(self) -> None:
        if self.connection is not None:
            with suppress(sqlite3.Error):
                self.connection.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))
            self.connection.close()


def alive(owner: str, own: str, process: int) -> bool:
    """Whether the process that holds a claim is still there; of another machine that is not known, and believed."""
    return owner.partition(":")[0] != own.partition(":")[0] or is_running(process)
