"""A table of a DuckDB file as rows, in the order of its row ids. A row's place is its number.

In: a file, and a table or view of it. Out: its columns, converted as Arrow's are. Law: the file is only read, and
nothing in it gets to act: the engine that opens it reaches no other file, no network and no extension, and is not the
one that programs run in. What computes (a view, a generated column) does so in a process of its own, with the memory of
the run and for so long.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.processes import physical_memory
from rlm_dsl.common.well_formed import well_formed
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.apart import batches_apart, limit_memory
from rlm_dsl.context.files.database import (
    DUCKDB,
    choose_table,
    database_source,
    file_state,
    quote_name,
    refuse_changed,
    refuse_pending_changes,
)
from rlm_dsl.context.files.find import file_and_table
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.arrow_rows import BATCH, load_arrow_rows

if TYPE_CHECKING:
    import duckdb

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "1",
}
"""One thread, so that a view without an order gives its rows in the same one each time; nothing is written beside the
file."""
SECONDS = 120.0
"""How long a view may take."""
AS_TABLE = "keep its rows in the file: CREATE TABLE ... AS FROM the view"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is read of a file: the rows of a table, and whether that computes what the file does not hold."""

    path: str
    given: str
    source: str
    computes: bool
    memory: int

    @contextmanager
    def reader(self) -> Iterator[Any]:
        """Arrow batches with their schema, which holds the notes."""
        if not self.computes:
            with open_database(self.path, self.given) as connection, noted_batches(connection, self.source) as reader:
                yield reader
            return
        arguments = (os.path.abspath(self.path), self.source, str(self.memory))  # noqa: PTH100 - as `open_database`
        refusal = f"{self.given} cannot be read"
        with batches_apart((__name__, write_batches.__name__), arguments, SECONDS, refusal, AS_TABLE) as apart:
            yield apart


def load_duckdb(request: LoadRequest) -> Loaded:
    """One table of one DuckDB file. Raises UserError listing the tables where the path does not say which."""
    given = request.given
    path, said = file_and_table(given)
    source = database_source(path, DUCKDB, "DuckDB")
    refuse_pending_changes(path, (".wal",))
    before = file_state(path)
    memory = request.memory or physical_memory() // 2
    with open_database(path, given) as connection:
        chosen = Chosen(path, given, *query_of(connection, path, said), memory)
    with chosen.reader() as reader:
        arrow = reader.schema
    noted = json.loads(arrow.metadata[NOTES])
    columns, rows = load_arrow_rows(arrow.remove_metadata(), lambda: batches(chosen, before), given)
    return Loaded("duckdb", columns.schema, rows, [source], [*noted, *columns.notes])


@contextmanager
def open_database(path: str, given: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that can read this file and nothing else. The whole path passes for no address of a server."""
    import duckdb

    if well_formed(path) != path:
        raise UserError(f"{given} cannot be read: DuckDB opens no file whose name is no UTF-8", "rename the file")
    try:
        whole = os.path.abspath(path)  # noqa: PTH100 - links stay as they are
        with closing(duckdb.connect(whole, read_only=True, config=SETTINGS)) as connection:
            for last in ("SET TimeZone = 'UTC'", "SET lock_configuration = true"):
                connection.execute(last)
            yield connection
    except duckdb.Error as failure:
        raise UserError(f"{given} cannot be read: {str(failure).splitlines()[0]}") from None


NOTES = b"notes"


@dataclass(frozen=True, slots=True)
class NotedBatches:
    """Arrow batches with their schema, which holds the notes."""

    schema: Any
    batches: Any

    def __iter__(self) -> Iterator[Any]:
        yield from self.batches


@contextmanager
def noted_batches(connection: duckdb.DuckDBPyConnection, source: str) -> Iterator[NotedBatches]:
    query, noted = readable(connection, source)
    reader = connection.sql(query).to_arrow_reader(BATCH)
    try:
        yield NotedBatches(reader.schema.with_metadata({NOTES: json.dumps(noted)}), reader)
    finally:
        reader.close()  # which would keep the file open, and the settings with it


def write_batches(path: str, source: str, memory: str) -> None:
    """A table's rows as a stream of Arrow on standard output; what is wrong on standard error."""
    import pyarrow as pa

    try:
        with open_database(path, path) as connection:
            limit_memory(int(memory))
            with (
                noted_batches(connection, source) as reader,
                pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as out,
            ):
                for batch in reader:
                    out.write_batch(batch)
    except BrokenPipeError:
        os._exit(1)
    except UserError as failure:
        sys.exit(failure.message.partition(" cannot be read: ")[2] or failure.message)
    except (MemoryError, OSError, pa.ArrowException, RuntimeError) as failure:
        sys.exit(" ".join((str(failure) or "it needs more memory than it may have").split("\n"))[:300])


def query_of(connection: duckdb.DuckDBPyConnection, path: str, said: str) -> tuple[str, bool]:
    """The rows of the table that is meant, and whether they are computed; one in another schema than `main` is called
    `schema.table`."""
    tables, views = (
        {table_name(schema, name): (schema, name) for schema, name in connection.execute(f"FROM {kind}").fetchall()}
        for kind in (
            "(SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal)",
            "(SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal)",
        )
    )
    table = choose_table(path, said, sorted(tables), sorted(views))
    schema, name = {**tables, **views}[table]
    where = "schema_name = $schema AND table_name = $name AND column_default IS NOT NULL"
    [(formulas,)] = connection.execute(
        f"SELECT count(*) FROM duckdb_columns() WHERE {where}", {"schema": schema, "name": name}
    ).fetchall()
    order = " ORDER BY rowid" if table in tables else ""
    return f"FROM {quote_name(schema)}.{quote_name(name)}{order}", table in views or formulas > 0


AS_TEXT = re.compile(r"(?:TIME WITH TIME ZONE|BIT|BIGNUM|VARINT|U?HUGEINT|UNION\(.*|GEOMETRY.*|VARIANT)\Z", re.DOTALL)
"""Types whose values change or are lost on their way through Arrow: DuckDB spells them."""


def readable(connection: duckdb.DuckDBPyConnection, source: str) -> tuple[str, list[str]]:
    """The query of a table's columns, those that Arrow does not hold as DuckDB spells them; and notes on these."""
    described = connection.execute(f"DESCRIBE SELECT * {source}").fetchall()
    made, noted = [], []
    for name, kind, *_ in described:
        quoted = quote_name(name)
        if kind in ("HUGEINT", "UHUGEINT"):
            wide = f"SELECT count(*) {source.removesuffix(' ORDER BY rowid')} WHERE abs({quoted}) >= 1e38::HUGEINT"
            if not connection.execute(wide).fetchall()[0][0]:
                made.append(f"CAST({quoted} AS DECIMAL(38, 0)) AS {quoted}")
                continue
        if AS_TEXT.match(kind):
            noted.append(f"column `{name}` is {kind[:60]}, shown as DuckDB spells it")
            made.append(f"CAST({quoted} AS VARCHAR) AS {quoted}")
        else:
            made.append(quoted)
    return f"SELECT {', '.join(made)} {source}", noted


def table_name(schema: str, name: str) -> str:
    return name if schema == "main" else f"{schema}.{name}"


def batches(chosen: Chosen, before: tuple[int, int]) -> Iterator[Any]:
    with chosen.reader() as reader:
        yield from reader
    refuse_changed(chosen.path, before)


FORMAT = Format(
    name="duckdb",
    summary="the rows of a table or view of a DuckDB file: `shop.duckdb::orders`",
    load=load_duckdb,
    endings=(".duckdb",),
    options=("columns",),
)
