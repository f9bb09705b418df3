"""A context's rows as programs see them: ids over all contexts, columns of the language's types.

In: the rows of a context, in memory or in files of the engine, and its number. Out: queries. Law: a row's id is unique
over contexts, tells context and source, and rises with its number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rlm_dsl.context.context import StoredPart
from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.operators.core.relation import HI, LO, ORD, ROW, SOURCE_BITS
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Table

if TYPE_CHECKING:
    import pyarrow as pa

CONTEXT_BITS = 56
"""A row's id: its context above these bits, its source above SOURCE_BITS, its number below."""
VAST = 5_000_000
"""Rows of a context from which on what unites them may leave out places (see `vast_origin`)."""


def context_rows(context: int, schema: Table, held: Sql) -> Sql:
    """A context's rows as programs see them: ids over all contexts, and columns of the language's types."""
    columns = (sql(f"CAST({{c}} AS {engine_type(c.type)}) AS {{c}}", c=name(c.name)) for c in schema.columns)
    return sql(
        "SELECT {row} AS {ord}, {row} AS {r}, {lo}, {hi}, {columns} FROM {t}",
        row=row_id(context),
        ord=name(ORD),
        r=name(ROW),
        lo=name(LO),
        hi=name(HI),
        columns=joined(", ", columns),
        t=held,
    )


def row_id(context: int) -> Sql:
    """A row's id over all contexts, of which it is in the one of this number."""
    return sql(f'({context}::BIGINT << {CONTEXT_BITS}) + ("#source"::BIGINT << {SOURCE_BITS}) + {{r}}', r=name(ROW))


def stored_rows(parts: Iterable[StoredPart], files: Mapping[str, str]) -> Sql:
    """The rows of stored parts, one after the other; `files` has the names that their files are opened under."""
    return joined(
        " UNION ALL ",
        (
            sql(f"SELECT * FROM {{d}}.rows WHERE {{r}} < {int(part.past)}", d=name(files[part.path]), r=name(ROW))
            for part in parts
        ),
    )


def is_vast(rows: pa.Table | tuple[StoredPart, ...]) -> bool:
    count = sum(part.past - part.first for part in rows) if isinstance(rows, tuple) else rows.num_rows
    return bool(count > VAST)
