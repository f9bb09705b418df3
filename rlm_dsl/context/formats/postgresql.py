"""A table or query of a PostgreSQL database as rows, read in one snapshot. A row's place is its number.

In: `postgresql://host/database::table`, or a query behind the `::`. Out: columns of the database's types; what the
language has no type for is text, and said. Law: nothing is written (the transaction is read-only, of one snapshot);
rows come by primary key, else as they lie; credentials are those of PG* and ~/.pgpass, never in the address. By ADBC.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.database import quote_name
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.arrow_rows import BATCH, load_arrow_rows
from rlm_dsl.context.table_digest import TableDigest

ADDRESS = re.compile(
    r"(?P<server>postgres(?:ql)?://(?:\[[^\]]*\]|[^:\[/]|:(?!:))*(?:/(?:[^:]|:(?!:))*)?)(?:::(?P<what>.*))?\Z",
    re.DOTALL | re.IGNORECASE,
)
QUERY = re.compile(r"\s*(?:select|with|values|table)\b", re.IGNORECASE)
PARTS = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
MOMENTS = ("date", "timestamp", "timestamptz")
HELD = frozenset("bool int2 int4 int8 float4 float8 text varchar name _int2 _int4 _int8 _float4 _float8 _text".split())
"""Types that come as they are."""
MOST_DIGITS = 38
COLUMNS = """
SELECT a.attname, t.typname, format_type(a.atttypid, a.atttypmod) AS shown
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = {table} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
KEY = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = {table} AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)
"""
TABLES = """
SELECT CASE WHEN n.nspname = ANY(current_schemas(false)) THEN c.relname ELSE n.nspname || '.' || c.relname END AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or query: its name, its type's name, and that as people write it."""

    name: str
    type: str
    shown: str

    @property
    def sql(self) -> str:
        """What is asked for it: moments without the infinite ones, which are null; what has no type here as text."""
        quoted = quote_name(self.name)
        if self.type in MOMENTS:
            return f"CASE WHEN isfinite({quoted}) THEN {quoted} END AS {quoted}"
        return quoted if self.type in HELD else f"CAST({quoted} AS text) AS {quoted}"


def load_postgresql(request: LoadRequest) -> Loaded:
    """One table or query. Raises UserError listing the tables where it is not said which.

    Its rows are laid aside as they come, so that the snapshot ends and memory holds a part of them alone.
    """
    server, what = parts_of(request.given)
    aside = SetAside()
    with snapshot(server) as cursor:
        target, columns, order, notes = chosen(cursor, server, what)
        asked = ", ".join(column.sql for column in columns)
        cursor.execute(f"SELECT {asked} FROM {target}{order}")
        aside.take(cursor.fetch_record_batch())
    scales, told = decimal_scales(aside, columns)

    def read() -> Iterator[Any]:
        return (with_decimals(batch, scales) for batch in aside.batches())

    found, rows = load_arrow_rows(with_decimals(aside.schema.empty_table(), scales).schema, read, request.given)
    loaded = Loaded("postgres", found.schema, (), [], [*notes, *told, *found.notes])
    loaded.batches = digested(rows, loaded, request.given)
    return loaded


def digested(rows: Iterator[Any], loaded: Loaded, given: str) -> Iterator[Any]:
    """The same rows; what they are as a source is known behind the last."""
    digest = TableDigest(list(loaded.schema.names), loaded.schema)
    for batch in rows:
        digest.add(batch)
        yield batch
    sha256, size = digest.done()
    loaded.sources.append(SourceFile(0, given, size, sha256, given))


class SetAside:
    """Batches in a file of this process alone, which goes with it; owns the file."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(prefix="rlm-dsl-")  # noqa: SIM115 - as long as the rows are read
        self.schema: Any = None

    def take(self, reader: Any) -> None:
        import pyarrow as pa

        self.schema = reader.schema
        with pa.ipc.new_stream(self.file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)

    def batches(self) -> Iterator[Any]:
        """All of them, from the first on."""
        import pyarrow as pa

        self.file.seek(0)
        for batch in pa.ipc.open_stream(self.file):
            for begin in range(0, batch.num_rows, BATCH):
                yield batch.slice(begin, BATCH)


def parts_of(given: str) -> tuple[str, str]:
    """The server's address and what is read there. Raises UserError for an address that holds a password."""
    found = ADDRESS.match(given)
    if found is None:
        raise UserError("no address of a PostgreSQL database", "such as postgresql://host/database::table")
    server, what = found["server"], found["what"] or ""
    parts = urlsplit(server)
    user, _, host = parts.netloc.rpartition("@")
    if ":" in user or "password" in parts.query.lower():
        raise UserError(
            f"{parts.scheme}://{host}{parts.path} was given with a password, which would stand in every trace",
            "keep it in ~/.pgpass, or in PGPASSWORD of the environment",
        )
    return server, what


@contextmanager
def snapshot(server: str) -> Iterator[Any]:
    """A cursor within a transaction that sees one state of the database, and writes nothing."""
    try:
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise UserError("PostgreSQL needs adbc-driver-postgresql", "pip install 'rlm-dsl[postgresql]'") from None
    try:
        with closing(dbapi.connect(server, autocommit=True)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL TimeZone = 'UTC'")
            yield cursor
            cursor.execute("ROLLBACK")
    except adbc_driver_manager.Error as failure:
        told = re.sub(r"(?i)password\S*=\S+", "password=...", str(failure)).strip()
        line = next((each for each in told.splitlines() if re.search(r"FATAL|ERROR|could not|failed", each)), told)
        raise UserError(
            f"{server} cannot be read: {line[:300]}", "credentials are read from PGUSER, PGPASSWORD and ~/.pgpass"
        ) from None


def chosen(cursor: Any, server: str, what: str) -> tuple[str, list[Column], str, list[str]]:
    """What is read: a table's name or a query in brackets, its columns, the order of its rows, and notes."""
    if QUERY.match(what):
        target = f"({what.strip().rstrip(';')}) AS rows_of_query"
        found = cursor.adbc_execute_schema(f"SELECT * FROM {target}")
        columns = [Column(field.name, *type_names(field)) for field in found]
        return (
            target,
            columns,
            "",
            [*told_types(columns), "rows of a query come in the order that it says, if it says one"],
        )
    name = ".".join(quote_name(part) for part in name_parts(what))
    number = value(cursor, f"SELECT to_regclass({literal(name)})::oid::bigint") if name else None
    if number is None:
        raise unknown_table(cursor, server, what)
    rows = dicts(cursor, COLUMNS.format(table=int(number)))
    columns = [Column(row["attname"], row["typname"], row["shown"]) for row in rows]
    keys = [row["attname"] for row in dicts(cursor, KEY.format(table=int(number)))]
    kind = value(cursor, f"SELECT relkind::text FROM pg_class WHERE oid = {int(number)}")
    order = ", ".join(map(quote_name, keys)) or ("ctid" if kind in ("r", "m") else "")
    notes = [] if order else [f"`{what}` has no order of its own: its rows may come in another one next time"]
    return name, columns, f" ORDER BY {order}" if order else "", [*told_types(columns), *notes]


def name_parts(what: str) -> list[str]:
    """A table's name by its parts; one that is quoted stands as it is, another in lower case, as PostgreSQL has it."""
    return [quoted.replace('""', '"') or plain.strip().lower() for quoted, plain in PARTS.findall(what)]


def unknown_table(cursor: Any, server: str, what: str) -> UserError:
    tables = [row["name"] for row in dicts(cursor, TABLES)]
    if what:
        return UserError(f"{server} has no table `{what}`", *did_you_mean(what, tables, what="tables and views"))
    listed = ", ".join(tables[:20]) or "none"
    return UserError(
        f"{server} has {len(tables):,} tables, and it is not said which: {listed}",
        *([f"say which: {server}::{tables[0]}"] if tables else []),
    )


def type_names(field: Any) -> tuple[str, str]:
    """A type of a query's column as PostgreSQL calls it, as far as Arrow tells it."""
    import pyarrow as pa

    kind = field.type
    vendor = getattr(kind, "type_name", "") or (field.metadata or {}).get(b"ADBC:postgresql:typname", b"").decode()
    if vendor:
        return vendor, vendor
    if pa.types.is_date(kind):
        return "date", "date"
    if pa.types.is_timestamp(kind):
        return "timestamp", "timestamp"
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return ("text", "text") if plain or pa.types.is_string(kind) else (str(kind), str(kind))


def told_types(columns: Sequence[Column]) -> list[str]:
    """Notes on what is text here, as the language has no type for it."""
    held = {*HELD, *MOMENTS, "numeric", "bpchar", "uuid", "citext"}
    return [f"column `{c.name}` is {c.shown} and is read as text" for c in columns if c.type not in held]


def decimal_scales(aside: SetAside, columns: Sequence[Column]) -> tuple[dict[int, int], list[str]]:
    """Of exact numbers' columns by their place the digits behind the point: as declared, `numeric(10,2)`, else as the
    longest has. Those that no decimal holds are left out, and told."""
    import pyarrow as pa

    exact = [place for place, column in enumerate(columns) if column.type == "numeric"]
    scales = {place: said_scale(columns[place]) for place in exact}
    free = [place for place in exact if scales[place] is None]
    found = {place: scales[place] or 0 for place in exact}
    for batch in aside.batches() if free else ():
        for place in free:
            found[place] = max(found[place], longest_part(batch.column(place)))
    notes = []
    for batch in aside.batches() if exact else ():
        for place in list(found):
            try:
                batch.column(place).cast(pa.decimal128(MOST_DIGITS, found[place]))
            except pa.ArrowInvalid:
                del found[place]
                name = columns[place].name
                notes.append(f"column `{name}` has numbers that no decimal holds, and is read as text")
    return found, notes


def with_decimals(batch: Any, scales: Mapping[int, int]) -> Any:
    """The batch with its exact numbers as such."""
    import pyarrow as pa

    for place, scale in scales.items():
        cells = batch.column(place).cast(pa.decimal128(MOST_DIGITS, scale))
        batch = batch.set_column(place, batch.schema.field(place).name, cells)
    return batch


def said_scale(column: Column) -> int | None:
    declared = re.search(r"\(\d+,(\d+)\)", column.shown)
    return int(declared[1]) if declared else None


def longest_part(cells: Any) -> int:
    """The most digits behind a point."""
    import pyarrow.compute as pc

    lengths, points = pc.utf8_length(cells), pc.find_substring(cells, ".")
    behind = pc.if_else(pc.equal(points, -1), 0, pc.subtract(pc.subtract(lengths, points), 1))
    return int(pc.max(behind).as_py() or 0)


def dicts(cursor: Any, query: str) -> list[dict[str, Any]]:
    cursor.execute(query)
    rows: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
    return rows


def value(cursor: Any, query: str) -> Any:
    rows = dicts(cursor, query)
    return next(iter(rows[0].values())) if rows else None


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


FORMAT = Format(
    name="postgres",
    summary="the rows of a table or query: `postgresql://host/db::orders`",
    load=load_postgresql,
    schemes=("postgresql", "postgres"),
    extra="postgresql",
    options=("columns",),
)
