"""A store in a file of SQLite's: each answer is paid for once.

In: answers by key. Out: the same answers, over runs and processes. Law: what was acknowledged is there after a crash;
errors, refusals and answers cut short are never in it; a damaged file is moved aside, not written to, and what can be
read of it is in the new one; a store that cannot be written to is told before anything is paid for.
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from rlm_dsl.models.cache.kept import as_text
from rlm_dsl.models.cache.kinds.sqlite.claims import Claims
from rlm_dsl.models.cache.kinds.sqlite.damage import (
    BUSY,
    CHECKED,
    Damaged,
    check,
    is_damage,
    is_ours,
    mark_of,
    quarantine,
    store_error,
)
from rlm_dsl.models.cache.kinds.sqlite.reading import SqliteReader
from rlm_dsl.models.cache.kinds.sqlite.salvage import salvage
from rlm_dsl.models.cache.kinds.sqlite.tables import fill, make
from rlm_dsl.models.cache.protocol import TABLES, Claim, Row
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.dialects import Dialect

GROUP = 256
"""Answers that are committed together at most."""
OPENING = threading.Lock()
"""Held while a store is opened: two that make the same file at once find it locked, whatever their patience."""
Put = tuple[str, str, str, float, Future[None]]


class SqliteStore(SqliteReader):
    """Owns one SQLite file: readers share a connection, one thread writes and commits in groups."""

    read_only = False

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise store_error(path, failure) from None
        self.quarantined, self.saved = "", 0
        with OPENING:
            try:
                self.reader = self.opened()
            except Damaged as failure:
                if not is_ours(path):
                    raise store_error(path, failure) from None
                self.quarantined = quarantine(path)
                self.reader = self.connected()
                self.refill(Path(self.quarantined))
                self.damage = {"moved_to": Path(self.quarantined).name, "saved": self.saved}
        self.claims = Claims(path)
        self.lock = threading.Lock()
        self.waiting: queue.SimpleQueue[Put | None] = queue.SimpleQueue()
        self.writer = threading.Thread(target=self.write, name="answer store", daemon=True)
        self.writer.start()

    def opened(self) -> sqlite3.Connection:
        """A connection to a store that can be written to, and is whole as far as was looked. Raises Damaged."""
        connection = self.connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            met = mark_of(self.path)
            if met.exists() or (str(self.path) != ":memory:" and self.path.stat().st_size <= CHECKED):
                check(connection)
                met.unlink(missing_ok=True)
            return connection
        except (sqlite3.Error, OSError, Damaged) as failure:
            connection.close()
            if is_damage(failure):
                raise Damaged(str(failure)) from None
            raise store_error(self.path, failure) from None

    def refill(self, damaged: Path) -> None:
        """What can be read of a damaged store, kept in this one; told in a line."""
        found = salvage(damaged)
        self.saved = len(found.answers)
        fill(self.reader, found)
        mark_of(self.path).unlink(missing_ok=True)
        logging.getLogger("rlm_dsl").warning(
            "the answer store %s was damaged: it lies beside as %s, and %s answers that can be read were saved",
            *(self.path, damaged.name, f"{self.saved:,}"),
        )

    def connected(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, timeout=BUSY, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            make(connection, self.path)
            return connection
        except (sqlite3.Error, OSError) as failure:
            if is_damage(failure):
                raise Damaged(str(failure)) from None
            raise store_error(self.path, failure) from None

    async def claim(self, key: str) -> Claim:
        """Ours, unless its answer is there or another process that is still there asks for it."""
        mine = self.claims.taken(key)
        found = self.held([key]).get(key)
        if mine and found is not None:
            self.claims.give_back(key)
        return Claim(mine and found is None, found)

    def give_back(self, key: str) -> None:
        self.claims.give_back(key)

    def put(self, request: Request, answer: Answer) -> Future[None]:
        """Keep an answer; the future is done once it is safe on disk. Raises ValueError for one that is not whole."""
        if not answer.keepable:
            raise ValueError("refusals and answers cut short are not kept")
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever stops waiting does not stop the writing
        self.waiting.put((request.key, as_text(request.as_json()), as_text(answer.as_json()), time.time(), done))
        return done

    def write(self) -> None:
        """Commit what waits, as much at once as there is."""
        connection = self.connected()
        while (first := self.waiting.get()) is not None:
            group, last = [first], False
            while len(group) < GROUP and not self.waiting.empty():
                item = self.waiting.get()
                if item is None:
                    last = True
                    break
                group.append(item)
            self.commit(connection, group)
            if last:
                break
        connection.close()

    def commit(self, connection: sqlite3.Connection, group: list[Put]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR IGNORE INTO answers (key, request, answer, kept) VALUES (?, ?, ?, ?)",
                [put[:4] for put in group],
            )
            connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeError) as failure:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            for *_, done in group:
                done.set_exception(self.met(failure))
            return
        for *_, done in group:
            done.set_result(None)

    def learn_packs(self, asking: str, size: int, agreed: int, compared: int) -> None:
        """Remember how many rows go together. That it cannot be kept is no reason to stop."""
        row = (asking, size, agreed, compared)
        with self.lock, suppress(sqlite3.Error):
            self.reader.execute("INSERT OR REPLACE INTO packs VALUES (?, ?, ?, ?)", row)

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        """Remember how a model is asked. That it cannot be kept is no reason to stop."""
        row = (base_url, model, dialect.written(), int(dialect.old_limit), time.time())
        with self.lock, suppress(sqlite3.Error):
            self.reader.execute("INSERT OR REPLACE INTO manners VALUES (?, ?, ?, ?, ?)", row)

    def keep_batch(self, base_url: str, batch: str, keys: list[str]) -> None:
        """Write down a batch that was submitted, safely, before anything waits for it."""
        row = batch, base_url, json.dumps(keys), time.time()
        self.rows("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", *row)

    def forget_batch(self, batch: str) -> None:
        self.rows("DELETE FROM batches WHERE batch = ?", batch)

    def discard(self, keys: Iterable[str]) -> None:
        """For good: the file is made as small as what is left."""
        self.rows("BEGIN IMMEDIATE")
        for key in keys:
            self.rows("DELETE FROM answers WHERE key = ?", key)
        self.rows("COMMIT")
        self.rows("VACUUM")

    def add_rows(self, table: str, rows: Iterable[Row]) -> int:
        columns = TABLES[table]
        query = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        try:
            with self.lock:
                self.reader.execute("BEGIN IMMEDIATE")
                added = self.reader.executemany(query, rows).rowcount
                self.reader.execute("COMMIT")
            return max(added, 0)
        except (sqlite3.Error, UnicodeError) as failure:
            with suppress(sqlite3.Error):
                self.reader.execute("ROLLBACK")
            raise self.met(failure) from None

    def close(self) -> None:
        """Finish what waits, then close."""
        self.waiting.put(None)
        self.writer.join()
        self.reader.close()
        self.claims.close()
