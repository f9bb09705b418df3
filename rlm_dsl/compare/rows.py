"""The rows of two tables beside each other: the same, changed, added, removed.

In: two tables as columns, which of their columns a model answered. Out: counts, and the rows that differ.
Law: every row of each side is counted once; rows in another order are the same; a table beside itself does not differ.

Rows match, in turn, where all columns are equal; where all but what a model answered are; and by the first column whose
values are different in every row of either side, such as an id, or a group's label.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.language.operators.core.relation import FROM

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """A table by columns of values that can be compared; `names` in their order. `united` says that its rows come from
    several rows each, as those of groups do."""

    names: tuple[str, ...]
    values: Mapping[str, Sequence[Any]]
    count: int
    united: bool = False

    def rows(self, names: Sequence[str]) -> list[Row]:
        return list(zip(*(self.values[name] for name in names), strict=True)) if names else [()] * self.count


@dataclass(frozen=True, slots=True)
class Changed:
    """A row on both sides that is not the same, as its place in each. `exact` says that more than what a model answered
    differs: its own text."""

    before: int
    after: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Two tables beside each other: places of rows, by the columns that both have."""

    names: tuple[str, ...]
    same: int
    changed: tuple[Changed, ...]
    removed: tuple[int, ...]
    added: tuple[int, ...]

    @property
    def differ(self) -> bool:
        return bool(self.changed or self.removed or self.added)


def compare_rows(a: Columns, b: Columns, answered: frozenset[str] = frozenset()) -> Rows:
    """The rows of two tables in pairs."""
    names = tuple(name for name in a.names if name in b.values)
    exact = tuple(name for name in names if name not in answered)
    rows_a, rows_b = a.rows(names), b.rows(names)
    same, left_a, left_b = pair_equal(rows_a, rows_b, range(a.count), range(b.count))
    changed: list[Changed] = []
    if exact and len(exact) < len(names):
        pairs, left_a, left_b = pair_equal(a.rows(exact), b.rows(exact), left_a, left_b)
        changed += (Changed(before, after, False) for before, after in pairs)
    if left_a and left_b and (key := identifying_column(a, b, [*exact, *sorted(answered & {*names})])) is not None:
        pairs, left_a, left_b = pair_equal(a.values[key], b.values[key], left_a, left_b)
        changed += (Changed(before, after, True) for before, after in pairs)
    return Rows(names, len(same), tuple(sorted(changed, key=lambda c: c.after)), tuple(left_a), tuple(left_b))


def pair_equal(
    a: Sequence[Any], b: Sequence[Any], of_a: Sequence[int], of_b: Sequence[int]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs of places with equal values, each place in one pair at most, the first with the first; and what is left."""
    there: dict[Any, list[int]] = defaultdict(list)
    for place in reversed(of_b):
        there[b[place]].append(place)
    pairs, left = [], []
    for place in of_a:
        found = there.get(a[place])
        if found:
            pairs.append((place, found.pop()))
        else:
            left.append(place)
    return pairs, left, sorted(place for places in there.values() for place in places)


def identifying_column(a: Columns, b: Columns, exact: Sequence[str]) -> str | None:
    """The first column that tells rows apart on both sides."""
    return next((name for name in exact if is_unique(a.values[name]) and is_unique(b.values[name])), None)


def is_unique(values: Sequence[Any]) -> bool:
    return None not in values and len(set(values)) == len(values)


def columns_of_table(table: Any, names: Sequence[str]) -> Columns:
    """An Arrow table's columns; lists and records as their JSON, so that they can be compared."""
    import pyarrow as pa

    found = {}
    for name in names:
        column = table.column(name)
        values = column.to_pylist()
        found[name] = [*map(text_of, values)] if pa.types.is_nested(column.type) else values
    return Columns(tuple(names), found, table.num_rows, FROM in table.column_names)


def columns_of_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    """Rows of JSON by columns."""
    return Columns(
        tuple(names),
        {name: [text_of(row[place]) for row in rows] for place, name in enumerate(names)},
        len(rows),
    )


def text_of(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value


def changed_cells(rows: Rows, a: Columns, b: Columns, change: Changed) -> Iterator[tuple[str, Any, Any]]:
    """The columns in which a changed row differs, with both values."""
    for name in rows.names:
        before, after = a.values[name][change.before], b.values[name][change.after]
        if before != after:
            yield name, before, after
