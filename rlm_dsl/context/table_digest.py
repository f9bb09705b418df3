"""The digest of a table's content, for a source that is no file.

In: names as given, a schema, batches of rows. Out: a sha256, and how many bytes it is of. Law: the same names, types
and cells give the same, whichever library holds them and however they are cut; any other name, type, cell or order
gives another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from rlm_dsl.common.hashing import identity
from rlm_dsl.language.types import DIGITS, Table


def canonical_digest(names: Sequence[str], schema: Table, batches: Sequence[Any]) -> tuple[str, int]:
    """sha256 of a table's canonical form, and how many bytes of cells that has.

    The form is the tagged identity of the number of rows and, column by column, its name as given, its type in the
    language and the digests of its cells. A column's cells are one byte each for whether they are there, and then, null
    cells as zeros: whole numbers, days and microseconds as 64 bits, decimals as 128 bits without their point, floats as
    theirs (every NaN the same), bools as a byte, all little-endian; texts as the 64-bit lengths of their UTF-8 and
    these bytes one after the other; lists as their lengths and the cells in them as a column; records as a column a
    field.
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
    if pa.types.is_decimal(kind):
        held = chunk.cast(pa.decimal128(DIGITS, kind.scale)).fill_null(0)
        return there, held.buffers()[1][16 * held.offset : 16 * (held.offset + len(held))].to_pybytes(), b""
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
