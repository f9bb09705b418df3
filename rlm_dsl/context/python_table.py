"""Tables that Python holds as contexts: of pandas, polars, Arrow, or a list of dicts.

In: an object with `__arrow_c_stream__` or `__arrow_c_array__`, or dicts. Out: rows with one source, which is no file.
Law: the source's sha256 is of the content alone (see `canonical_digest`): the same names, types and cells give the
same, whichever library holds them and however; any other name, type, cell or order gives another. An index is no
content.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.rows.arrow_rows import BATCH, placed_rows, schema_of
from rlm_dsl.context.rows.value_rows import DEEPEST, Part, load_values, too_deep
from rlm_dsl.language.types import Table

FORMAT = "table"
"""The format of such a context; no loader has it, as there is nothing to load it from."""
GIVEN = "a table in Python"


def is_table(given: Any) -> bool:
    """Whether something is a table that Python holds."""
    return isinstance(given, list) or any(hasattr(given, f"__arrow_c_{kind}__") for kind in ("stream", "array"))


def table_loaded(given: Any) -> Loaded:
    """A table's rows. Raises UserError naming a column whose type the language has not."""
    if isinstance(given, list):
        loaded, names = dicts_loaded(given)
    else:
        loaded, names = arrow_loaded(given)
    batches = list(loaded.batches)
    loaded.batches = batches
    sha256, size = canonical_digest(names, loaded.schema, batches)
    loaded.sources = [SourceFile(0, GIVEN, size, sha256, GIVEN)]
    return loaded


def arrow_loaded(given: Any) -> tuple[Loaded, list[str]]:
    import pyarrow as pa

    try:
        table = pa.table(given)
    except (pa.ArrowException, TypeError, ValueError) as failure:
        raise UserError(f"the table cannot be read: {str(failure).splitlines()[0]}") from None
    index = index_columns(table.schema)
    table = table.select([n for n, name in enumerate(table.column_names) if name not in index])
    schema, notes = schema_of(table.schema, table.to_batches(BATCH), GIVEN)
    named = [f"the index `{name}` is left out; reset_index() makes it a column" for name in index if named_index(name)]
    batches = placed_rows(table.to_batches(BATCH), schema, GIVEN)
    return Loaded(FORMAT, schema, batches, notes=[*notes, *named]), list(table.column_names)


def index_columns(schema: Any) -> list[str]:
    """The columns that hold an index of pandas."""
    told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    return [each for each in told.get("index_columns", []) if isinstance(each, str)]


def named_index(name: str) -> bool:
    return not (name.startswith("__index_level_") and name.endswith("__"))


def dicts_loaded(given: Sequence[Any]) -> tuple[Loaded, list[str]]:
    """A list of dicts, typed as JSON objects are; days and moments as their ISO texts."""
    if not all(isinstance(row, dict) for row in given):
        raise UserError("a table in Python is a list of dicts, or a table of pandas, polars or Arrow")
    names = list(dict.fromkeys(key for row in given for key in row))
    if not names or not all(isinstance(name, str) for name in names):
        raise UserError("a list of dicts needs names of columns, and each is text")

    def read() -> Iterator[Part]:
        for begin in range(0, len(given), BATCH):
            rows = given[begin : begin + BATCH]
            yield Part(
                list(range(begin + 1, begin + len(rows) + 1)),
                rows=[plain_row(row, begin + n) for n, row in enumerate(rows, 1)],
            )

    return load_values(FORMAT, SourceFile(0, GIVEN, 0, ""), read, names), names


def plain_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    if too_deep(row):
        raise UserError(f"row {number} nests deeper than {DEEPEST} lists and dicts")
    try:
        return {key: plain_value(value) for key, value in row.items()}
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
            return {key: plain_value(item) for key, item in value.items()}
        case _:
            raise TypeError(f"the language has no type for {type(value).__name__}")


def canonical_digest(names: Sequence[str], schema: Table, batches: Sequence[Any]) -> tuple[str, int]:
    """sha256 of a table's canonical form, and how many bytes of cells that has.

    The form is the tagged identity of the number of rows and, column by column, its name as given, its type in the
    language and the digests of its cells. A column's cells are one byte each for whether they are there, and then, null
    cells as zeros: whole numbers, days and microseconds as 64 bits, floats as theirs (every NaN the same), bools as a
    byte, all little-endian; texts as the 64-bit lengths of their UTF-8 and these bytes one after the other; lists as
    their lengths and the cells in them as a column; records as a column a field.
    """
    made, size = [], 0
    for name, column in zip(names, schema.columns, strict=True):
        form, taken = cells_form([chunk for batch in batches for chunk in batch[column.name].chunks])
        made.append([name, str(column.type), form])
        size += taken
    return identity("table-v1", [sum(batch.num_rows for batch in batches), made]), size


def cells_form(chunks: Sequence[Any]) -> tuple[list[Any], int]:
    """The digests of a column's cells, however it is cut, and how many bytes they digest."""
    import pyarrow as pa

    valid, first, second = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    size = 0
    for chunk in chunks:
        there, one, two = cells_bytes(chunk)
        for digest, content in ((valid, there), (first, one), (second, two)):
            digest.update(content)
            size += len(content)
    inner: list[list[Any]] = []
    kind = chunks[0].type if chunks else pa.null()
    if pa.types.is_list(kind):
        inner = [[chunk.flatten() for chunk in chunks]]
    elif pa.types.is_struct(kind):
        inner = [list(parts) for parts in zip(*(chunk.flatten() for chunk in chunks), strict=True)]
    forms = [cells_form(parts) for parts in inner]
    digests = [valid.hexdigest(), first.hexdigest(), second.hexdigest()]
    return [*digests, [form for form, _ in forms]], size + sum(taken for _, taken in forms)


def cells_bytes(chunk: Any) -> tuple[bytes, bytes, bytes]:
    """Which cells are there; their values or lengths; the bytes of texts."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    there = as_array(chunk.is_valid(), np.uint8).tobytes()
    kind = chunk.type
    if pa.types.is_struct(kind):
        return there, b"", b""
    if pa.types.is_list(kind):
        return there, as_array(pc.list_value_length(chunk).fill_null(0), np.int64).tobytes(), b""
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        texts = chunk.cast(pa.large_binary()).fill_null(b"")
        return there, as_array(pc.binary_length(texts), np.int64).tobytes(), content_of(texts)
    if pa.types.is_floating(kind):
        values = as_array(chunk.fill_null(0.0), np.float64)
        return there, np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes(), b""
    if pa.types.is_boolean(kind):
        return there, as_array(chunk.fill_null(False), np.uint8).tobytes(), b""
    whole = chunk.cast(pa.int32()) if pa.types.is_date32(kind) else chunk
    return there, as_array(whole.cast(pa.int64()).fill_null(0), np.int64).tobytes(), b""


def as_array(values: Any, kind: Any) -> Any:
    return values.to_numpy(zero_copy_only=False).astype(kind).astype(f"<{kind().dtype.str[1:]}")


def content_of(texts: Any) -> bytes:
    """The bytes of large binary values, one after the other."""
    import numpy as np

    _, offsets, data = texts.buffers()
    if data is None:
        return b""
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    content: bytes = data[int(places[0]) : int(places[-1])].to_pybytes()
    return content
