"""The answer store: each answer is paid for once.

In: answers by key. Out: the same answers, over runs and processes. Law: what was acknowledged is there after a crash;
errors, refusals and answers cut short are never in it; a damaged file is moved aside, not written to.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.claims import Claims
from rlm_dsl.models.cache.earlier_keys import earlier_keys
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.dialects import Dialect

VERSION = 3
APPLICATION = 0x524C4D53
"""Marks the file as ours in its header."""
TABLES = (
    """CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL, kept REAL NOT NULL DEFAULT 0
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS manners (
  base_url TEXT, model TEXT, form TEXT NOT NULL, old_limit INTEGER NOT NULL, found REAL NOT NULL,
  PRIMARY KEY (base_url, model)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS batches (
  batch TEXT PRIMARY KEY, base_url TEXT NOT NULL, keys TEXT NOT NULL, submitted REAL NOT NULL
) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS upgraded (version INTEGER PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS packs (
  asking TEXT PRIMARY KEY, size INTEGER NOT NULL, agreed INTEGER NOT NULL, compared INTEGER NOT NULL
) WITHOUT ROWID""",
)
"""Answers, each with when it was kept; how each server's models are asked, with when that was found out; the batches
under way, with the keys that they will answer; the earlier versions that answers were kept by; how many rows of a kind
go together, with how many of those compared were answered alike."""
FORGOTTEN = 30 * 86_400.0
"""Seconds after which it is tried anew how a server is asked: servers learn too."""
GROUP = 256
"""Answers that are committed together at most."""
OPENING = threading.Lock()
"""Held while a store is opened: two that make the same file at once find it locked, whatever their patience."""

POLL = 0.1
"""Seconds between looks for an answer that another process is asking for."""

Put = tuple[str, str, str, float, Future[None]]


def default_path() -> Path:
    """RLM_DSL_STORE, or a file in the user's data folder."""
    if given := os.environ.get("RLM_DSL_STORE"):
        return Path(given)
    import platformdirs

    return Path(platformdirs.user_data_dir("rlm-dsl", appauthor=False)) / "answers.sqlite"


class AnswerStore:
    """Owns one SQLite file: readers share a connection, one thread writes and commits in groups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise store_error(path, failure) from None
        self.quarantined = ""
        with OPENING:
            try:
                self.reader = self.connected()
            except Damaged as failure:
                if not is_ours(path):
                    raise store_error(path, failure) from None
                self.quarantined = quarantine(path)
                self.reader = self.connected()
        self.claims = Claims(path)
        self.lock = threading.Lock()
        self.waiting: queue.SimpleQueue[Put | None] = queue.SimpleQueue()
        self.writer = threading.Thread(target=self.write, name="answer store", daemon=True)
        self.writer.start()

    def connected(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, timeout=30.0, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # Ours are marked before they have a table: whoever sees the table of one just being made sees its mark too.
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            if tables and found != APPLICATION:
                raise UserError(f"{self.path} is another program's database", "name another file with --store")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise UserError(f"{self.path} was written by a newer rlm-dsl", "update, or name another with --store")
            if tables and version < 2:
                connection.execute("ALTER TABLE answers DROP COLUMN claimed_until")
                connection.execute("ALTER TABLE answers ADD COLUMN kept REAL NOT NULL DEFAULT 0")
            if version < VERSION:
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            for table in TABLES:
                connection.execute(table)
            if tables and version < VERSION:
                connection.execute("INSERT OR IGNORE INTO upgraded VALUES (?)", (version,))
            return connection
        except (sqlite3.Error, OSError) as failure:
            if is_damage(failure):
                raise Damaged(str(failure)) from None
            raise store_error(self.path, failure) from None

    @cached_property
    def upgraded(self) -> bool:
        """Whether answers may lie here under keys of an earlier version."""
        with self.lock:
            return self.reader.execute("SELECT 1 FROM upgraded").fetchone() is not None

    def get(self, key: str) -> Answer | None:
        with self.lock:
            row = self.reader.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else Answer.from_json(json.loads(row[0]))

    def held(self, keys: Iterable[str]) -> dict[str, str]:
        """The answers that there are, as they are kept, by key."""
        wanted = list(keys)
        found: dict[str, str] = {}
        with self.lock:
            for at in range(0, len(wanted), 500):
                some = wanted[at : at + 500]
                marks = ",".join("?" * len(some))
                found.update(self.reader.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", some))
        return found

    def request(self, key: str) -> str | None:
        """The request that was asked for an answer, as JSON."""
        with self.lock:
            row = self.reader.execute("SELECT request FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def pack_size(self, asking: str) -> int | None:
        """How many rows that are asked so go together, where that was found out."""
        with self.lock:
            row = self.reader.execute("SELECT size FROM packs WHERE asking = ?", (asking,)).fetchone()
        return None if row is None else int(row[0])

    def learn_packs(self, asking: str, size: int, agreed: int, compared: int) -> None:
        """Remember how many rows go together. That it cannot be kept is no reason to stop."""
        row = (asking, size, agreed, compared)
        with self.lock, suppress(sqlite3.Error):
            self.reader.execute("INSERT OR REPLACE INTO packs VALUES (?, ?, ?, ?)", row)

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
                done.set_exception(store_error(self.path, failure))
            return
        for *_, done in group:
            done.set_result(None)

    def dialects(self, base_url: str) -> dict[str, Dialect]:
        """How a server's models are asked, as far as that was found out not too long ago."""
        with self.lock:
            rows = self.reader.execute(
                "SELECT model, form, old_limit FROM manners WHERE base_url = ? AND found > ?",
                (base_url, time.time() - FORGOTTEN),
            ).fetchall()
        return {model: Dialect.read(form, bool(old)) for model, form, old in rows}

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        """Remember how a model is asked. That it cannot be kept is no reason to stop."""
        row = (base_url, model, dialect.written(), int(dialect.old_limit), time.time())
        with self.lock, suppress(sqlite3.Error):
            self.reader.execute("INSERT OR REPLACE INTO manners VALUES (?, ?, ?, ?, ?)", row)

    def batches(self, base_url: str) -> dict[str, list[str]]:
        """The batches under way at a server, each with the keys that it will answer."""
        with self.lock:
            rows = self.reader.execute("SELECT batch, keys FROM batches WHERE base_url = ?", (base_url,)).fetchall()
        return {batch: json.loads(keys) for batch, keys in rows}

    def keep_batch(self, base_url: str, batch: str, keys: list[str]) -> None:
        """Write down a batch that was submitted, safely, before anything waits for it."""
        with self.lock:
            self.reader.execute(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", (batch, base_url, json.dumps(keys), time.time())
            )

    def forget_batch(self, batch: str) -> None:
        with self.lock:
            self.reader.execute("DELETE FROM batches WHERE batch = ?", (batch,))

    def close(self) -> None:
        """Finish what waits, then close."""
        self.waiting.put(None)
        self.writer.join()
        self.reader.close()
        self.claims.close()


class Damaged(Exception):
    """The file is no whole database."""


def is_damage(failure: Exception) -> bool:
    return isinstance(failure, sqlite3.DatabaseError) and any(
        word in str(failure) for word in ("malformed", "not a database", "encrypted")
    )


def is_ours(path: Path) -> bool:
    """Whether the file's header says that it is a store: nothing else is ever moved."""
    with path.open("rb") as file:
        head = file.read(100)
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION.to_bytes(4, "big")


def quarantine(path: Path) -> str:
    """Move a damaged store aside, with what belongs to it; where to."""
    aside = next(p for n in itertools.count(1) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").replace(f"{aside}{ending}")
    return str(aside)


def as_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def store_error(path: Path, failure: Exception) -> UserError:
    full = "full" in str(failure)
    return UserError(
        f"the answer store {path} cannot be used: {failure}",
        "make room on the disk" if full else "name another file with --store",
        exit_code=3 if full else 2,
        code="store",
    )


def seen(task: asyncio.Task[Answer]) -> None:
    """A failure that nobody waits for any more is not told by the event loop."""
    if not task.cancelled():
        task.exception()


class Stored:
    """A model that looks in what is known before, then in the store. One request per key is in flight; those who ask
    meanwhile share it, and it is given up when none of them waits any more."""

    def __init__(self, inner: Model, store: AnswerStore, known: KnownAnswers = NONE_KNOWN) -> None:
        self.inner, self.store, self.known = inner, store, known
        self.flying: dict[str, asyncio.Task[Answer]] = {}
        self.waiting: Counter[str] = Counter()
        self.origins: dict[str, str] = {}
        self.ahead: dict[str, str] = {}
        self.taken: dict[str, str] = {}
        """Answers of rows that this run took from packs."""

    def take(self, request: Request, answer: Answer) -> Future[None]:
        """Keep a row's answer that was taken from a pack; the future is done once it is safe on disk."""
        self.taken[request.key] = as_text(answer.as_json())
        return self.store.put(request, answer)

    async def answer(self, request: Request) -> Answer:
        key = request.key
        if key not in self.flying:
            found = self.found(request)
            if found is not None:
                return found
            self.flying[key] = asyncio.ensure_future(self.asked(request))
            self.flying[key].add_done_callback(seen)
        return await self.shared(key, self.flying[key])

    def look_up(self, requests: Iterable[Request]) -> Mapping[str, str]:
        """The answers that there are, looked up at once; each is handed out once without another look."""
        wanted = {request.key: request for request in requests}
        known = {key: held[key] for held in (self.taken, self.known.answers) for key in wanted if key in held}
        self.ahead = {**self.store.held(key for key in wanted if key not in known), **known}
        if self.known.respelled or self.store.upgraded:
            missing = [request for key, request in wanted.items() if key not in self.ahead]
            self.ahead |= {request.key: text for request in missing if (text := self.earlier(request)) is not None}
        return self.ahead

    def found(self, request: Request) -> Answer | None:
        """The answer that there is, with where it comes from noted."""
        key = request.key
        known = self.known.answers.get(key, self.taken.get(key))
        text = known if known is not None else self.ahead.pop(key, None)
        answer = self.store.get(key) if text is None else Answer.from_json(json.loads(text))
        if answer is None and (text := self.earlier(request)) is not None:
            answer = Answer.from_json(json.loads(text))
        if answer is not None:
            self.origins.setdefault(key, "store" if known is None else self.known.origin(key))
        return answer

    def earlier(self, request: Request) -> str | None:
        """The answer under a key of an earlier version, where there may be one."""
        if not (self.known.respelled or self.store.upgraded):
            return None
        keys = list(earlier_keys(request))
        known = next((self.known.answers[key] for key in keys if key in self.known.answers), None)
        return known if known is not None else next(iter(self.store.held(keys).values()), None)

    async def shared(self, key: str, task: asyncio.Task[Answer]) -> Answer:
        """The answer of a request in flight; cancelling one who waits leaves it to the others."""
        self.waiting[key] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self.waiting[key] -= 1
            if not self.waiting[key]:
                del self.waiting[key]
                self.flying.pop(key, None)
                task.cancel()

    async def asked(self, request: Request) -> Answer:
        """The answer of the server, unless another process asks for the same just now: then its answer."""
        while not self.store.claims.taken(request.key):
            await asyncio.sleep(POLL)
            if (found := self.store.get(request.key)) is not None:
                self.origins.setdefault(request.key, "store")
                return found
        try:
            if (found := self.store.get(request.key)) is not None:
                self.origins.setdefault(request.key, "store")
                return found
            answer = await self.inner.answer(request)
            if answer.keepable:
                await asyncio.wrap_future(self.store.put(request, answer))
            self.origins.setdefault(request.key, "live")
            return answer
        finally:
            self.store.claims.give_back(request.key)

    def live(self, key: str) -> None:
        """A key whose answer this run was given beside this way."""
        self.origins.setdefault(key, "live")

    def origin(self, key: str) -> str:
        """Where a key's answer came from: live, store or an earlier trace."""
        return self.origins.get(key, "live")
