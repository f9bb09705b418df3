"""A query over one shard: what a task does with rows where they lie.

In: a shard, the query, and small tables that it reads beside. Out: the rows that it gives, and how many each of its
steps had. Law: a row has the number and the places that it has in the whole context; what a shard gave once is kept
under a name made of all that it hangs on, and not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.hashing import identity
from rlm_dsl.common.version import version
from rlm_dsl.context.context import LINE, SOURCE, GivenRows
from rlm_dsl.engine.shards.read_shard import read_shard
from rlm_dsl.engine.shards.rows_of_shard import read_rows
from rlm_dsl.engine.shards.shard import Shard, ShardFiles
from rlm_dsl.engine.shards.whole_file import whole_file
from rlm_dsl.engine.storage.rows_file import HIDDEN
from rlm_dsl.engine.warehouse.context_rows import context_rows
from rlm_dsl.engine.warehouse.database import Database, engine_version
from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.operators.core.relation import ROW
from rlm_dsl.language.sql import Sql, bound, joined, name, render, sql
from rlm_dsl.language.types import Table

if TYPE_CHECKING:
    import pyarrow as pa

WANTED, HELD = "#wanted", "#file"
COUNTS = b"rlm-dsl.counts"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every shard of a context, which has this `number` among those of the run: a query, and one that
    counts the rows of the steps `counted`. `tables` are read beside; `digests` are those of these tables. What is given
    is kept in `folder`, a cluster's own or shared."""

    context: str
    number: int
    schema: Table
    query: Sql
    folder: str
    counting: Sql | None = None
    counted: tuple[str, ...] = ()
    tables: Mapping[str, pa.Table] | None = None
    digests: tuple[tuple[str, str], ...] = ()
    memory: str | None = None


def ask_shard(shard: Shard, question: Question) -> GivenRows:
    """What a query gives of a shard's rows, computed or kept."""
    path = Path(question.folder) / "given" / f"{key_of(shard, question)}.arrow"
    if (known := read_given(path, question.counted)) is not None:
        return known
    found = computed(shard, question)
    with suppress(OSError):  # a disk that is full or read-only keeps nothing
        write_given(path, found)
    return found


def key_of(shard: Shard, question: Question) -> str:
    """What names all that a shard's answer hangs on."""
    place = [shard.key, shard.begin, shard.past, shard.first, shard.source, list(shard.wanted)]
    text, values = render(question.query)
    counting, more = render(question.counting) if question.counting is not None else ("", {})
    asked = [question.context, question.number, str(question.schema), text, told(values), counting, told(more)]
    own = [version(), engine_version(), list(question.counted), [list(each) for each in question.digests]]
    return identity("shard-given-v1", [place, asked, own])


def told(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: repr(value) for key, value in values.items()}


def computed(shard: Shard, question: Question) -> GivenRows:
    if shard.files is None:
        with Database(1, question.memory, [shard.kept]) as database:
            held = sql("{d}.rows", d=name(database.attached[shard.kept]))
            own = {column for (column,) in database.rows(own_columns(database.attached[shard.kept]))}
            return answered(database, shard, question, held, own)
    rows = rows_made(shard.files, shard)
    with Database(1, question.memory) as database:
        database.hold(HELD, rows.slice(shard.begin, shard.count))
        return answered(database, shard, question, name(HELD), {*rows.column_names})


def rows_made(files: ShardFiles, shard: Shard) -> pa.Table:
    """The rows of a shard's file, which is made again where it is not there, or not whole."""
    import pyarrow as pa

    with suppress(OSError, pa.ArrowException):
        if (rows := read_rows(Path(shard.kept))).num_rows >= shard.past:
            return rows
    Path(shard.kept).unlink(missing_ok=True)
    return read_rows(Path(read_shard(files).kept))


def answered(database: Database, shard: Shard, question: Question, file: Sql, own: set[str]) -> GivenRows:
    """What the question's queries give in a database with the file's rows, which have their `own` columns."""
    held = f"#rows {question.context}"
    database.run(sql("CREATE VIEW {v} AS {q}", v=name(held), q=rows_of(shard, file, own, question.schema)))
    query = context_rows(question.number, question.schema, name(held))
    database.run(sql("CREATE VIEW {v} AS {q}", v=name(question.context), q=query))
    for table, rows in (question.tables or {}).items():
        database.hold(table, rows)
    if shard.wanted:
        database.hold(WANTED, wanted_rows(shard.wanted))
    found = whole_table(database, question.query)
    counts: Mapping[str, int] = {}
    if question.counting is not None:
        counts = dict(zip(question.counted, database.rows(question.counting)[0], strict=True))
    return GivenRows(found, counts)


def wanted_rows(numbers: Sequence[int]) -> pa.Table:
    import pyarrow as pa

    return pa.table({"number": pa.array(numbers, pa.int64())})


def rows_of(shard: Shard, file: Sql, own: set[str], schema: Table) -> Sql:
    """The shard's rows with their numbers and sources in the whole; columns that its file has not are null."""
    moved = {ROW: shard.first, SOURCE: shard.source, LINE: shard.lines, "line": shard.lines}
    types = {**HIDDEN, **{column.name: engine_type(column.type) for column in schema.columns}}
    told = []
    for column, kind in types.items():
        value = sql(f"CAST({{c}} AS {kind})", c=name(column)) if column in own else sql(f"NULL::{kind}")
        more = moved.get(column, 0)
        told.append(sql(f"{{v}}{f' + {more}' if more else ''} AS {{c}}", v=value, c=name(column)))
    return sql(
        "SELECT {told} FROM {file} WHERE {r} >= {begin} AND {r} < {past}",
        told=joined(", ", told),
        file=file,
        r=name(ROW),
        begin=whole_number(shard.begin),
        past=whole_number(shard.past),
    )


def whole_number(number: int) -> Sql:
    """A number of our own in a view, which takes no bound values."""
    return sql(str(int(number)))


def own_columns(attached: str) -> Sql:
    query = "SELECT column_name FROM duckdb_columns() WHERE database_name = {d} AND table_name = 'rows'"
    return sql(query, d=bound(attached, "database"))


def whole_table(database: Database, query: Sql) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(database.tables(query))


def read_given(path: Path, counted: tuple[str, ...]) -> GivenRows | None:
    """What a shard gave before; None where that is not kept, or cannot be read."""
    import pyarrow as pa

    try:
        with pa.OSFile(str(path), "rb") as file:
            rows = pa.ipc.open_file(file).read_all()
        counts = json.loads((rows.schema.metadata or {})[COUNTS])
        return GivenRows(rows.replace_schema_metadata(None), {step: int(counts[step]) for step in counted})
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None


def write_given(path: Path, found: GivenRows) -> None:
    import pyarrow as pa

    rows = found.rows.replace_schema_metadata({COUNTS: json.dumps(dict(found.counts)).encode()})
    with whole_file(path) as made, pa.OSFile(str(made), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows)
