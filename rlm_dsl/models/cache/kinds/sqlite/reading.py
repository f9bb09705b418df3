"""What is read of a store in SQLite: all that does not write.

In: a connection. Out: answers and what else there is. Law: nothing here changes the file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kept import readable
from rlm_dsl.models.cache.kinds.sqlite.damage import Damaged, is_damage, mark_of, store_error
from rlm_dsl.models.cache.protocol import FORGOTTEN, TABLES, Entry, Row, Stats
from rlm_dsl.models.request import Answer
from rlm_dsl.models.server.dialects import Dialect

MODEL = "json_extract(request, '$.model')"
SIZE = "length(CAST(request AS BLOB)) + length(CAST(answer AS BLOB))"
LEAST_BYTES = 256
"""Bytes that an answer with its request and key takes at least."""


class SqliteReader:
    """Reads by a connection that threads share."""

    path: Path
    reader: sqlite3.Connection
    lock: threading.Lock
    damage: Mapping[str, Any] = {}

    @property
    def told(self) -> str:
        return str(self.path)

    @cached_property
    def upgraded(self) -> bool:
        """Whether answers may lie here under keys of an earlier version."""
        return bool(self.rows("SELECT 1 FROM upgraded"))

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

    def dialects(self, base_url: str) -> dict[str, Dialect]:
        """How a server's models are asked, as far as that was found out not too long ago."""
        query = "SELECT model, form, old_limit FROM manners WHERE base_url = ? AND found > ?"
        rows = self.rows(query, base_url, time.time() - FORGOTTEN)
        return {model: Dialect.read(form, bool(old)) for model, form, old in rows}

    def batches(self, base_url: str) -> dict[str, list[str]]:
        """The batches under way at a server, each with the keys that it will answer."""
        rows = self.rows("SELECT batch, keys FROM batches WHERE base_url = ?", base_url)
        return {batch: json.loads(keys) for batch, keys in rows}

    def stats(self) -> Stats:
        """Of every model, the largest first."""
        rows = self.rows(
            f"SELECT {MODEL}, count(*), sum({SIZE}), min(kept), max(kept) FROM answers GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return Stats(self.told, tuple(rows), self.rows("SELECT count(*) FROM batches")[0][0])

    def entries(self, model: str | None = None) -> Iterator[Entry]:
        """The newest first."""
        query = f"SELECT key, {MODEL}, {SIZE}, ? - kept FROM answers WHERE ? IS NULL OR {MODEL} = ?"
        for key, of, size, age in self.rows(f"{query} ORDER BY kept DESC, key", time.time(), model, model):
            yield Entry(key, str(of), size, age)

    def rows_in(self, table: str) -> Iterator[Row]:
        """A page of them is read at a time."""
        columns = ", ".join(TABLES[table])
        try:
            # No `yield from`: a reader who stops early would close the cursor, perhaps after the store.
            for row in self.reader.execute(f"SELECT {columns} FROM {table} ORDER BY 1"):  # noqa: UP028
                yield row
        except sqlite3.Error as failure:
            raise self.met(failure) from None

    def close(self) -> None:
        self.reader.close()
