"""A store in PostgreSQL: each answer is paid for once, over machines.

In: answers by key. Out: the same answers. Law: an answer is acknowledged when its transaction is; two connections a
process, whatever it asks; a server that is gone is waited for, and what was to be written then is written, once.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kept import as_text
from rlm_dsl.models.cache.kinds.postgresql import claims
from rlm_dsl.models.cache.kinds.postgresql.connection import ServerConnection
from rlm_dsl.models.cache.kinds.postgresql.reading import NOW, PostgresReader, parts
from rlm_dsl.models.cache.kinds.postgresql.tables import check, make
from rlm_dsl.models.cache.place import Place
from rlm_dsl.models.cache.protocol import TABLES, Claim, Row
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.dialects import Dialect

if TYPE_CHECKING:
    from psycopg import Connection

GROUP = 256
"""What is written together at most."""
DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
"""Whatever the server is set to: what was acknowledged is on its disk."""
PUT = f"""INSERT INTO rlm_dsl.answers (key, model, request, answer, size, kept)
SELECT *, {NOW} FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
ORDER BY 1 ON CONFLICT DO NOTHING"""
SAFE: dict[str, str] = {
    "manners": "ON CONFLICT (base_url, model) DO UPDATE SET form = EXCLUDED.form, old_limit = EXCLUDED.old_limit, "
    "found = EXCLUDED.found",
    "packs": "ON CONFLICT (asking) DO UPDATE SET size = EXCLUDED.size, agreed = EXCLUDED.agreed, "
    "compared = EXCLUDED.compared",
    "batches": "ON CONFLICT (batch) DO UPDATE SET keys = EXCLUDED.keys",
}


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Something to write: an answer as a row, a claim to take (`row` is None), or one to give back (no `done`)."""

    key: str
    row: Row | None = None
    done: Future[Any] | None = None


class PostgresStore(PostgresReader):
    """Reads by one connection; a thread with another writes and claims, in groups."""

    read_only = False

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.writing, self.owner = ServerConnection(place, known=True), claims.new_owner()
        self.mine: set[str] = set()
        """Keys that are claimed here."""
        self.failed: UserError | None = None
        self.waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        try:
            self.connection.run(lambda connection: ready(connection, place))
        except BaseException:
            self.connection.close()
            raise
        self.writer = threading.Thread(target=self.write, name="answer store", daemon=True)
        self.writer.start()

    def put(self, request: Request, answer: Answer) -> Future[None]:
        if not answer.keepable:
            raise ValueError("refusals and answers cut short are not kept")
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever stops waiting does not stop the writing
        try:
            row = with_size(request.settings.model, as_text(request.as_json()), as_text(answer.as_json()))
        except UnicodeError as failure:
            done.set_exception(failure)
            return done
        self.waiting.put(Work(request.key, row, done))
        return done

    async def claim(self, key: str) -> Claim:
        done: Future[Claim] = Future()
        self.waiting.put(Work(key, done=done))
        return await asyncio.wrap_future(done)

    def give_back(self, key: str) -> None:
        self.waiting.put(Work(key))

    def write(self) -> None:
        """Write what waits, as much at once as there is; leases are renewed in between."""
        renewed, last = time.monotonic(), False
        ahead: Work | None = None
        while not last:
            group, ahead, last = self.group(ahead)
            if group and self.failed is not None:
                fail(group, self.failed)
                continue
            try:
                if group:
                    self.commit(group)
                if self.mine and time.monotonic() - renewed > claims.RENEWAL:
                    self.writing.run(lambda connection: claims.renew(connection, self.owner, sorted(self.mine)))
                    renewed = time.monotonic()
                elif not self.mine:
                    renewed = time.monotonic()
            except UserError as failure:
                self.failed = failure
                fail(group, failure)
        if self.failed is None and self.mine:
            with suppress(UserError):
                self.writing.run(lambda connection: claims.give_back(connection, self.owner, sorted(self.mine)))

    def group(self, first: Work | None) -> tuple[list[Work], Work | None, bool]:
        """What is to be done together; of one key one thing, so that what comes first is done first. What is left
        over, and whether that was all."""
        try:
            item = first or self.waiting.get(timeout=claims.RENEWAL / 3)
        except queue.Empty:
            return [], None, False
        found: dict[str, Work] = {}
        while item is not None and item.key not in found:
            found[item.key] = item
            if len(found) == GROUP or self.waiting.empty():
                return list(found.values()), None, False
            item = self.waiting.get()
        return list(found.values()), item, item is None

    def commit(self, group: Sequence[Work]) -> None:
        """One transaction; all of it may be done twice."""
        puts = [work for work in group if work.row is not None]
        takes = [work for work in group if work.row is None and work.done is not None]
        takes = [work for work in takes if work.done is not None and work.done.set_running_or_notify_cancel()]
        backs = [work.key for work in group if work.done is None]
        found = self.writing.run(lambda connection: self.written(connection, puts, backs, [w.key for w in takes]))
        self.mine -= set(backs)
        for work in puts:
            settle(work, None)
        for work in takes:
            if found[work.key].mine:
                self.mine.add(work.key)
            settle(work, found[work.key])

    def written(
        self, connection: Connection[Any], puts: Sequence[Work], backs: list[str], takes: list[str]
    ) -> dict[str, Claim]:
        with connection.transaction():
            connection.execute(DURABLE)
            if puts:
                rows = [(work.key, *work.row) for work in puts if work.row is not None]
                connection.execute(PUT.encode(), [list(column) for column in zip(*rows, strict=True)])
            if backs:
                claims.give_back(connection, self.owner, backs)
            ours = claims.taken(connection, self.owner, takes) if takes else set()
        if not takes:
            return {}
        # Looked up once the claims are taken: whoever held one before has kept its answer before it was given back.
        query = "SELECT key, answer FROM rlm_dsl.answers WHERE key = ANY(%s)"
        known: dict[str, str] = dict(connection.execute(query, (takes,)).fetchall())
        if surplus := ours & known.keys():
            claims.give_back(connection, self.owner, surplus)
        if others := [key for key in takes if key not in ours and key not in known]:
            claims.free_the_dead(connection, others)
        return {key: Claim(key in ours and key not in known, known.get(key)) for key in takes}

    def note(self, table: str, row: Row) -> None:
        """Write a row of a small table, in the place of what is there."""
        marks = ", ".join(["%s"] * len(row))
        query = f"INSERT INTO rlm_dsl.{table} ({', '.join(TABLES[table])}) VALUES ({marks}) {SAFE[table]}"
        self.connection.run(lambda connection: connection.execute(query.encode(), row))

    def learn_packs(self, asking: str, size: int, agreed: int, compared: int) -> None:
        with suppress(UserError):
            self.note("packs", (asking, size, agreed, compared))

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        with suppress(UserError):
            self.note("manners", (base_url, model, dialect.written(), int(dialect.old_limit), time.time()))

    def keep_batch(self, base_url: str, batch: str, keys: list[str]) -> None:
        self.note("batches", (batch, base_url, json.dumps(keys), time.time()))

    def forget_batch(self, batch: str) -> None:
        self.connection.run(lambda c: c.execute("DELETE FROM rlm_dsl.batches WHERE batch = %s", (batch,)))

    def discard(self, keys: Iterable[str]) -> None:
        for some in parts(keys):
            self.connection.run(lambda c, some=some: c.execute(DISCARD, (some,)))  # type: ignore[misc]

    def add_rows(self, table: str, rows: Iterable[Row]) -> int:
        return sum(self.added(table, some) for some in in_turn(rows))

    def added(self, table: str, rows: Sequence[Row]) -> int:
        columns = TABLES[table]
        if table == "answers":
            columns = (*columns, "model", "size")
            rows = [(*row, *model_and_size(row[1], row[2])) for row in rows]
        marks = ", ".join(["%s"] * len(columns))
        query = f"INSERT INTO rlm_dsl.{table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"

        def add(connection: Connection[Any]) -> int:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(query.encode(), rows)
                return max(cursor.rowcount, 0)

        return self.connection.run(add)

    def close(self) -> None:
        self.waiting.put(None)
        if self.failed is not None:
            self.writing.closed.set()
        self.writer.join()
        self.writing.close()
        super().close()


DISCARD = "DELETE FROM rlm_dsl.answers WHERE key = ANY(%s)"


def ready(connection: Connection[Any], place: Place) -> None:
    make(connection)
    check(connection, place, writes=True)
    claims.sweep(connection)


def opened(place: Place) -> PostgresStore:
    return PostgresStore(place)


def with_size(model: str, request: str, answer: str) -> Row:
    return model, request, answer, len(request.encode()) + len(answer.encode())


def model_and_size(request: str, answer: str) -> tuple[str, int]:
    return str(json.loads(request)["model"]), len(request.encode()) + len(answer.encode())


def in_turn(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """So many of them together, as they come."""
    some: list[Row] = []
    for row in rows:
        some.append(row)
        if len(some) == GROUP:
            yield some
            some = []
    if some:
        yield some


def settle(work: Work, value: Any) -> None:
    if work.done is not None and not work.done.done():
        work.done.set_result(value)


def fail(group: Iterable[Work], failure: UserError) -> None:
    for work in group:
        if work.done is not None and not work.done.done():
            work.done.set_exception(failure)
