"""Parquet as rows. A row's place is its number; there is no byte range."""

from __future__ import annotations

import io
from typing import Any

from rlm_dsl.context.arrow import arrow_type, language_type
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.inference import free_names
from rlm_dsl.context.reading import Progress, find, read_all
from rlm_dsl.diagnostics import UserError
from rlm_dsl.types import Field, Table, null_if


def load_parquet(given: str, progress: Progress | None) -> Loaded:
    """One Parquet file. Raises UserError naming a column whose type the language has not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = find(given)
    if len(found) != 1:
        raise UserError(f"{given} is not one file", "give one Parquet file")
    read = next(read_all(found, progress))
    try:
        table = pq.read_table(io.BytesIO(read.content))
    except (pa.ArrowInvalid, OSError) as failure:
        raise UserError(f"{given} is no Parquet file: {str(failure).splitlines()[0]}") from None
    names, noted = free_names(table.column_names)
    count = table.num_rows
    columns: dict[str, Any] = {
        "#source": pa.array([0] * count, pa.int32()),
        "#line": pa.array(range(1, count + 1), pa.int64()),
        "#lo": pa.nulls(count, pa.int64()),
        "#hi": pa.nulls(count, pa.int64()),
    }
    fields = []
    for column, arrow in zip(names, table.columns, strict=True):
        field, values = converted(column, arrow, given)
        fields.append(field)
        columns[column] = values
    return Loaded("parquet", Table(tuple(fields)), [pa.table(columns)], [read.source], noted)


def converted(column: str, values: Any, given: str) -> tuple[Field, Any]:
    """A column in the language's type; zoned timestamps become UTC."""
    import pyarrow as pa

    type_ = language_type(values.type)
    if type_ is None:
        raise UserError(
            f"{given}: column `{column}` is {values.type}, which the language has no type for",
            "convert or leave out that column",
        )
    try:
        return Field(column, null_if(values.null_count > 0, type_)), values.cast(arrow_type(type_))
    except pa.ArrowInvalid as failure:
        raise UserError(f"{given}: column `{column}` does not fit {type_}: {failure}") from None
