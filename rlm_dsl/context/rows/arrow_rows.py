"""Rows that come as Arrow: each column in the language's type.

In: Arrow record batches. Out: batches of rows, places by number alone. Law: a value is what it was, in the type that
holds it: zoned timestamps become UTC; a column with nulls is nullable, whatever its file says; what the language has no
type for, or does not fit its type, is refused, with the column named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.arrow_types import arrow_type, language_type
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.language.types import NULL, TEXT, Field, Table, Type, null_if, nullable

BATCH = 50_000
"""Rows of a batch, or about so many."""


def schema_of(arrow: Any, batches: Iterable[Any], given: str) -> tuple[Table, list[str]]:
    """The language's schema for Arrow's, nullable where a batch holds a null, and notes on names.

    Raises UserError naming a column that has no type.
    """
    names, notes = free_names(arrow.names)
    types = [type_of(field.type, name, given) for name, field in zip(names, arrow, strict=True)]
    if not types:
        raise UserError(f"{given} has no columns")
    nulls = [False] * len(types)
    for batch in batches:
        nulls = [null or column.null_count > 0 for null, column in zip(nulls, batch.columns, strict=True)]
    fields = [Field(name, null_if(null, type_)) for name, type_, null in zip(names, types, nulls, strict=True)]
    return Table(tuple(fields)), notes


def type_of(arrow: Any, column: str, given: str) -> Type:
    found = language_type(arrow)
    if found is None:
        raise UserError(
            f"{given}: column `{column}` is {arrow}, which the language has no type for",
            "convert or leave out that column",
        )
    return nullable(TEXT) if found == NULL else found


def placed_rows(batches: Iterable[Any], schema: Table, given: str) -> Iterator[Any]:
    """Arrow's batches as rows in the schema's types; one batch at least."""
    passed = 0
    for held in batches:
        rows = batch(held, schema, given, passed)
        passed += rows.num_rows
        yield rows
    if not passed:
        yield empty(schema)


def batch(held: Any, schema: Table, given: str, passed: int) -> Any:
    import numpy as np
    import pyarrow as pa

    count = held.num_rows
    made: dict[str, Any] = {
        "#source": np.zeros(count, np.int32),
        "#line": np.arange(passed + 1, passed + count + 1),
        "#lo": pa.nulls(count, pa.int64()),
        "#hi": pa.nulls(count, pa.int64()),
    }
    for column, values in zip(schema.columns, held.columns, strict=True):
        made[column.name] = cast_column(column, values, given)
    return pa.table(made)


def empty(schema: Table) -> Any:
    import pyarrow as pa

    places = {"#source": pa.int32(), "#line": pa.int64(), "#lo": pa.int64(), "#hi": pa.int64()}
    return pa.schema({**places, **{c.name: arrow_type(c.type) for c in schema.columns}}).empty_table()


def cast_column(column: Field, values: Any, given: str) -> Any:
    """A column's values in its type. Raises UserError where one does not fit."""
    import pyarrow as pa

    try:
        values.validate(full=True)
        return without_dictionary(values).cast(arrow_type(column.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as failure:
        told = str(failure).splitlines()[0]
        raise UserError(f"{given}: column `{column.name}` does not fit {column.type}: {told}") from None


def without_dictionary(values: Any) -> Any:
    """Values without a dictionary, which not every cast knows."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
