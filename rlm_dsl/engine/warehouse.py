"""The warehouse: where contexts, steps and answers lie as tables. The one user of DuckDB.

In: Arrow tables and query fragments. Out: tables, rows, counts and digests.
Law: the engine reads no file, no network and no Python variable; the same tables give the same digests and the same
rows in the same order, whatever its version and number of threads.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import tagged
from rlm_dsl.context.context import Context, StoredPart
from rlm_dsl.context.format_registry import own_column
from rlm_dsl.language.operators.core.relation import FROM, HI, LO, ORD, ROW, SOURCE_BITS, VALUE, Relation
from rlm_dsl.language.sql import Sql, bound, joined, name, names, render, sql
from rlm_dsl.language.types import TEXT, Field, Table, Type, bare, is_text
from rlm_dsl.plan.expressions import engine_type

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CONTEXT_BITS = 56
"""A row's id: its context above these bits, its source above SOURCE_BITS, its number below."""

OWN_MEMORY = 250_000_000
"""Bytes of a process's memory that are not the engine's: Python, libraries, what is on its way."""

SETTINGS = (
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET TimeZone = 'UTC'",
    "SET preserve_insertion_order = false",
)


class Warehouse:
    """Owns one in-memory DuckDB database. `threads` and `memory` (such as "2GB") are its limits.

    What does not fit in memory goes to a folder of its own, at most half of what the disk has free, removed at the end.
    Stored rows of the `contexts` are opened before anything else: after that no file can be.
    """

    def __init__(self, threads: int | None = None, memory: str | None = None, contexts: Iterable[Context] = ()) -> None:
        import duckdb

        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(":memory:")
        self.spilling = tempfile.TemporaryDirectory(prefix="rlm-dsl-", ignore_cleanup_errors=True)
        folder, most = self.spilling.name.replace("'", "''"), shutil.disk_usage(self.spilling.name).free // 2
        self._set(f"SET temp_directory = '{folder}'")
        self._set(f"SET max_temp_directory_size = '{most // 1_000_000} MB'")
        held = list(contexts)
        self.given = {context.name: context for context in held}
        self.attached: dict[str, str] = {}
        for context in held:
            self._attach(context)
        for setting in SETTINGS:
            self._set(setting)
        if threads:
            self._set(f"SET threads = {int(threads)}")
        if memory:
            limit = memory_bytes(memory)
            self._set(f"SET memory_limit = '{max(limit - OWN_MEMORY, limit // 2) // 1000} KB'")
        self.connection.execute("SET lock_configuration = true")
        self.contexts: dict[str, Relation] = {}
        for context in held:
            self.load(context.name, context.schema, context.rows, own_column(context))

    def _attach(self, context: Context) -> None:
        """Open the files of a context's stored rows for reading; a file twice named is opened once."""
        for part in context.rows if isinstance(context.rows, tuple) else ():
            if part.path not in self.attached:
                self.attached[part.path] = f"#stored {len(self.attached)}"
                where = part.path.replace("'", "''")
                self.run(sql(f"ATTACH '{where}' AS {{d}} (READ_ONLY)", d=name(self.attached[part.path])))

    def _set(self, setting: str) -> None:
        import duckdb

        try:
            self.connection.execute(setting)
        except duckdb.CatalogException:
            if "enable_external_access" in setting:
                raise

    def close(self) -> None:
        self.connection.close()
        self.spilling.cleanup()

    def interrupt(self) -> None:
        """Stop the query that is running; may be called from another thread."""
        self.connection.interrupt()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, context: str, schema: Table, rows: pa.Table | tuple[StoredPart, ...], own: str = "") -> Relation:
        """A context's rows as a table. Each row's id is unique over contexts and tells its source. `own` is the column
        that holds a row's own bytes."""
        number = len(self.contexts)
        held = f"#rows {context}"
        if isinstance(rows, tuple):
            self.run(sql("CREATE VIEW {v} AS {parts}", v=name(held), parts=self.stored(rows)))
        else:
            self.connection.register(held, rows)
        self.run(sql("CREATE VIEW {v} AS {q}", v=name(context), q=context_rows(number, schema, name(held))))
        visible = Table(schema.columns)
        vast = row_count(rows) > VAST
        self.contexts[context] = Relation(name(context), visible, False, own, vast)
        return self.contexts[context]

    def stored(self, parts: Iterable[StoredPart]) -> Sql:
        """The rows of stored parts, one after the other."""
        return joined(
            " UNION ALL ",
            (
                sql(
                    f"SELECT * FROM {{d}}.rows WHERE {{r}} < {int(part.past)}",
                    d=name(self.attached[part.path]),
                    r=name(ROW),
                )
                for part in parts
            ),
        )

    @contextmanager
    def only(self, context: str, rows: Any) -> Iterator[None]:
        """While open, a context has none but the rows of these numbers (an array): what reads it reads them alone."""
        import pyarrow as pa

        numbers = f"#numbers {context}"
        self.connection.register(numbers, pa.table({"number": rows}))
        number, relation = list(self.contexts).index(context), self.contexts[context]
        try:
            held = sql(
                "(SELECT * FROM {t} WHERE {r} IN (SELECT number FROM {n}))",
                t=name(f"#rows {context}"),
                r=name(ROW),
                n=name(numbers),
            )
            rows_alone = context_rows(number, relation.type, held)
            self.run(sql("CREATE TEMP VIEW {v} AS {q}", v=name(context), q=rows_alone))
            yield
        finally:
            self.run(sql("DROP VIEW IF EXISTS temp.{v}", v=name(context)))
            self.connection.unregister(numbers)

    def places(self, rows: Iterable[int]) -> dict[int, tuple[int, int | None, str]]:
        """The first line and first byte of context rows, by their ids, and the text of one that has no bytes."""
        by_context: dict[int, list[int]] = {}
        for row in rows:
            by_context.setdefault(row >> CONTEXT_BITS, []).append(row)
        found: dict[int, tuple[int, int | None, str]] = {}
        for number, wanted in by_context.items():
            held, relation = list(self.contexts.items())[number]
            shown = name("text") if relation.type.column("text") == TEXT else sql("''")
            query = sql(
                'SELECT {row}, "#line", {lo}, CASE WHEN {lo} IS NULL THEN {shown} END FROM {t} '
                "WHERE {row} IN (SELECT unnest({wanted}::BIGINT[]))",
                row=row_id(number),
                lo=name(LO),
                shown=shown,
                t=name(f"#rows {held}"),
                wanted=bound(sorted(wanted), "rows"),
            )
            found |= {row: (line, lo, text or "") for row, line, lo, text in self.rows(query)}
        return found

    def run(self, fragment: Sql) -> duckdb.DuckDBPyConnection:
        """Run one fragment with its values bound. Raises EngineError in our own words."""
        import duckdb

        text, values = render(fragment)
        try:
            return self.connection.execute(text, dict(values) or None)
        except duckdb.Error as failure:
            raise EngineError(failure, text) from failure

    def rows(self, fragment: Sql) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(fragment).fetchall()
        return found

    def queried(self, text: str, limit: int | None = None) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
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

    def batches(self, fragment: Sql, size: int = 10_000) -> Iterator[list[tuple[Any, ...]]]:
        """Rows in the query's order, `size` at a time."""
        cursor = self.run(fragment)
        while batch := cursor.fetchmany(size):
            yield batch

    def tables(self, fragment: Sql) -> Iterator[pa.Table]:
        """A query's rows in its order, in one table or more."""
        import pyarrow as pa

        text, values = render(fragment)
        reader = self.connection.sql(text, params=dict(values)).to_arrow_reader(100_000)
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

    def table(self, relation: Relation, limit: int | None = None, *, hidden: bool = False) -> list[tuple[Any, ...]]:
        """A table's rows in its order: its typed columns, and the hidden ones too if asked for."""
        return self.rows(self.ordered(relation, limit, hidden=hidden))

    def ordered(self, relation: Relation, limit: int | None = None, *, hidden: bool = False) -> Sql:
        columns = relation.columns() if hidden else names(relation.type.names)
        last = sql(" LIMIT {n}", n=bound(limit, "rows")) if limit is not None else sql("")
        return sql("SELECT {c} FROM {t} ORDER BY {o}{last}", c=columns, t=relation.sql, o=name(ORD), last=last)

    def around(self, relation: Relation, limit: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """So many rows of a table from its middle on, and its last ones, both in its order. The middle is that of its
        places, which may have gaps."""
        ends = self.rows(sql("SELECT min({o}), max({o}) FROM {t}", o=name(ORD), t=relation.sql))[0]
        if ends[0] is None:
            return [], []
        parts = {"c": names(relation.type.names), "t": relation.sql, "o": name(ORD), "n": bound(limit, "rows")}
        half = bound((int(ends[0]) + int(ends[1])) // 2, "middle")
        middle = self.rows(sql("SELECT {c} FROM {t} WHERE {o} >= {half} ORDER BY {o} LIMIT {n}", half=half, **parts))
        last = self.rows(sql("SELECT {c} FROM {t} ORDER BY {o} DESC LIMIT {n}", **parts))
        return middle, last[::-1]

    def origins(self, relation: Relation, chosen: str = "", limit: int | None = None) -> list[tuple[int, int, int]]:
        """(row id, first byte, one past the last byte) of the context rows that a table's rows come from, each once,
        in their order; `chosen` (first, last) takes the table's first or last row alone."""
        inner = origin_rows(relation, chosen)
        last = sql(" LIMIT {n}", n=bound(limit, "rows")) if limit is not None else sql("")
        return [
            (row, lo, hi)
            for row, lo, hi in self.rows(
                sql(
                    "SELECT DISTINCT r, lo, hi FROM ({inner}) WHERE r IS NOT NULL ORDER BY r, lo, hi{last}",
                    inner=inner,
                    last=last,
                )
            )
        ]

    def origin_count(self, relation: Relation, chosen: str = "") -> int:
        """How many context rows a table's rows come from; where places are left out, as many as were united."""
        listed = sql("SELECT DISTINCT r, lo, hi FROM ({i}) WHERE r IS NOT NULL", i=origin_rows(relation, chosen))
        left_out = sql("SELECT lo FROM ({i}) WHERE r IS NULL", i=origin_rows(relation, chosen))
        query = sql(
            "SELECT (SELECT count(*) FROM ({l})) + (SELECT coalesce(sum(lo), 0) FROM ({o}))", l=listed, o=left_out
        )
        return int(self.rows(query)[0][0])

    def digest(self, table: str, columns: Iterable[Field]) -> str:
        """The digest of a set of rows: independent of order, keeping duplicates (see `row_digest`).

        256 buckets by the first byte of the rows' digests; each bucket is the sha256 of its sorted digests, the whole
        the sha256 of the buckets. The engine sorts, on disk if it must; one batch at a time is held here.
        """
        buckets: dict[str, Any] = {}
        rows = self.tables(sql("SELECT {d} AS d FROM {t} ORDER BY d", d=row_digest(columns), t=name(table)))
        for chunk in (chunk for held in rows for chunk in held.column(0).chunks):
            for bucket, digests in sorted_digests(chunk):
                buckets.setdefault(bucket, hashlib.sha256()).update(digests)
        return tagged("rows-v1", "".join(bucket.hexdigest() for bucket in buckets.values()).encode("ascii"))


VAST = 5_000_000
"""Rows of a context from which on what unites them may leave out places (see `vast_origin`)."""


def row_count(rows: pa.Table | tuple[StoredPart, ...]) -> int:
    return sum(part.past - part.first for part in rows) if isinstance(rows, tuple) else rows.num_rows


UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def memory_bytes(text: str) -> int:
    """An amount of memory such as 2GB or 500MB in bytes, 1 KB as 1,000 bytes and 1 KiB as 1,024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?)B", text.strip(), re.IGNORECASE)
    if not found:
        raise UserError(f"no amount of memory: {text!r}", "write it as 2GB or 500MB")
    power = UNITS[found[2].upper()] // 10
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


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


def row_digest(columns: Iterable[Field]) -> Sql:
    """sha256 over a row's typed values: texts with their length, the rest as the engine prints it, null apart."""
    parts = joined(", ", (value_form(name(column.name), column.type) for column in columns))
    return sql("sha256(concat({parts}))", parts=parts)


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


def value_form(value: Sql, type_: Type) -> Sql:
    text = sql("{v}" if is_text(type_) else "CAST({v} AS VARCHAR)", v=value)
    kind = "t" if bare(type_) == TEXT or is_text(type_) else "v"
    return sql(
        f"CASE WHEN {{v}} IS NULL THEN 'n;' ELSE concat('{kind}', strlen({{t}}), ':', {{t}}, ';') END", v=value, t=text
    )


def origin_rows(relation: Relation, chosen: str) -> Sql:
    """Each context row behind a table's rows, as r, lo, hi."""
    order = {"first": "", "last": " DESC"}.get(chosen)
    source = relation.sql
    if order is not None:
        source = sql(f"(SELECT * FROM {{t}} ORDER BY {{o}}{order} LIMIT 1)", t=relation.sql, o=name(ORD))
    if relation.united:
        return sql(
            'SELECT u."row" AS r, u.lo AS lo, u.hi AS hi FROM (SELECT unnest({f}) AS u FROM {t})',
            f=name(FROM),
            t=source,
        )
    return sql("SELECT {r} AS r, {lo} AS lo, {hi} AS hi FROM {t}", r=name(ROW), lo=name(LO), hi=name(HI), t=source)


class EngineError(UserError):
    """The engine refused or failed; said in a person's words, the query kept for a trace."""

    def __init__(self, failure: Exception, query: str) -> None:
        self.query = query
        told = str(failure).split("\n", 1)[0]
        message, hint = plain_words(told)
        super().__init__(message, hint, code="engine")


WORDS = (
    (r"left the years 1 to 9999", "a date left the years 1 to 9999", "take fewer days or seconds"),
    (r"[Oo]verflow|out of range", "a whole number left the range of 64 bits", "use floats: to_float(x)"),
    (
        r"max_temp_directory_size",
        "the run needs more memory and disk than there is",
        "narrow the rows first: a join or pairs() of large tables makes very many",
    ),
    (
        r"[Oo]ut of [Mm]emory|could not allocate",
        "the run needs more memory than it may take",
        "narrow the rows first, or give more with --memory",
    ),
    (r"could not parse string|strptime", "a date's format has a code that is none", "see strptime codes: %Y-%m-%d"),
    (r"[Ii]nterrupted", "interrupted", ""),
)


def plain_words(told: str) -> tuple[str, str]:
    for seen, message, hint in WORDS:
        if re.search(seen, told):
            return message, hint
    return f"the query engine stopped: {told}", ""
