"""Tables that Python holds as contexts: of pandas, polars, Arrow, or a list of dicts.

In: an object with `__arrow_c_stream__` or `__arrow_c_array__`, or dicts. Out: rows with one source, which is no file.
Law: the source's sha256 is of the content alone (see `table_digest`); an index is no content.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.well_formed import well_formed, without_halves
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.rows.arrow_rows import BATCH, placed_rows, schema_of
from rlm_dsl.context.rows.file_tables import VALUE
from rlm_dsl.context.rows.value_rows import DEEPEST, HALVES, Part, load_values, too_deep
from rlm_dsl.context.table_digest import canonical_digest

FORMAT = "table"
"""The format of such a context; no loader has it, as there is nothing to load it from."""
GIVEN = "a table in Python"


def is_table(given: Any) -> bool:
    """Whether something is a table that Python holds."""
    return isinstance(given, list) or any(hasattr(given, f"__arrow_c_{kind}__") for kind in ("stream", "array"))


def load_table(given: Any) -> Loaded:
    """A table's rows. Raises UserError naming a column whose type the language has not."""
    if isinstance(given, list):
        loaded, names = load_dicts(given)
    else:
        loaded, names = load_arrow_table(given)
    batches = list(loaded.batches)
    loaded.batches = batches
    sha256, size = canonical_digest(names, loaded.schema, batches)
    loaded.sources = [SourceFile(0, GIVEN, size, sha256, GIVEN)]
    return loaded


def load_arrow_table(given: Any) -> tuple[Loaded, list[str]]:
    import pyarrow as pa

    halves = False
    try:
        table = pa.table(given)
    except UnicodeEncodeError:
        table, halves = pa.table(given.rename(columns=without_halves).map(without_halves)), True
    except (pa.ArrowException, TypeError, ValueError) as failure:
        raise UserError(f"the table cannot be read: {str(failure).splitlines()[0]}") from None
    index = index_columns(table.schema)
    table = table.select([n for n, name in enumerate(table.column_names) if name not in index])
    if not table.num_columns and not table.num_rows:
        return load_dicts([])
    schema, notes = schema_of(table.schema, table.to_batches(BATCH), GIVEN)
    named = [f"the index `{name}` is left out; reset_index() makes it a column" for name in index if named_index(name)]
    batches = placed_rows(table.to_batches(BATCH), schema, GIVEN)
    return Loaded(FORMAT, schema, batches, notes=[*notes, *named, *([f"some {HALVES}"] if halves else [])]), list(
        table.column_names
    )


def index_columns(schema: Any) -> list[str]:
    """The columns that hold an index of pandas."""
    told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    return [each for each in told.get("index_columns", []) if isinstance(each, str)]


def named_index(name: str) -> bool:
    return not (name.startswith("__index_level_") and name.endswith("__"))


def load_dicts(given: Sequence[Any]) -> tuple[Loaded, list[str]]:
    """A list of dicts, typed as JSON objects are; days and moments as their ISO texts."""
    if not all(isinstance(row, dict) for row in given):
        raise UserError("a table in Python is a list of dicts, or a table of pandas, polars or Arrow")
    keys = dict.fromkeys(key for row in given for key in row)
    if (given and not keys) or not all(isinstance(key, str) for key in keys):
        raise UserError("a list of dicts needs names of columns, and each is text")
    names = list(dict.fromkeys(map(well_formed, keys))) or [VALUE]

    def read() -> Iterator[Part]:
        for begin in range(0, len(given), BATCH):
            taken = [plain_row(row, begin + n) for n, row in enumerate(given[begin : begin + BATCH], 1)]
            yield Part(
                list(range(begin + 1, begin + len(taken) + 1)),
                rows=[row for row, _ in taken],
                halves=sum(halves for _, halves in taken),
            )

    return load_values(FORMAT, SourceFile(0, GIVEN, 0, ""), read, names), names


def plain_row(row: dict[str, Any], number: int) -> tuple[dict[str, Any], bool]:
    """A row as JSON has it, and whether it held half of a surrogate pair."""
    if too_deep(row):
        raise UserError(f"row {number} nests deeper than {DEEPEST} lists and dicts")
    try:
        return plain_value(row), False
    except UnicodeEncodeError:
        return plain_row(without_halves(row), number)[0], True
    except (TypeError, ValueError) as failure:
        raise UserError(f"row {number} of the table: {failure}", "convert or leave out that column") from None


def plain_value(value: Any) -> Any:
    """A value as JSON has it. Raises TypeError or ValueError for one that is none."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            value.encode("utf-8")
            return value
        case datetime.date():
            return value.isoformat()
        case list() | tuple():
            return [plain_value(item) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {plain_value(key): plain_value(item) for key, item in value.items()}
        case _:
            raise TypeError(f"the language has no type for {type(value).__name__}")
