"""The digest of a table's content, for a source that is no file.

In: names as given, a schema, batches of rows. Out: a sha256, and how many bytes it is of. Law: the same names, types
and cells give the same, whichever library holds them and however they are cut; any other name, type, cell or order
gives another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from rlm_dsl.common.hashing import identity
from rlm_dsl.language.types import DIGITS, Table


def canonical_digest(names: Sequence[str], schema: Table, batches: Iterable[Any]) -> tuple[str, int]:
    """sha256 of a table's canonical form, and how many bytes of cells that has."""
    digest = TableDigest(names, schema)
    for batch in batches:
        digest.add(batch)
    return digest.done()


class TableDigest:
    """The digest of a table whose batches come one after the other; owns what is known of those that came.

    The form is the tagged identity of the number of rows and, column by column, its name as given, its type in the
    language and the digests of its cells. A column's cells are one byte each for whether they are there, and then, null
    cells as zeros: whole numbers, days and microseconds as 64 bits, decimals as 128 bits without their point, floats as
    theirs (every NaN the same), bools as a byte, all little-endian; texts as the 64-bit lengths of their UTF-8 and
    these bytes one after the other; lists as their lengths and the cells in them as a column; records as a column a
    field.
    """

    def __init__(self, names: Sequence[str], schema: Table) -> None:
        self.names, self.columns = names, schema.columns
        self.cells = [CellsDigest() for _ in schema.columns]
        self.rows = 0

    def add(self, batch: Any) -> None:
        self.rows += batch.num_rows
        for column, cells in zip(self.columns, self.cells, strict=True):
            for chunk in batch[column.name].chunks:
                cells.add(chunk)

    def done(self) -> tuple[str, int]:
        """The digest, and how many bytes it is of."""
        columns = zip(self.names, self.columns, self.cells, strict=True)
        made = [[name, str(column.type), cells.form] for name, column, cells in columns]
        return identity("table-v1", [self.rows, made]), sum(cells.size for cells in self.cells)


class CellsDigest:
    """The digests of a column's cells, however it is cut, and of what is in them; owns what is known so far."""

    def __init__(self) -> None:
        self.parts = (hashlib.sha256(), hashlib.sha256(), hashlib.sha256())
        self.own = 0
        self.inner: list[CellsDigest] = []

    def add(self, chunk: Any) -> None:
        import pyarrow as pa

        for digest, content in zip(self.parts, cells_bytes(chunk), strict=True):
            digest.update(content)
            self.own += len(content)
        nested = pa.types.is_list(chunk.type) or pa.types.is_struct(chunk.type)
        held = chunk.flatten() if nested else []
        inner = held if pa.types.is_struct(chunk.type) else [held] if nested else []
        self.inner = self.inner or [CellsDigest() for _ in inner]
        for cells, part in zip(self.inner, inner, strict=True):
            cells.add(part)

    @property
    def form(self) -> list[Any]:
        return [*(digest.hexdigest() for digest in self.parts), [cells.form for cells in self.inner]]

    @property
    def size(self) -> int:
        return self.own + sum(cells.size for cells in self.inner)


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
