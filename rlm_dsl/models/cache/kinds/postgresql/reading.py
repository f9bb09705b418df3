"""What is read of a store in PostgreSQL: all that does not write.

In: a connection. Out: answers and what else there is. Law: many keys are looked up in one round trip; nothing here
changes the database.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kept import readable
from rlm_dsl.models.cache.kinds.postgresql.connection import ServerConnection
from rlm_dsl.models.cache.kinds.postgresql.tables import check
from rlm_dsl.models.cache.place import Place
from rlm_dsl.models.cache.protocol import FORGOTTEN, TABLES, Entry, Row, Stats
from rlm_dsl.models.request import Answer
from rlm_dsl.models.server.dialects import Dialect

TOGETHER = 1_000
"""Keys or rows in one round trip."""
LEAST_BYTES = 100
"""Bytes that a row of an answer takes at least, where its texts are laid aside."""
NOW = "extract(epoch FROM clock_timestamp())"


class PostgresReader:
    """Reads by a connection that threads share."""

    damage: Mapping[str, Any] = {}

    def __init__(self, place: Place) -> None:
        self.place, self.connection = place, ServerConnection(place)

    @property
    def told(self) -> str:
        return self.place.told

    @cached_property
    def upgraded(self) -> bool:
        return bool(self.rows("SELECT 1 FROM rlm_dsl.upgraded"))

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query gives. Raises UserError for a store that cannot be read."""
        return self.connection.run(lambda connection: connection.execute(query.encode(), values).fetchall())

    def held(self, keys: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in parts(keys):
            found.update(self.rows("SELECT key, answer FROM rlm_dsl.answers WHERE key = ANY(%s)", some))
        return found

    def read(self, text: str) -> Answer:
        if (answer := readable(text)) is None:
            raise UserError(
                f"the answer store {self.told} holds an answer that is none", "name another with --store", code="store"
            )
        return answer

    def request(self, key: str) -> str | None:
        rows = self.rows("SELECT request FROM rlm_dsl.answers WHERE key = %s", key)
        return next((str(text) for (text,) in rows), None)

    def most_answers(self) -> int:
        """By the size of the table that they lie in."""
        (size,) = self.rows("SELECT pg_relation_size('rlm_dsl.answers')")[0]
        return int(size) // LEAST_BYTES

    def pack_size(self, asking: str) -> int | None:
        rows = self.rows("SELECT size FROM rlm_dsl.packs WHERE asking = %s", asking)
        return next((int(size) for (size,) in rows), None)

    def dialects(self, base_url: str) -> dict[str, Dialect]:
        query = f"SELECT model, form, old_limit FROM rlm_dsl.manners WHERE base_url = %s AND found > {NOW} - %s"
        return {model: Dialect.read(form, bool(old)) for model, form, old in self.rows(query, base_url, FORGOTTEN)}

    def batches(self, base_url: str) -> dict[str, list[str]]:
        rows = self.rows("SELECT batch, keys FROM rlm_dsl.batches WHERE base_url = %s", base_url)
        return {batch: json.loads(keys) for batch, keys in rows}

    def stats(self) -> Stats:
        rows = self.rows(
            "SELECT model, count(*), sum(size)::bigint, min(kept), max(kept) FROM rlm_dsl.answers "
            'GROUP BY 1 ORDER BY 2 DESC, model COLLATE "C"'
        )
        return Stats(self.told, tuple(rows), self.rows("SELECT count(*) FROM rlm_dsl.batches")[0][0])

    def entries(self, model: str | None = None) -> Iterator[Entry]:
        query = f"SELECT key, model, size, {NOW}::float8 - kept FROM rlm_dsl.answers"
        chosen = "WHERE %s::text IS NULL OR model = %s ORDER BY kept DESC, key"
        return (Entry(*row) for row in self.rows(f"{query} {chosen}", model, model))

    def rows_in(self, table: str) -> Iterator[Row]:
        """Of answers some at a time, by their keys: no snapshot is held meanwhile."""
        columns = ", ".join(TABLES[table])
        if table != "answers":
            yield from self.rows(f"SELECT {columns} FROM rlm_dsl.{table} ORDER BY 1")
            return
        query, last = f"SELECT {columns} FROM rlm_dsl.answers WHERE key > %s ORDER BY key LIMIT %s", ""
        while some := self.rows(query, last, TOGETHER):
            yield from some
            last = some[-1][0]

    def close(self) -> None:
        self.connection.close()


def opened_to_read(place: Place) -> PostgresReader:
    """A store that is there and may be read. Raises UserError."""
    reader = PostgresReader(place)
    try:
        reader.connection.run(lambda connection: check(connection, place, writes=False))
    except BaseException:
        reader.close()
        raise
    return reader


def parts(items: Iterable[Any]) -> Iterator[list[Any]]:
    """So many of them together."""
    wanted = list(items)
    return (wanted[at : at + TOGETHER] for at in range(0, len(wanted), TOGETHER))
