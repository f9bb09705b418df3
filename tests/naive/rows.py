"""Tables as lists of rows, each of which knows where it came from.

In: nothing. Out: immutable tables. Law: the order of `rows` is the table's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.naive.values import Kind, Value, key

SOURCE_BITS, CONTEXT_BITS = 36, 56
"""Above these bits a context row's id holds its source and its context."""

Place = tuple[int, int, int]
"""A context row's id and a byte range in its source."""


@dataclass(frozen=True)
class Row:
    """Values in the order of the table's columns; the places it came from; what its source holds from which byte on;
    its id, while it stands where its context has it."""

    values: tuple[Any, ...]
    origin: tuple[Place, ...]
    held: tuple[int, bytes] | None = None
    number: int | None = None

    @property
    def standing(self) -> bytes | None:
        """What stands in the source at the row's place."""
        if self.held is None:
            return None
        ((_, lo, hi),), (start, content) = self.origin, self.held
        return content[lo - start : hi - start]

    def moved(self) -> Row:
        return replace(self, number=None)


@dataclass(frozen=True)
class Table:
    """`united` says that rows unite several; `own` is the column that holds what stands at the rows' places."""

    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[Row, ...]
    united: bool = False
    own: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    def kind(self, column: str) -> Kind:
        return dict(self.columns)[column]

    def named(self, row: Row) -> dict[str, Value]:
        return {name: Value(kind, value) for (name, kind), value in zip(self.columns, row.values, strict=True)}

    def of_nulls(self) -> dict[str, Value]:
        return {name: Value(kind, None) for name, kind in self.columns}

    def keeping(self, rows: Iterable[Row]) -> Table:
        return replace(self, rows=tuple(rows))

    def with_columns(self, more: Sequence[tuple[str, Kind]], values: Iterable[tuple[Any, ...]]) -> Table:
        """More columns, one tuple of new values a row."""
        widened = tuple(replace(row, values=(*row.values, *new)) for row, new in zip(self.rows, values, strict=True))
        return replace(self, columns=(*self.columns, *more), rows=widened)

    def source(self, row: Row) -> int:
        """Rows that unite several are of no source, and so all of one."""
        return -1 if self.united else row.origin[0][0] >> SOURCE_BITS


def grouped(rows: Iterable[Row], by: Callable[[Row], Sequence[Any]]) -> dict[Any, list[Row]]:
    """Rows by key, keys in order of first appearance."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(key(value) for value in by(row)), []).append(row)
    return groups
