"""A database of the engine's: fragments are run, rows and tables given. Where programs run, the one user of DuckDB.

In: query fragments, Arrow tables, files of the engine. Out: rows and Arrow tables. Law: the engine reads no file but
those it was made with, no network and no Python variable, and no query changes that; it is confined before any file is
opened, and takes of a file only a table; the same tables give the same rows in the same order, whatever its version and
number of threads.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from inspect import signature
from typing import TYPE_CHECKING, Any, Self

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.memory import engine_bytes, memory_bytes
from rlm_dsl.context.files.database import engine_file, require_rows
from rlm_dsl.engine.warehouse.errors import EngineError
from rlm_dsl.language.operators.core.engine_functions import ENGINE_FUNCTIONS, ENGINE_TYPES
from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.operators.core.relation import VALUE
from rlm_dsl.language.operators.core.terms import ENGINE_MACROS
from rlm_dsl.language.sql import Sql, joined, name, render, sql
from rlm_dsl.language.types import Type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SETTINGS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET TimeZone = 'UTC'",
    "SET preserve_insertion_order = false",
)


class Database:
    """Owns one in-memory DuckDB database. `threads` and `memory` (such as "2GB") are its limits.

    What does not fit in memory goes to a folder of its own, at most half of what the disk has free, removed at the end.
    The `files` are opened for reading, each once, under the names in `attached`, when nothing but them is within reach.
    """

    def __init__(self, threads: int | None = None, memory: str | None = None, files: Iterable[str] = ()) -> None:
        import duckdb

        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:")
        self.spilling = tempfile.TemporaryDirectory(prefix="rlm-dsl-", ignore_cleanup_errors=True)
        self._set_spilling(self.spilling.name)
        self.attached = {path: f"#stored {number}" for number, path in enumerate(dict.fromkeys(files))}
        whole = {path: engine_file(path) for path in self.attached}
        self._teach()
        self._confine(threads, memory, whole.values())
        for path, known in self.attached.items():
            self._attach(whole[path], known)

    def _attach(self, path: str, known: str) -> None:
        """Open a file for reading. Raises UserError where its rows are no table of its own, but made by a view."""
        self.run(sql(f"ATTACH {literal(path)} AS {{d}} (READ_ONLY, TYPE DUCKDB)", d=name(known)))
        require_rows(self.connection, known, path)

    def _set_spilling(self, folder: str) -> None:
        most = shutil.disk_usage(folder).free // 2
        self._set(f"SET temp_directory = {literal(folder)}")
        self._set(f"SET max_temp_directory_size = '{most // 1_000_000} MB'")

    def _teach(self) -> None:
        """What queries call and the engine has not of its own."""
        for head, meaning in ENGINE_MACROS.items():
            self.connection.execute(f"CREATE MACRO {head} AS ({meaning})")
        for known, function in ENGINE_FUNCTIONS.items():
            written = signature(function)
            taken = [ENGINE_TYPES[parameter.annotation] for parameter in written.parameters.values()]
            self.connection.create_function(known, function, taken, ENGINE_TYPES[written.return_annotation])

    def _confine(self, threads: int | None, memory: str | None, files: Iterable[str]) -> None:
        """From here on nothing but the files is within reach, and no setting can be changed."""
        allowed = ", ".join(literal(path + ending) for path in files for ending in ("", ".wal"))
        self.connection.execute(f"SET allowed_paths = [{allowed}]")
        self.connection.execute("SET enable_external_access = false")
        for setting in SETTINGS:
            self._set(setting)
        if threads:
            self._set(f"SET threads = {int(threads)}")
        if memory:
            self._set(f"SET memory_limit = '{engine_bytes(memory_bytes(memory)) // 1000} KB'")
        self.connection.execute("SET lock_configuration = true")

    def _set(self, setting: str) -> None:
        import duckdb

        with suppress(duckdb.CatalogException):  # a version that has no such setting has not what it turns off
            self.connection.execute(setting)

    def close(self) -> None:
        self.connection.close()
        self.spilling.cleanup()

    def interrupt(self) -> None:
        """Stop the query that is running; may be called from another thread."""
        self.connection.interrupt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, fragment: Sql) -> duckdb.DuckDBPyConnection:
        """Run one fragment with its values bound. Raises EngineError in our own words."""
        import duckdb

        text, values = render(fragment)
        try:
            return self.connection.execute(text, dict(values) or None)
        except duckdb.Error as failure:
            raise EngineError(failure, text) from failure

    def relation(self, fragment: Sql) -> duckdb.DuckDBPyRelation:
        """A query that is run when its rows are taken. Raises EngineError where it reads what there is not."""
        import duckdb

        text, values = render(fragment)
        try:
            return self.connection.sql(text, params=dict(values))
        except duckdb.Error as failure:
            raise EngineError(failure, text) from failure

    def rows(self, fragment: Sql) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(fragment).fetchall()
        return found

    def query(self, text: str, limit: int | None = None) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns and first rows of one query that a person wrote; nothing but a query is run."""
        import duckdb

        try:
            statements = self.connection.extract_statements(text)
            if len(statements) != 1 or statements[0].type not in (
                duckdb.StatementType.SELECT,
                duckdb.StatementType.EXPLAIN,
            ):
                raise UserError("this is no single query", "write one SELECT", code="sql")
            cursor = self.connection.execute(statements[0])
            columns = tuple(column[0] for column in cursor.description or ())
            return columns, cursor.fetchall() if limit is None else cursor.fetchmany(limit)
        except duckdb.Error as failure:
            raise UserError(f"the query does not run: {str(failure).strip()}", code="sql") from None

    def tables(self, fragment: Sql) -> Iterator[pa.Table]:
        """A query's rows in its order, in one table or more."""
        import pyarrow as pa

        reader = self.relation(fragment).to_arrow_reader(100_000)
        yield reader.schema.empty_table()
        yield from (pa.Table.from_batches([batch]) for batch in reader)

    def create(self, table: str, fragment: Sql) -> None:
        """A query's result as a table."""
        self.run(sql("CREATE TABLE {t} AS {q}", t=name(table), q=fragment))

    def add(self, table: str, rows: pa.Table, columns: Mapping[str, Type]) -> None:
        """Rows made in Python as a table of the given column types."""
        held = f"#arrow {table}"
        self.connection.register(held, rows)
        typed = joined(", ", (sql(f"CAST({{c}} AS {engine_type(t)}) AS {{c}}", c=name(c)) for c, t in columns.items()))
        try:
            self.create(table, sql("SELECT {typed} FROM {t}", typed=typed, t=name(held)))
        finally:
            self.connection.unregister(held)

    def put(self, table: str, rows: pa.Table, columns: Sql, *, fresh: bool) -> None:
        """Rows that the engine gave elsewhere, in their own types, in a table: a `fresh` one, or behind its own."""
        held = f"#arrow {table}"
        self.connection.register(held, rows)
        head = "CREATE TABLE {t} AS" if fresh else "INSERT INTO {t}"
        try:
            self.run(sql(f"{head} SELECT {{c}} FROM {{h}}", t=name(table), c=columns, h=name(held)))
        finally:
            self.connection.unregister(held)

    def arrow(self, table: str) -> pa.Table:
        """A table's rows, all at once."""
        import pyarrow as pa

        return pa.concat_tables(self.tables(sql("SELECT * FROM {t}", t=name(table))))

    def hold(self, table: str, rows: pa.Table) -> None:
        """Rows that are there already, such as those of a trace, as a table of their own types; nothing is copied."""
        self.connection.register(table, rows)

    def drop(self, table: str) -> None:
        self.run(sql("DROP TABLE IF EXISTS {t}", t=name(table)))

    def count(self, table: str) -> int:
        return int(self.rows(sql("SELECT count(*) FROM {t}", t=name(table)))[0][0])

    def value(self, table: str) -> Any:
        """The one value of a table made for a value."""
        found = self.rows(sql("SELECT {v} FROM {t}", v=name(VALUE), t=name(table)))
        return found[0][0] if found else None


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def engine_version() -> str:
    """The version of DuckDB, of which a run's bytes may depend."""
    import duckdb

    return str(duckdb.__version__)
