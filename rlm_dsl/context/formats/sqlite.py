"""A table of an SQLite file as rows, in the order of its row ids. A row's place is its number.

In: a file, and a table or view of it. Out: columns typed over all values, as SQLite types none: whole numbers, floats
and texts as they are stored, texts that are all ISO dates as dates, several kinds as text, blobs as UTF-8 or
hexadecimal digits. Law: the file is only read, and nothing in it gets to act: no extension, no other file, no function
that has effects or gives other rows next time, no recursion without end; triggers never fire, as nothing is written. A
view has so much time, its values so much room, and Ctrl-C ends it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.processes import physical_memory
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
from rlm_dsl.context.rows.value_rows import Part, load_values

MAGIC = (0, b"SQLite format 3\x00")
BATCH = 20_000
LONGEST = 1 << 28
"""Bytes of one value at most."""
LEAST = 1 << 20
"""Bytes that a value of a view may have in any case; else the values of some rows have the run's memory together."""
HELD = 1 << 25
"""Bytes of values that are gone on with, though they are fewer rows than a batch."""
SECONDS = 120.0
"""How long a view may take."""
STEPS = 100_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
REFUSED_FUNCTIONS = {
    *("load_extension", "random", "randomblob", "changes", "total_changes", "last_insert_rowid", "fts3_tokenizer"),
    *("current_date", "current_time", "current_timestamp", "sqlite_offset", "zeroblob"),
}
DEFENCES = ("PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON", "PRAGMA query_only = ON")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is read: a table's or view's columns, by a query in its order."""

    columns: tuple[str, ...]
    query: str
    computes: bool


def load_sqlite(request: LoadRequest) -> Loaded:
    """One table of one SQLite file. Raises UserError listing the tables where the path does not say which."""
    given = request.given
    path, said = file_and_table(given)
    source = database_source(path, MAGIC, "SQLite")
    refuse_pending_changes(path, ("-wal", "-journal"))
    with open_database(path, given) as connection:
        chosen = chosen_of(connection, path, said)
    before = file_state(path)
    replaced = [0]

    def read() -> Iterator[Part]:
        yield from parts(path, given, chosen, replaced, request.memory or physical_memory() // 2)
        refuse_changed(path, before)

    loaded = load_values("sqlite", source, read, chosen.columns)
    if replaced[0]:
        loaded.notes.append("bytes that are not UTF-8 are shown as U+FFFD")
    return loaded


@contextmanager
def open_database(path: str, given: str) -> Iterator[sqlite3.Connection]:
    """A connection that can read this file and nothing else."""
    uri = Path(path).resolve().as_uri() + "?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            for defence in DEFENCES:
                connection.execute(defence)
            yield connection
    except sqlite3.Error as failure:
        raise UserError(f"{given} cannot be read: {failure}") from None


def chosen_of(connection: sqlite3.Connection, path: str, said: str) -> Chosen:
    listed = connection.execute("PRAGMA main.table_list").fetchall()
    kinds = {name: kind for _, name, kind, *_ in listed if not name.lower().startswith("sqlite_")}
    rowless = {name for _, name, _, _, without_rowid, *_ in listed if without_rowid}
    tables = sorted(name for name, kind in kinds.items() if kind == "table")
    views = sorted(name for name, kind in kinds.items() if kind == "view")
    table = choose_table(path, said, tables, views)
    held = connection.execute(f"PRAGMA main.table_xinfo({quote_name(table)})").fetchall()
    columns = tuple(name for _, name, _, _, _, _, hidden in held if hidden != 1)
    order = "" if table in views else row_order(columns, held, table in rowless)
    named = ", ".join(f"main.{quote_name(table)}.{quote_name(column)}" for column in columns)
    computes = table in views or any(hidden for *_, hidden in held)
    return Chosen(columns, f"SELECT {named} FROM main.{quote_name(table)}{order}", computes)


def row_order(columns: tuple[str, ...], held: list[Any], rowless: bool) -> str:
    """By row id, under a name that no column has; by primary key where a table has no row ids."""
    if rowless:
        keys = sorted((key, name) for _, name, _, _, _, key, _ in held if key)
        return " ORDER BY " + ", ".join(quote_name(name) for _, name in keys)
    taken = {column.lower() for column in columns}
    free = next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)
    return f" ORDER BY {free}" if free else ""


def parts(path: str, given: str, chosen: Chosen, replaced: list[int], memory: int) -> Iterator[Part]:
    """The rows, some at a time; one part at least. `replaced` counts texts that are no UTF-8."""
    passed = 0
    with open_database(path, given) as connection:
        refused: list[str] = []
        connection.set_authorizer(authorizer(refused))
        connection.text_factory = text_reader(replaced)
        watch = Watch(time.monotonic() + SECONDS if chosen.computes else None)
        connection.set_progress_handler(watch.look, STEPS)
        if chosen.computes:
            longest = max(LEAST, min(LONGEST, memory // (8 * len(chosen.columns))))
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        try:
            rows = connection.execute(chosen.query)
            while held := some_rows(rows):
                yield part(held, chosen.columns, passed)
                passed += len(held)
        except sqlite3.DatabaseError as failure:
            if watch.interrupted:
                raise KeyboardInterrupt from None
            why = f"it uses {refused[0]}, which may not run here" if refused else watch.why or str(failure)
            raise UserError(f"{given} cannot be read: {why}") from None
    if not passed:
        yield part([], chosen.columns, 0)


class Watch:
    """Owns a reading's time, if it has an end, and sees Ctrl-C, which SQLite would pass over."""

    def __init__(self, end: float | None) -> None:
        self.end, self.why, self.interrupted = end, "", False

    def look(self) -> int:
        """Whether SQLite is to stop."""
        try:
            if self.end is not None and time.monotonic() > self.end:
                self.why = f"it takes longer than {SECONDS:.0f} seconds"
        except KeyboardInterrupt:
            self.interrupted = True
        return int(self.interrupted or bool(self.why))


def some_rows(rows: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The next rows: a batch, or fewer that are large."""
    held: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(held) == BATCH or size > HELD:
            break
    return held


def part(held: list[tuple[Any, ...]], columns: tuple[str, ...], passed: int) -> Part:
    lines = list(range(passed + 1, passed + len(held) + 1))
    return Part(lines, [], [], [dict(zip(columns, row, strict=True)) for row in held])


def text_reader(replaced: list[int]) -> Callable[[bytes], str]:
    def read(content: bytes) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            replaced[0] += 1
            return content.decode("utf-8", "replace")

    return read


def authorizer(refused: list[str]) -> Callable[..., int]:
    """Lets columns be read and harmless functions run; keeps the name of what is refused."""

    def allowed(action: int, first: str | None, second: str | None, *_: Any) -> int:
        if action in ALLOWED:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and str(second).lower() not in REFUSED_FUNCTIONS:
            return sqlite3.SQLITE_OK
        refused.append(f"the function {second}" if action == sqlite3.SQLITE_FUNCTION else "recursion or a statement")
        return sqlite3.SQLITE_DENY

    return allowed


FORMAT = Format(
    name="sqlite",
    summary="the rows of a table or view of an SQLite file: `shop.sqlite::orders`",
    load=load_sqlite,
    endings=(".sqlite", ".sqlite3", ".db"),
    options=("columns",),
)
