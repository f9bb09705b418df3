"""Parquet as rows, a part of a row group at a time. A row's place is its number; there is no byte range.

A file is read twice, first for its nulls: its own statistics may be missing or wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.read import read_one
from rlm_dsl.context.format import Format, LoadRequest
from rlm_dsl.context.rows.arrow_rows import BATCH, placed_rows, schema_of


def load_parquet(request: LoadRequest) -> Loaded:
    """One Parquet file. Raises UserError naming a column whose type the language has not."""
    given = request.given
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = read_one(given, request.progress, "give one Parquet file")
    try:
        file = pq.ParquetFile(pa.BufferReader(read.content))
        list(map(str, file.schema_arrow))  # names that are no UTF-8 show themselves here
    except (pa.ArrowException, OSError, ValueError) as failure:
        raise UserError(f"{given} is no Parquet file: {str(failure).splitlines()[0]}") from None
    schema, noted = schema_of(file.schema_arrow, batches(file, given), given)
    return Loaded("parquet", schema, placed_rows(batches(file, given), schema, given), [read.source], noted)


def batches(file: Any, given: str) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from file.iter_batches(BATCH)
    except (pa.ArrowException, OSError, ValueError) as failure:
        raise UserError(f"{given} is damaged: {str(failure).splitlines()[0]}") from None


FORMAT = Format(
    name="parquet", summary="the rows of a Parquet file", load=load_parquet, endings=(".parquet",), options=("columns",)
)
