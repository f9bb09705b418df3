"""The rows of a shard in a file of Arrow's, which is mapped where the engine reads it as it does rows in memory.

In: batches of rows as loaders give them, one at least. Out: the file, and its rows without copying any. Law: memory is
bounded by a batch; a file that is not whole is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def write_rows(path: Path, batches: Iterable[pa.Table]) -> int:
    """A file with the rows of the batches, in their order; gives how many. Raises what the batches raise.

    A file of the engine's takes longer to write, and serves rows that are asked for years.
    """
    import pyarrow as pa

    count = 0
    rest = iter(batches)
    first = plain(next(rest))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, first.schema) as writer:
        for rows in chain([first], map(plain, rest)):
            writer.write_table(rows if rows.schema == first.schema else rows.cast(first.schema))
            count += rows.num_rows
    return count


def plain(rows: pa.Table) -> pa.Table:
    """Rows whose texts lie one after the other, and not somewhere in the block that they were read from."""
    import pyarrow as pa

    for at, column in enumerate(rows.schema):
        if pa.types.is_string_view(column.type):
            rows = rows.set_column(at, column.name, rows.column(at).cast(pa.large_string()))
    return rows


def read_rows(path: Path) -> pa.Table:
    """The rows of a file, mapped. Raises ArrowException or OSError for what is no such file."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
        rows = reader.read_all()
    rows.validate()
    return rows
