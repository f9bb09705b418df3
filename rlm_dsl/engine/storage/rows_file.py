"""A file of the engine with one table, `rows`: where a context's rows are kept.

In: batches of rows as loaders give them. Out: the file, closed and whole. Law: memory is bounded, whatever the rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import HI, LINE, LO, ROW, SOURCE
from rlm_dsl.context.files.database import LOAD_AGAIN, engine_file, require_rows
from rlm_dsl.engine.interrupts import interruptible
from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.sql import joined, name, render, sql
from rlm_dsl.language.types import Table, is_text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

HIDDEN = {ROW: "BIGINT", SOURCE: "INTEGER", LINE: "BIGINT", LO: "BIGINT", HI: "BIGINT"}
GROUP = 122_880
"""Rows that the engine keeps together: given by so many, they are written once."""
HELD = 8
"""Batches put together to that end at most: rows may be large."""
UNPACKED = " USING COMPRESSION 'uncompressed'"
NOTHING_LOADED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
CONFINED: dict[str, Any] = {**NOTHING_LOADED, "enable_external_access": False}
"""What keeps an engine to its own file."""
LEAST = 64_000_000
"""Bytes of memory that the engine writes with at least, else half of what there is, or what batches leave of it."""
ON_THE_WAY = 400_000_000
"""Bytes of memory that a process takes for itself, and for the blocks and batches on their way."""


def write_rows(path: Path, schema: Table, batches: Iterable[pa.Table], memory: int | None) -> int:
    """A file with the rows of the batches, in their order; gives how many. Raises what the batches raise.

    Text is kept as it is: packed, it takes a third less room and is searched at half the speed.
    """
    import duckdb

    path = path.absolute()  # a relative one could pass for an address
    spill = path.with_name(f"{path.name}.spill")
    failures: list[BaseException] = []
    groups = keep_failures(row_groups(batches), failures)
    first = next(groups, None)
    try:
        config = settings(spill, memory)
        with duckdb.connect(str(path), config=config) as connection, interruptible(connection.interrupt):
            count = insert(connection, schema, first, groups)
    except duckdb.Error as failure:
        if failures:
            raise failures[0] from None
        raise UserError(f"the rows cannot be kept: {str(failure).splitlines()[0]}", "is the disk full?") from None
    finally:
        shutil.rmtree(spill, ignore_errors=True)
    if failures:
        raise failures[0]
    return count


def settings(spill: Path, memory: int | None) -> dict[str, Any]:
    """Of the engine that writes; what does not fit into its memory goes to the folder `spill`."""
    found: dict[str, Any] = {
        "temp_directory": str(spill),
        "preserve_insertion_order": True,
        **NOTHING_LOADED,
    }
    if memory:
        found["memory_limit"] = f"{max(LEAST, min(memory // 2, memory - ON_THE_WAY)) // 1_000} KB"
    return found


def insert(
    connection: duckdb.DuckDBPyConnection, schema: Table, first: pa.RecordBatch | None, more: Iterable[pa.RecordBatch]
) -> int:
    """The rows in a table; gives how many."""
    import pyarrow as pa

    types = {**HIDDEN, **{column.name: engine_type(column.type) for column in schema.columns}}
    texts = {column.name for column in schema.columns if is_text(column.type)}
    kept = [sql(f"{{c}} {kind}{UNPACKED if c in texts else ''}", c=name(c)) for c, kind in types.items()]
    cast = [sql(f"CAST({{c}} AS {kind})", c=name(c)) for c, kind in types.items()]
    connection.execute(render(sql("CREATE TABLE rows ({kept})", kept=joined(", ", kept)))[0])
    if first is not None:
        connection.register("batches", pa.RecordBatchReader.from_batches(first.schema, chain([first], more)))
        connection.execute(render(sql("INSERT INTO rows SELECT {c} FROM batches", c=joined(", ", cast)))[0])
    connection.execute("CHECKPOINT")
    found: tuple[int] = connection.execute("SELECT count(*) FROM rows").fetchone()
    return found[0]


def keep_failures(batches: Iterator[pa.RecordBatch], failures: list[BaseException]) -> Iterator[pa.RecordBatch]:
    """The batches; what ends them early is kept as it was, since the engine would say it in its own words."""
    try:
        yield from batches
    except BaseException as failure:
        failures.append(failure)
        raise


def row_groups(batches: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """The same rows by groups of the engine's size."""
    import pyarrow as pa

    held: list[pa.Table] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        if len(held) >= HELD and count < GROUP:
            yield as_one_batch(pa.concat_tables(held))
            held, count = [], 0
        while count >= GROUP:
            joined_rows = pa.concat_tables(held)
            yield as_one_batch(joined_rows.slice(0, GROUP))
            held = [joined_rows.slice(GROUP)]
            count -= GROUP
    if held:
        yield as_one_batch(pa.concat_tables(held))


def as_one_batch(rows: pa.Table) -> pa.RecordBatch:
    """Rows as one batch; paths that were held once a block are held once a batch."""
    import pyarrow as pa

    found = rows.unify_dictionaries().combine_chunks().to_batches()
    return found[0] if found else pa.RecordBatch.from_pylist([], schema=rows.schema)


@contextmanager
def open_rows(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A file of rows for reading, in an engine that reaches nothing else. Raises UserError for what is no such file."""
    import duckdb

    whole = engine_file(str(path))
    try:
        with duckdb.connect(whole, read_only=True, config=CONFINED) as connection:
            connection.execute("SET lock_configuration = true")
            require_rows(connection, connection.execute("SELECT current_database()").fetchall()[0][0], whole)
            yield connection
    except duckdb.Error as failure:
        raise UserError(f"{path} cannot be read: {str(failure).splitlines()[0]}", LOAD_AGAIN) from None


def last_row(path: Path, number: int) -> tuple[int, int, int, int]:
    """Source, line, first byte and the one past the last of the row of this number."""
    with open_rows(path) as connection:
        query = sql(
            f"SELECT {{s}}, {{line}}, {{lo}}, {{hi}} FROM rows WHERE {{r}} = {int(number)}",
            s=name(SOURCE),
            line=name(LINE),
            lo=name(LO),
            hi=name(HI),
            r=name(ROW),
        )
        found: tuple[int, int, int, int] | None = connection.execute(render(query)[0]).fetchone()
    if found is None:
        raise UserError(f"{path} has not the rows that its manifest tells of", LOAD_AGAIN)
    return found


def first_row_of(path: Path, source: int, past: int) -> int:
    """The number of the first row below `past` of this source or a later one; `past` where there is none."""
    with open_rows(path) as connection:
        query = sql(
            f"SELECT min({{r}}) FROM rows WHERE {{s}} >= {int(source)} AND {{r}} < {int(past)}",
            s=name(SOURCE),
            r=name(ROW),
        )
        found: tuple[int | None] = connection.execute(render(query)[0]).fetchone()
    return past if found[0] is None else found[0]


def read_texts(path: Path, column: str) -> Iterator[Any]:
    """The texts of a column as Arrow arrays, in the order of the rows, which is that of the file."""
    import numpy as np

    with open_rows(path) as connection:
        query = render(sql("SELECT {c} AS text, {r} AS number FROM rows", c=name(column), r=name(ROW)))[0]
        expected = None
        for batch in connection.sql(query).to_arrow_reader(100_000):
            numbers = batch.column(1).to_numpy()
            expected = numbers[0] if expected is None else expected
            if not np.array_equal(numbers, np.arange(expected, expected + len(numbers))):
                raise UserError(f"{path} does not give its rows in order", "load its source again")
            expected += len(numbers)
            yield batch.column(0)


def text_size(path: Path, column: str) -> int:
    """Bytes of all texts of a column."""
    with open_rows(path) as connection:
        found = connection.execute(render(sql("SELECT sum(strlen({c})) FROM rows", c=name(column)))[0]).fetchone()
    return int(found[0] or 0) if found else 0
