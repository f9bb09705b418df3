"""Digests of tables: the same rows give the same one, in whatever order and version of the engine.

In: a table and its typed columns. Out: a tagged digest. Law: it is independent of order and keeps duplicates; a row's
form is its values' alone, texts with their length, the rest as the engine prints it, null apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from rlm_dsl.common.hashing import tagged
from rlm_dsl.engine.warehouse.database import Database
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import TEXT, Field, Type, bare, is_text


def table_digest(database: Database, table: str, columns: Iterable[Field]) -> str:
    """The digest of a set of rows: independent of order, keeping duplicates (see `row_digest`).

    256 buckets by the first byte of the rows' digests; each bucket is the sha256 of its sorted digests, the whole
    the sha256 of the buckets. The engine sorts, on disk if it must; one batch at a time is held here.
    """
    buckets: dict[str, Any] = {}
    rows = database.tables(sql("SELECT {d} AS d FROM {t} ORDER BY d", d=row_digest(columns), t=name(table)))
    for chunk in (chunk for held in rows for chunk in held.column(0).chunks):
        for bucket, digests in sorted_digests(chunk):
            buckets.setdefault(bucket, hashlib.sha256()).update(digests)
    return tagged("rows-v1", "".join(bucket.hexdigest() for bucket in buckets.values()).encode("ascii"))


def row_digest(columns: Iterable[Field]) -> Sql:
    """sha256 over a row's typed values: texts with their length, the rest as the engine prints it, null apart."""
    parts = joined(", ", (value_form(name(column.name), column.type) for column in columns))
    return sql("sha256(concat({parts}))", parts=parts)


def value_form(value: Sql, type_: Type) -> Sql:
    text = sql("{v}" if is_text(type_) else "CAST({v} AS VARCHAR)", v=value)
    kind = "t" if bare(type_) == TEXT or is_text(type_) else "v"
    return sql(
        f"CASE WHEN {{v}} IS NULL THEN 'n;' ELSE concat('{kind}', strlen({{t}}), ':', {{t}}, ';') END", v=value, t=text
    )


def sorted_digests(digests: Any) -> Iterator[tuple[str, bytes]]:
    """Sorted digests (an Arrow array of 64 hexadecimal digits each) by their first two digits, each bucket's joined."""
    import numpy as np
    import pyarrow as pa

    held = digests.cast(pa.large_string())
    text = b"".join([held.buffers()[2]]) if len(held) else b""
    begin = int(np.frombuffer(held.buffers()[1], np.int64)[held.offset]) if len(held) else 0
    text = text[begin : begin + 64 * len(held)]
    at = 0
    while at < len(text):
        bucket = text[at : at + 2]
        low, high = at // 64, len(held)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if text[middle * 64 : middle * 64 + 2] == bucket else (low, middle)
        yield bucket.decode("ascii"), text[at : low * 64]
        at = low * 64
