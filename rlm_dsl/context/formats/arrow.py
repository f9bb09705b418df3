"""Arrow files (IPC, Feather) as rows, in the file and in the stream form. A row's place is its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.files.recognised import seems
from rlm_dsl.context.format import table_format
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.arrow_rows import BATCH, survey_arrow_rows
from rlm_dsl.context.rows.file_tables import Surveyed
from rlm_dsl.language.types import Table

FILE, FEATHER_1 = b"ARROW1", b"FEA1"


def survey_arrow(read: Read, options: ReadingOptions, declared: Table | None) -> Surveyed:
    """One Arrow file. Raises UserError for what is none."""
    given = read.source.path
    if read.content.startswith(FEATHER_1):
        raise UserError(f"{given} is Feather of version 1", "write it again: pyarrow.feather.write_feather")
    arrow = arrow_schema(read.content, given)
    return survey_arrow_rows(
        "arrow", arrow, lambda content: batches(content, given), read.content, given, options.skip_last
    )


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
        raise UserError(f"{given} is no Arrow file: {str(failure).splitlines()[0]}", seems(content, given)) from None


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


FORMAT = table_format(
    "arrow",
    "the rows of an Arrow or Feather file",
    survey_arrow,
    (".arrow", ".feather", ".ipc"),
    options=("skip_last", "totals", "columns"),
)
