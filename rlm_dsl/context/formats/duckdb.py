"""A table of a DuckDB file as rows, in the order of its row ids. A row's place is its number.

In: a file, and a table or view of it. Out: its columns, converted as Arrow's are. Law: the file is only read, and
nothing in it gets to act: the engine that opens it reaches no other file, no network and no extension, and is not the
one that programs run in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.well_formed import well_formed
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.database import (
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

MAGIC = (8, b"DUCK")
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "threads": "1",
}
"""One thread, so that a view without an order gives its rows in the same one each time."""


def load_duckdb(request: LoadRequest) -> Loaded:
    """One table of one DuckDB file. Raises UserError listing the tables where the path does not say which."""
    given = request.given
    path, said = file_and_table(given)
    source = database_source(path, MAGIC, "DuckDB")
    refuse_pending_changes(path, (".wal",))
    before = file_state(path)
    with open_database(path, given) as connection:
        query, noted = readable(connection, query_of(connection, path, said))
        arrow = connection.sql(f"{query} LIMIT 0").to_arrow_table().schema
    columns, rows = load_arrow_rows(arrow, lambda: batches(path, given, query, before), given)
    return Loaded("duckdb", columns.schema, rows, [source], [*noted, *columns.notes])


@contextmanager
def open_database(path: str, given: str) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    if well_formed(path) != path:
        raise UserError(f"{given} cannot be read: DuckDB opens no file whose name is no UTF-8", "rename the file")
    try:
        with closing(duckdb.connect(path, read_only=True, config=SETTINGS)) as connection:
            for last in ("SET TimeZone = 'UTC'", "SET lock_configuration = true"):
                connection.execute(last)
            yield connection
    except duckdb.Error as failure:
        raise UserError(f"{given} cannot be read: {str(failure).splitlines()[0]}") from None


def query_of(connection: duckdb.DuckDBPyConnection, path: str, said: str) -> str:
    """The rows of the table that is meant; one in another schema than `main` is called `schema.table`."""
    tables, views = (
        {table_name(schema, name): (schema, name) for schema, name in connection.execute(f"FROM {kind}").fetchall()}
        for kind in (
            "(SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal)",
            "(SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal)",
        )
    )
    table = choose_table(path, said, sorted(tables), sorted(views))
    schema, name = {**tables, **views}[table]
    return f"FROM {quote_name(schema)}.{quote_name(name)}" + (" ORDER BY rowid" if table in tables else "")


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


def batches(path: str, given: str, query: str, before: tuple[int, int]) -> Iterator[Any]:
    with open_database(path, given) as connection:
        yield from connection.sql(query).to_arrow_reader(BATCH)
    refuse_changed(path, before)


FORMAT = Format(
    name="duckdb",
    summary="the rows of a table or view of a DuckDB file: `shop.duckdb::orders`",
    load=load_duckdb,
    endings=(".duckdb",),
    options=("columns",),
)
