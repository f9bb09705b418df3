"""Rows in the columns that a program declares of a table.

In: rows as they were found, batch by batch, and what is declared. Out: rows with the declared columns alone, in their
order. Law: a declaration beats what values look like; one that does not fit is null and counted, and so is one that is
not there where the type has no null; a column of which nothing fits is another one, and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.declared_values import Values, reader_of
from rlm_dsl.context.rows.file_tables import is_nothing, no_rows
from rlm_dsl.language.types import Field, Table, Type, is_nullable, quoted_name

SHOWN = 3
"""Places that a note names."""


@dataclass(slots=True)
class Cast:
    """How a column is read as it is declared, and what was seen of its values: how many there are, how many of these do
    not fit, how many are not there though the type has no null; the first places of both, and the first that is odd."""

    column: Field
    found: Type | None
    read: Callable[[Any], Values] | None
    present: int = 0
    bad: int = 0
    absent: int = 0
    places: list[int] = field(default_factory=list)
    first: str = ""

    def of(self, values: Any, places: Callable[[int], int]) -> Any:
        """The values as they are declared."""
        import pyarrow as pa

        if self.read is None:
            return pa.nulls(len(values), arrow_type(self.column.type))
        made, wrong = self.read(values)
        self.present += len(values) - values.null_count - empty_count(values)
        self.bad += len(wrong)
        if wrong and not self.first:
            self.first = f"{places(wrong[0]):,} with {str(values[wrong[0]].as_py())[:40]!r}"
        odd = wrong
        if self.found != self.column.type and not is_nullable(self.column.type) and made.null_count > len(wrong):
            odd = [place for place, there in enumerate(made.is_valid().to_pylist()) if not there]
            self.absent += len(odd) - len(wrong)
        self.places += [places(place) for place in odd[: SHOWN - len(self.places)]]
        return made

    @property
    def seen(self) -> list[Any]:
        """What was seen, as values of JSON."""
        return [self.present, self.bad, self.absent, self.places, self.first]

    def told(self, place: str) -> str:
        """Why the column is another one than declared, '' where it is that."""
        if self.found is None:
            return f"there is no column `{self.column.name}`"
        said = f"`{self.column.name}` is {self.found} and not {self.column.type}"
        if self.read is None:
            return said
        return (
            f"{said}: {self.bad:,} rows do not fit, first in {place} {self.first}"
            if self.bad >= max(self.present, 1)
            else ""
        )

    def note(self, place: str) -> list[str]:
        count = self.bad + self.absent
        first = f"first in {place} {', '.join(map(str, self.places))}"
        return [f"{count:,} rows have a cell that does not fit `{self.column}` (null), {first}"] if count else []


def empty_count(values: Any) -> int:
    """How many texts are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return 0
    return int(pc.sum(pc.equal(pc.binary_length(values), 0)).as_py() or 0)


def declared_rows(
    schema: Table, batches: Iterable[Any], casts: Sequence[Cast], given: str, notes: list[str], name: str = ""
) -> Iterator[Any]:
    """The rows as declared; notes are added once the last batch is taken, or UserError is raised, naming every column
    that does not fit. Where there are no rows, no value tells a column's type: what is declared holds."""
    declared = Table(tuple(cast.column for cast in casts))
    missing = any(cast.found is None for cast in casts)
    if missing and is_nothing(schema):
        yield from nothing(batches, declared)
        return
    usable = all(cast.read is not None for cast in casts)
    passed, lines = 0, False
    for batch in batches:
        made, lines = cast_batch(batch, casts, passed)
        passed += batch.num_rows
        if usable:
            yield made
    place = "line" if lines else "row"
    wrong = [told for cast in casts if (passed or cast.found is None) and (told := cast.told(place))]
    if wrong:
        raise UserError(
            f"{given} is not as the program declares `{name or 'it'}`: {'; '.join(wrong)}",
            f"the data: context {quoted_name(name or 'data')}: {schema}",
        )
    if not usable:
        yield no_rows(declared)
    notes += [note for cast in casts for note in cast.note(place)]


def casts_of(schema: Table, declared: Table, before: Sequence[Any] = ()) -> list[Cast]:
    """How each declared column is read; `before` is what was seen of rows before (see Cast.seen)."""
    made = []
    for number, column in enumerate(declared.columns):
        found = schema.column(column.name)
        cast = Cast(column, found, None if found is None else reader_of(found, column.type))
        if before:
            present, bad, absent, places, cast.first = before[number]
            cast.present, cast.bad, cast.absent, cast.places = int(present), int(bad), int(absent), [*map(int, places)]
        made.append(cast)
    return made


def nothing(batches: Iterable[Any], declared: Table) -> Iterator[Any]:
    """No rows of the declared columns, where the data has none of its own."""
    for _ in batches:
        pass
    yield no_rows(declared)


def cast_batch(batch: Any, casts: Sequence[Cast], passed: int) -> tuple[Any, bool]:
    """A batch as declared, and whether lines are known."""
    import pyarrow as pa

    lines = batch["#line"] if "#line" in batch.column_names else None

    def place(row: int) -> int:
        line = None if lines is None else lines[row].as_py()
        return passed + row + 1 if line is None else int(line)

    held = {name: batch[name] for name in batch.column_names if name.startswith("#")}
    for cast in casts:
        if cast.found is None:
            continue
        values = batch[cast.column.name]
        whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        held[cast.column.name] = cast.of(whole, place)
    return pa.table(held), lines is not None
