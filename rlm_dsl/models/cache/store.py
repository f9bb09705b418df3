"""The answer store: each answer is paid for once.

In: answers by key. Out: the same answers, over runs and processes. Law: what was acknowledged is there after a crash;
errors, refusals and answers cut short are never in it; a damaged file is moved aside, not written to, and what can be
read of it is in the new one; a store that cannot be written to is told before anything is paid for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
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
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import reason, refusal_of
from rlm_dsl.models.cache.claims import Claims
from rlm_dsl.models.cache.earlier_keys import earlier_keys
from rlm_dsl.models.cache.salvage import readable, salvage
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

BUSY = 30.0
"""Seconds for which a lock of another program is waited for."""
LEAST_BYTES = 256
"""Bytes that an answer with its request and key takes at least."""
CHECKED = 16_000_000
"""Bytes up to which a store is read whole when it is opened, to find damage before it is met; more when it was met."""
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
        self.reader.execute("BEGIN IMMEDIATE")
        self.reader.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", found.answers)
        self.reader.executemany("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?)", found.batches)
        self.reader.executemany("INSERT OR IGNORE INTO upgraded VALUES (?)", [(one,) for one in found.upgraded])
        self.reader.execute("COMMIT")
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
        return bool(self.rows("SELECT 1 FROM upgraded"))

    def get(self, key: str) -> Answer | None:
        text = self.held([key]).get(key)
        return None if text is None else self.read(text)

    def read(self, text: str) -> Answer:
        """An answer as it was kept. Raises UserError for what is none any more."""
        if (answer := readable(text)) is None:
            raise self.met(Damaged("an answer is no JSON"))
        return answer

    def met(self, failure: Exception) -> UserError:
        """What a failure of the store means; damage is marked, for the next start to mend."""
        if is_damage(failure):
            with suppress(OSError):
                mark_of(self.path).touch()
        return store_error(self.path, failure)

    def most_answers(self) -> int:
        """More answers there cannot be, by the pages that there are: to count them would take reading them all."""
        (pages,), (size,) = self.rows("PRAGMA page_count")[0], self.rows("PRAGMA page_size")[0]
        return int(pages) * int(size) // LEAST_BYTES

    def held(self, keys: Iterable[str]) -> dict[str, str]:
        """The answers that there are, as they are kept, by key."""
        wanted = list(keys)
        found: dict[str, str] = {}
        for at in range(0, len(wanted), 500):
            some = wanted[at : at + 500]
            marks = ",".join("?" * len(some))
            found.update(self.rows(f"SELECT key, answer FROM answers WHERE key IN ({marks})", *some))
        return found

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query gives. Raises UserError for a store that cannot be read."""
        try:
            with self.lock:
                return self.reader.execute(query, values).fetchall()
        except sqlite3.Error as failure:
            raise self.met(failure) from None

    def request(self, key: str) -> str | None:
        """The request that was asked for an answer, as JSON."""
        return next((str(text) for (text,) in self.rows("SELECT request FROM answers WHERE key = ?", key)), None)

    def pack_size(self, asking: str) -> int | None:
        """How many rows that are asked so go together, where that was found out."""
        return next((int(size) for (size,) in self.rows("SELECT size FROM packs WHERE asking = ?", asking)), None)

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
                done.set_exception(self.met(failure))
            return
        for *_, done in group:
            done.set_result(None)

    def dialects(self, base_url: str) -> dict[str, Dialect]:
        """How a server's models are asked, as far as that was found out not too long ago."""
        query = "SELECT model, form, old_limit FROM manners WHERE base_url = ? AND found > ?"
        rows = self.rows(query, base_url, time.time() - FORGOTTEN)
        return {model: Dialect.read(form, bool(old)) for model, form, old in rows}

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        """Remember how a model is asked. That it cannot be kept is no reason to stop."""
        row = (base_url, model, dialect.written(), int(dialect.old_limit), time.time())
        with self.lock, suppress(sqlite3.Error):
            self.reader.execute("INSERT OR REPLACE INTO manners VALUES (?, ?, ?, ?, ?)", row)

    def batches(self, base_url: str) -> dict[str, list[str]]:
        """The batches under way at a server, each with the keys that it will answer."""
        rows = self.rows("SELECT batch, keys FROM batches WHERE base_url = ?", base_url)
        return {batch: json.loads(keys) for batch, keys in rows}

    def keep_batch(self, base_url: str, batch: str, keys: list[str]) -> None:
        """Write down a batch that was submitted, safely, before anything waits for it."""
        row = batch, base_url, json.dumps(keys), time.time()
        self.rows("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?)", *row)

    def forget_batch(self, batch: str) -> None:
        self.rows("DELETE FROM batches WHERE batch = ?", batch)

    def close(self) -> None:
        """Finish what waits, then close."""
        self.waiting.put(None)
        self.writer.join()
        self.reader.close()
        self.claims.close()


class Damaged(Exception):
    """The file is no whole database, or holds what is no answer."""


def is_damage(failure: Exception) -> bool:
    return isinstance(failure, Damaged) or (
        isinstance(failure, sqlite3.DatabaseError)
        and any(word in str(failure) for word in ("malformed", "not a database", "encrypted", "Could not decode"))
    )


def check(connection: sqlite3.Connection) -> None:
    """Raise Damaged, or what SQLite says of damage, for a store that is not whole."""
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise Damaged(f"malformed: {said}")
    if any(readable(text) is None for (text,) in connection.execute("SELECT answer FROM answers")):
        raise Damaged("an answer is no JSON")


def mark_of(path: Path) -> Path:
    """The file that says that damage was met in a store too large to be read whole at each start."""
    return path.with_name(f"{path.name}-damage")


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


OTHERWISE = "name another file with --store"


UNSAID = {"disk I/O error", "unable to open database file"}
"""What SQLite says of a disk that takes nothing, without why."""


def store_error(path: Path, failure: Exception) -> UserError:
    """What is wrong with a store, and what to do about it."""
    said, exit_code = str(failure), 2
    if said in UNSAID and (refusal := refusal_of(path.parent)) is not None:
        said = f"{reason(refusal)} ({said})"
    match said:
        case _ if "full" in said or "No space" in said:
            hint, exit_code = "make room on the disk", 3
        case _ if is_damage(failure) and path.is_file() and is_ours(path):
            hint, exit_code = "run the same command again: it is moved aside, and what can be read of it is saved", 3
        case _ if "locked" in said:
            said = f"another program has locked it ({said}, for {BUSY:g} seconds)"
            hint, exit_code = f"close what has it open, such as a database browser or a backup, or {OTHERWISE}", 3
        case _ if path.is_dir():
            said, hint = "it is a folder", f"name a file in it: --store {path / 'answers.sqlite'}"
        case _ if "readonly" in said or isinstance(failure, PermissionError) or "Read-only" in said:
            said, hint = f"it cannot be written to ({said})", f"make the file and its folder writable, or {OTHERWISE}"
        case _:
            hint = OTHERWISE
    return UserError(f"the answer store {path} cannot be used: {said}", hint, exit_code=exit_code, code="store")


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

    def most_answers(self) -> int:
        """How many answers can be found here at most."""
        return self.store.most_answers() + len(self.taken) + len(self.known.answers)

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
        answer = self.store.get(key) if text is None else self.store.read(text)
        if answer is None and (text := self.earlier(request)) is not None:
            answer = self.store.read(text)
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
