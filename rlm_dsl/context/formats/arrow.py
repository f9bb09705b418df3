"""Arrow files (IPC, Feather) as rows, in the file and in the stream form. A row's place is its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.read import read_one
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.arrow_rows import BATCH, placed_rows, schema_of

FILE, FEATHER_1 = b"ARROW1", b"FEA1"


def load_arrow(request: LoadRequest) -> Loaded:
    """One Arrow file. Raises UserError naming a column whose type the language has not."""
    given = request.given
    read = read_one(given, request.progress, "give one Arrow file")
    if read.content.startswith(FEATHER_1):
        raise UserError(f"{given} is Feather of version 1", "write it again: pyarrow.feather.write_feather")
    schema, noted = schema_of(arrow_schema(read.content, given), batches(read.content, given), given)
    return Loaded("arrow", schema, placed_rows(batches(read.content, given), schema, given), [read.source], noted)


def open_reader(content: bytes) -> Any:
    import pyarrow as pa

    buffer = pa.py_buffer(content)
    return pa.ipc.open_file(buffer) if content.startswith(FILE) else pa.ipc.open_stream(buffer)


def arrow_schema(content: bytes, given: str) -> Any:
    import pyarrow as pa

    try:
        found = open_reader(content).schema
        list(map(str, found))  # names that are no UTF-8 show themselves here
        return found
    except (pa.ArrowException, OSError, ValueError) as failure:
        raise UserError(f"{given} is no Arrow file: {str(failure).splitlines()[0]}") from None


def batches(content: bytes, given: str) -> Iterator[Any]:
    """The file's batches, each checked as a whole and cut to some rows."""
    import pyarrow as pa

    try:
        reader = open_reader(content)
        held = (
            (reader.get_batch(n) for n in range(reader.num_record_batches)) if hasattr(reader, "get_batch") else reader
        )
        for batch in held:
            batch.validate(full=True)
            for begin in range(0, batch.num_rows, BATCH):
                yield batch.slice(begin, BATCH)
    except (pa.ArrowException, OSError, ValueError) as failure:
        raise UserError(f"{given} is damaged: {str(failure).splitlines()[0]}") from None


FORMAT = Format(
    name="arrow",
    summary="the rows of an Arrow or Feather file",
    load=load_arrow,
    endings=(".arrow", ".feather", ".ipc"),
    options=("columns",),
)
