"""Parquet as rows, a part of a row group at a time. A row's place is its number; there is no byte range.

A file is read twice, first for its nulls: its own statistics may be missing or wrong.
"""

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


def survey_parquet(read: Read, options: ReadingOptions, declared: Table | None) -> Surveyed:
    """One Parquet file. Raises UserError for what is none."""
    given = read.source.path
    arrow = open_file(read.content, given).schema_arrow
    return survey_arrow_rows(
        *("parquet", arrow, lambda content: batches(open_file(content, given), given), read.content, given),
        options.skip_last,
    )


def open_file(content: bytes, given: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        list(map(str, file.schema_arrow))  # names that are no UTF-8 show themselves here
        return file
    except (pa.ArrowException, OSError, ValueError) as failure:
        raise UserError(f"{given} is no Parquet file: {str(failure).splitlines()[0]}", seems(content, given)) from None


def batches(file: Any, given: str) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from file.iter_batches(BATCH)
    except (pa.ArrowException, OSError, ValueError) as failure:
        raise UserError(f"{given} is damaged: {str(failure).splitlines()[0]}") from None


FORMAT = table_format(
    "parquet", "the rows of a Parquet file", survey_parquet, (".parquet",), options=("skip_last", "totals", "columns")
)
