"""Values as rows, in batches: what JSON Lines, JSON lists, SQLite and dicts share.

In: a reading of the values that can be begun again, and the columns known before it. Out: columns typed over all rows.
Law: the values are gone through twice, first for names and types, then for rows, and only a part is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.formats.json.values import Part
from rlm_dsl.context.inference import free_names
from rlm_dsl.context.value_types import SeenValues, column_of, seen_values
from rlm_dsl.language.types import NULL, Field, Table

Reading = Callable[[], Iterator[Part]]


def values_loaded(form: str, source: SourceFile, read: Reading, columns: Sequence[str] = ()) -> Loaded:
    """The rows of a reading; `columns` are there even if no row has them. A schema without columns is the caller's to
    refuse."""
    keys, blank, halves = surveyed(read, columns)
    names, noted = free_names(list(keys))
    told = ((blank, "blank lines were passed over"), (halves, "lines hold half of a surrogate pair (shown as U+FFFD)"))
    notes = [*noted, *(f"{count:,} {what}" for count, what in told if count)]
    schema = Table(tuple(Field(name, seen.type) for name, seen in zip(names, keys.values(), strict=True)))
    return Loaded(form, schema, (batch(part, schema, list(keys)) for part in read()), [source], notes)


def surveyed(read: Reading, columns: Sequence[str]) -> tuple[dict[str, SeenValues], int, int]:
    """Every key with what its values are, in the order they first stand in; blank lines; rows with half a pair."""
    keys: dict[str, SeenValues] = dict.fromkeys(columns, SeenValues())
    passed, blank, halves = 0, 0, 0
    for part in read():
        for key in dict.fromkeys(key for row in part.rows for key in row):
            keys.setdefault(key, SeenValues(NULL if passed else None))
        if part.rows:
            keys = {key: seen_values(seen, [row.get(key) for row in part.rows]) for key, seen in keys.items()}
        passed, blank, halves = passed + len(part.rows), blank + part.blank, halves + part.halves
    return keys, blank, halves


def batch(part: Part, schema: Table, keys: list[str]) -> Any:
    import numpy as np
    import pyarrow as pa

    placed = len(part.starts) == len(part.rows)
    made: dict[str, Any] = {
        "#source": np.zeros(len(part.rows), np.int32),
        "#line": np.array(part.lines, np.int64),
        "#lo": np.array(part.starts, np.int64) if placed else pa.nulls(len(part.rows), pa.int64()),
        "#hi": np.array(part.ends, np.int64) if placed else pa.nulls(len(part.rows), pa.int64()),
    }
    for key, column in zip(keys, schema.columns, strict=True):
        made[column.name] = column_of([row.get(key) for row in part.rows], column.type)
    return pa.table(made)
