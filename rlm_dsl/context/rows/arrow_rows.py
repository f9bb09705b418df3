"""Rows that come as Arrow: each column in the language's type.

In: Arrow record batches. Out: batches of rows, places by number alone. Law: a value is what it was, in the type that
holds it: zoned timestamps become UTC; a column with nulls is nullable, whatever its file says; what the language has no
type for, or does not fit its type, is refused, with the column named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.arrow_types import arrow_type, language_type
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.value_types import common_type
from rlm_dsl.context.rows.file_tables import no_rows
from rlm_dsl.language.types import NULL, TEXT, Field, Table, Type, bare, null_if, nullable

BATCH = 50_000
"""Rows of a batch, or about so many."""


@dataclass(frozen=True, slots=True)
class SeenArrow:
    """What a column of Arrow's is, and whether it holds nulls."""

    found: Type
    nulls: bool = False

    @property
    def type(self) -> Type:
        return nullable(TEXT) if self.found == NULL else null_if(self.nulls, self.found)

    def together(self, other: SeenArrow) -> SeenArrow:
        """What is known of both; a column that is nothing but nulls is of the other's type."""
        nulls = self.nulls or other.nulls
        if NULL in (self.found, other.found):
            return SeenArrow(other.found if self.found == NULL else self.found, True)
        return SeenArrow(bare(common_type(self.found, other.found)), nulls)

    def keeps(self, type_: Type) -> bool:
        """Whether this type holds what gave it and these values together."""
        return self.found == NULL or bare(common_type(type_, self.found)) == type_


def schema_of(arrow: Any, batches: Iterable[Any], given: str) -> tuple[Table, list[str]]:
    """The language's schema for Arrow's, nullable where a batch holds a null, and notes on names.

    Raises UserError naming a column that has no type.
    """
    columns, notes = seen_of(arrow, batches, given)
    return Table(tuple(Field(name, seen.type) for name, seen in columns.items())), notes


def seen_of(arrow: Any, batches: Iterable[Any], given: str) -> tuple[dict[str, SeenArrow], list[str]]:
    """What each column of Arrow's is, and notes on names. Raises UserError naming a column that has no type."""
    names, notes = free_names(arrow.names)
    types = [type_of(field.type, name, given) for name, field in zip(names, arrow, strict=True)]
    if not types:
        raise UserError(f"{given} has no columns")
    nulls = [False] * len(types)
    for batch in batches:
        nulls = [null or column.null_count > 0 for null, column in zip(nulls, batch.columns, strict=True)]
    return {name: SeenArrow(type_, null) for name, type_, null in zip(names, types, nulls, strict=True)}, notes


def type_of(arrow: Any, column: str, given: str) -> Type:
    found = language_type(arrow)
    if found is None:
        raise UserError(
            f"{given}: column `{column}` is {arrow}, which the language has no type for",
            "convert or leave out that column",
        )
    return found


def placed_rows(batches: Iterable[Any], schema: Table, given: str) -> Iterator[Any]:
    """Arrow's batches as rows in the schema's types; one batch at least."""
    passed = 0
    for held in batches:
        rows = batch(held, schema, given, passed)
        passed += rows.num_rows
        yield rows
    if not passed:
        yield no_rows(schema)


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


def cast_column(column: Field, values: Any, given: str) -> Any:
    """A column's values in its type. Raises UserError where one does not fit."""
    import pyarrow as pa

    try:
        values.validate(full=True)
        if bare(column.type) == TEXT and pa.types.is_nested(values.type):
            return pa.array([as_json(value) for value in values.to_pylist()], pa.large_string())
        return without_dictionary(values).cast(arrow_type(column.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as failure:
        told = str(failure).splitlines()[0]
        raise UserError(f"{given}: column `{column.name}` does not fit {column.type}: {told}") from None


def as_json(value: Any) -> str | None:
    """What stands in a column of text for a list or record."""
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def without_dictionary(values: Any) -> Any:
    """Values without a dictionary, which not every cast knows."""
    import pyarrow as pa

    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
