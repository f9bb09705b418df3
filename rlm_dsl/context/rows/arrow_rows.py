"""Rows that come as Arrow: each column in the language's type.

In: Arrow record batches. Out: batches of rows, places by number alone. Law: a value is what it was, in the type that
holds it: zoned timestamps become UTC; a column with nulls is nullable, whatever its file says; what the language has no
type for is text or left out, and said (see arrow_columns); no file is refused for one column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.arrow_columns import Way, remaining, ways_of, wider
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.value_types import common_type
from rlm_dsl.context.rows.file_tables import Surveyed, no_rows
from rlm_dsl.context.rows.totals import SAMPLE_ROWS, all_but_last, is_total, shown_total
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


@dataclass(frozen=True, slots=True)
class ArrowColumns:
    """How columns are read: what each is by its name, in the order of Arrow's; the place of each among these, and its
    way; what is to be said of them."""

    seen: Mapping[str, SeenArrow]
    places: tuple[int, ...]
    ways: tuple[Way, ...]
    notes: tuple[str, ...]

    @property
    def schema(self) -> Table:
        return Table(tuple(Field(name, seen.type) for name, seen in self.seen.items()))


@dataclass(slots=True)
class Look:
    """What a first look at a column finds: the ways that hold it, whether there are nulls, how many values no way
    holds; None where it cannot be read at all."""

    ways: tuple[Way, ...] | None
    null: bool = False
    lost: int = 0

    def at(self, values: Any) -> None:
        if self.ways is None:
            return
        try:
            values.validate()
            self.ways = remaining(self.ways, values)
            made = values if self.ways[0].sure else self.ways[0].convert(values)
        except Exception:
            self.ways = None
            return
        self.null = self.null or made.null_count > 0
        self.lost += made.null_count - values.null_count


def columns_of(arrow: Any, batches: Iterable[Any], given: str) -> ArrowColumns:
    """How the columns of some batches are read, after a first look at all of them. Raises UserError where none can."""
    names, notes = free_names(arrow.names)
    if not names:
        raise UserError(f"{given} has no columns")
    looks = [Look(ways_of(field.type)) for field in arrow]
    for batch in batches:
        for look, values in zip(looks, batch.columns, strict=True):
            look.at(values)
    seen: dict[str, SeenArrow] = {}
    places, ways = [], []
    for place, (name, look) in enumerate(zip(names, looks, strict=True)):
        if look.ways is None:
            kind = str(arrow.field(place).type)[:60]
            notes.append(f"column `{name}` is {kind}, which cannot be read: it is left out")
            continue
        way = look.ways[0]
        notes += [f"column `{name}`: {way.told}"] if way.told else []
        lost = f"{look.lost:,} values outside the years 1 to 9999 are null"
        notes += [f"column `{name}`: {lost}"] if look.lost else []
        places.append(place)
        ways.append(way)
        seen[name] = SeenArrow(way.type, look.null)
    if not seen:
        raise UserError(f"{given} has no column that can be read")
    return ArrowColumns(seen, tuple(places), tuple(ways), tuple(notes))


def placed_rows(batches: Iterable[Any], columns: ArrowColumns, schema: Table) -> Iterator[Any]:
    """Arrow's batches as rows in the schema's types, which are theirs or wider; one batch at least."""
    passed = 0
    for held in batches:
        rows = batch(held, columns, schema, passed)
        passed += rows.num_rows
        yield rows
    if not passed:
        yield no_rows(schema)


def batch(held: Any, columns: ArrowColumns, schema: Table, passed: int) -> Any:
    import numpy as np
    import pyarrow as pa

    count = held.num_rows
    made: dict[str, Any] = {
        "#source": np.zeros(count, np.int32),
        "#line": np.arange(passed + 1, passed + count + 1),
        "#lo": pa.nulls(count, pa.int64()),
        "#hi": pa.nulls(count, pa.int64()),
    }
    for column, place, way in zip(schema.columns, columns.places, columns.ways, strict=True):
        made[column.name] = wider(way.convert(held.column(place)), way.type, column.type)
    return pa.table(made)


def survey_arrow_rows(
    form: str, arrow: Any, read: Callable[[bytes], Iterable[Any]], content: bytes, given: str, skip_last: int = 0
) -> Surveyed:
    """A first look at a file of which `read` makes batches; so many rows at its end do not count."""

    def counting(content: bytes) -> Iterator[Any]:
        return all_but_last(iter(read(content)), skip_last, len, lambda batch, rows: batch.slice(0, rows))

    ends = Ends()
    columns = columns_of(arrow, ends.passing(counting(content)), given)

    def rows(content: bytes, schema: Table) -> Iterator[Any]:
        return placed_rows(counting(content), columns, schema)

    return Surveyed(form, columns.seen, rows, list(columns.notes), total=ends.total)


@dataclass(slots=True)
class Ends:
    """The first rows of batches and the last one, once they were passed on."""

    first: list[Any] = field(default_factory=list)
    last: Any = None
    count: int = 0

    def passing(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            self.first += [batch.slice(0, SAMPLE_ROWS - self.count)] if self.count < SAMPLE_ROWS else []
            self.last = batch if len(batch) else self.last
            self.count += len(batch)
            yield batch

    @property
    def total(self) -> str:
        """The last row as it is shown, where it looks like a total of those above."""
        if self.last is None:
            return ""
        plain = [place for place, column in enumerate(self.last.schema) if is_plain(column.type)]
        try:
            above = [row for batch in self.first for row in rows_of(batch, plain)]
            (last,) = rows_of(self.last.slice(len(self.last) - 1), plain)
        except (ValueError, ArithmeticError, UnicodeDecodeError):  # values that Python has not, which ways read
            return ""
        above = above[: min(self.count - 1, SAMPLE_ROWS)]
        return shown_total(last) if is_total(above, last, len(above) == self.count - 1) else ""


def is_plain(kind: Any) -> bool:
    """Whether values are texts or numbers."""
    import pyarrow as pa

    t = pa.types
    return any(test(kind) for test in (t.is_string, t.is_large_string, t.is_integer, t.is_floating, t.is_decimal))


def rows_of(batch: Any, places: Sequence[int]) -> list[tuple[Any, ...]]:
    return list(zip(*(batch.column(place).to_pylist() for place in places), strict=True))


def load_arrow_rows(arrow: Any, read: Callable[[], Iterable[Any]], given: str) -> tuple[ArrowColumns, Iterator[Any]]:
    """How a reading of batches that can be begun again is read, and its rows."""
    columns = columns_of(arrow, read(), given)
    return columns, placed_rows(read(), columns, columns.schema)
