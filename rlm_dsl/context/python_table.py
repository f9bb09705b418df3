"""Tables that Python holds as contexts: Arrow's and whatever hands itself over as Arrow, dicts of columns, rows.

In: an object. Out: rows with one source, which is no file. Law: the source's sha256 is of the content alone (see
`table_digest`); an index is no content; no library is imported for the sake of an object that is not its own; what is
no table is refused, with its type and what is taken.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.well_formed import well_formed, without_halves
from rlm_dsl.context.columns.python_values import PlainRow, plain_row, plain_value, type_name
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.given import Given, is_given
from rlm_dsl.context.rows.arrow_rows import BATCH, load_arrow_rows
from rlm_dsl.context.rows.file_tables import VALUE
from rlm_dsl.context.rows.value_rows import DEEPEST, HALVES, Part, load_values, too_deep
from rlm_dsl.context.table_digest import canonical_digest

FORMAT = "table"
"""The format of such a context; no loader has it, as there is nothing to load it from."""
GIVEN = "a table in Python"
TAKEN = (
    "give a path, a table of pandas, polars, Arrow or DuckDB, a data set of Hugging Face, a dict of columns, or rows "
    "as dicts, dataclasses or models of pydantic"
)
ARROW = ("__arrow_c_stream__", "__arrow_c_array__")


def is_table(given: Any) -> bool:
    """Whether something is to be taken as a table that Python holds: it is no path."""
    return not isinstance(given, str | os.PathLike | Given) and not is_given(given)


def load_table(given: Any) -> Loaded:
    """A table's rows. Raises UserError for what is no table."""
    loaded, names = rows_of(given)
    batches = list(loaded.batches)
    loaded.batches = batches
    sha256, size = canonical_digest(names, loaded.schema, batches)
    loaded.sources = [SourceFile(0, GIVEN, size, sha256, GIVEN)]
    return loaded


def rows_of(given: Any) -> tuple[Loaded, list[str]]:
    """The rows of an object, and the names of its columns as given."""
    held = as_arrow(given)
    if held is not None:
        return load_arrow_table(held)
    if isinstance(given, Mapping):
        return load_columns(given)
    if type(given).__module__ == "numpy" and type(given).__name__ in ("ndarray", "recarray"):
        return load_dicts(array_rows(given))
    if isinstance(given, Iterable) and not isinstance(given, bytes | bytearray | memoryview):
        return load_dicts([row_of(row, number) for number, row in enumerate(given, 1)])
    raise refused(given)


def refused(given: Any) -> UserError:
    return UserError(f"{type_name(given)} is no table", TAKEN)


def as_arrow(given: Any) -> Any | None:
    """What hands itself over as Arrow, or can be made to: a lazy frame, a data set, a relation of DuckDB."""
    module = type(given).__module__.partition(".")[0]
    if module == "polars" and hasattr(given, "collect"):
        return given.collect()
    if hasattr(given, "with_format") and hasattr(given, "data"):
        return given.with_format("arrow")[:]
    if hasattr(getattr(given, "data", None), "table") or any(hasattr(getattr(given, "data", None), k) for k in ARROW):
        return getattr(given.data, "table", given.data)
    if module in ("duckdb", "_duckdb") and hasattr(given, "to_arrow_table"):
        return given.to_arrow_table()
    if module == "pyarrow" and hasattr(given, "to_table"):
        return given.to_table()
    return given if any(hasattr(given, kind) for kind in ARROW) else None


# ---- Arrow ----


def load_arrow_table(given: Any) -> tuple[Loaded, list[str]]:
    """Arrow's rows, an index of pandas left out; a frame that Arrow cannot type as a whole is read row by row."""
    import pyarrow as pa

    halves = False
    try:
        table = arrow_table(given)
    except UnicodeEncodeError:
        table, halves = pa.table(given.rename(columns=without_halves).map(without_halves)), True
    except (pa.ArrowException, TypeError, ValueError) as failure:
        if hasattr(given, "to_dict") and hasattr(given, "columns"):
            return load_dicts(given.to_dict("records"))
        raise UserError(f"the table cannot be read: {str(failure).splitlines()[0]}") from None
    index = index_columns(table.schema)
    table = table.select([n for n, name in enumerate(table.column_names) if name not in index])
    if not table.num_columns and not table.num_rows:
        return load_dicts([])
    columns, rows = load_arrow_rows(table.schema, lambda: table.to_batches(BATCH), GIVEN)
    named = [f"the index `{name}` is left out; reset_index() makes it a column" for name in index if named_index(name)]
    notes = [*columns.notes, *named, *([f"some {HALVES}"] if halves else [])]
    return Loaded(FORMAT, columns.schema, rows, notes=notes), [table.column_names[place] for place in columns.places]


def arrow_table(given: Any) -> Any:
    """An object's Arrow table; one column alone, as of a series, is called as it is or `value`."""
    import pyarrow as pa

    try:
        return pa.table(given)
    except (pa.ArrowException, TypeError, ValueError):
        if hasattr(given, "columns") or not hasattr(given, "__arrow_c_stream__"):
            raise
        name = getattr(given, "name", None)
        return pa.table({name if isinstance(name, str) and name else VALUE: pa.chunked_array(given)})


def index_columns(schema: Any) -> list[str]:
    """The columns that hold an index of pandas."""
    told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    return [each for each in told.get("index_columns", []) if isinstance(each, str)]


def named_index(name: str) -> bool:
    return not (name.startswith("__index_level_") and name.endswith("__"))


# ---- columns and rows ----


def load_columns(given: Mapping[Any, Any]) -> tuple[Loaded, list[str]]:
    """A dict of columns of one length."""
    columns: dict[Any, list[Any]] = {}
    for name, held in given.items():
        if isinstance(held, str | bytes | Mapping) or not isinstance(held, Iterable):
            raise UserError(
                f"a dict as a table has columns, and {name!r} is {type_name(held)}",
                "give a list for each column, or a list of dicts" if not as_table(held) else f"give one: [{name!r}]",
            )
        columns[name] = held.tolist() if hasattr(held, "tolist") else list(held)
    lengths = {name: len(held) for name, held in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} has {count:,}" for name, count in list(lengths.items())[:5])
        raise UserError(f"the columns of a table are of one length: {told}")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return load_dicts(rows, tuple(columns))


def as_table(held: Any) -> bool:
    return as_arrow(held) is not None


def array_rows(given: Any) -> list[dict[str, Any]]:
    """The rows of a numpy array: of its named fields, or of its one dimension as `value`."""
    names = given.dtype.names
    if given.ndim != 1:
        raise UserError(
            f"an array of {given.ndim} dimensions is no table", "name its columns: {'a': array[:, 0], 'b': array[:, 1]}"
        )
    return [dict(zip(names, row, strict=True)) if names else {VALUE: row} for row in given.tolist()]


def row_of(row: Any, number: int) -> dict[Any, Any]:
    """A row as a dict of its fields."""
    if isinstance(row, dict):
        return row
    if isinstance(row, Mapping):
        return dict(row)
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    for way in ("model_dump", "_asdict"):
        if not isinstance(row, type) and callable(getattr(row, way, None)):
            made = getattr(row, way)()
            if isinstance(made, dict):
                return made
    if hasattr(row, "keys") and hasattr(row, "__getitem__"):
        return {key: row[key] for key in row.keys()}  # noqa: SIM118 - a row of sqlite3 is no mapping
    raise UserError(f"row {number} is {type_name(row)}, and a row has named fields", TAKEN)


def load_dicts(given: Sequence[dict[Any, Any]], known: Sequence[Any] = ()) -> tuple[Loaded, list[str]]:
    """Rows as dicts, typed as JSON objects are; moments as their ISO texts in UTC."""
    keys = dict.fromkeys([*known, *(key for row in given for key in row)])
    if (given and not keys) or not all(isinstance(key, str) for key in keys):
        raise UserError("a list of dicts needs names of columns, and each is text")
    names = list(dict.fromkeys(map(well_formed, keys))) or [VALUE]

    def read() -> Iterator[Part]:
        for begin in range(0, len(given), BATCH):
            taken = [checked_row(row, begin + n) for n, row in enumerate(given[begin : begin + BATCH], 1)]
            yield Part(
                list(range(begin + 1, begin + len(taken) + 1)),
                rows=[row.values for row in taken],
                halves=sum(row.halves for row in taken),
            )

    return load_values(FORMAT, SourceFile(0, GIVEN, 0, ""), read, names), names


def checked_row(row: dict[str, Any], number: int) -> PlainRow:
    """A row as JSON has it. Raises UserError with its number and field."""
    if too_deep(row):
        raise UserError(f"row {number} nests deeper than {DEEPEST} lists and dicts")
    try:
        return plain_row(row)
    except (TypeError, ValueError):
        pass
    for name, value in row.items():
        try:
            plain_value(value)
        except (TypeError, ValueError) as failure:
            raise UserError(
                f"row {number} of the table, column {name!r}: {failure}", "convert or leave out that column"
            ) from None
    raise UserError(f"row {number} of the table cannot be read")
