"""Values as rows, in batches: what JSON Lines, JSON lists, SQLite and dicts share.

In: a reading of the values that can be begun again, and the columns known before it. Out: columns typed over all rows.
Law: the values are gone through twice, first for names and types, then for rows, and only a part is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.well_formed import without_halves
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.value_types import SeenValues, column_of, observe_values
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.rows.counted import CountedRows
from rlm_dsl.context.rows.file_tables import NOTHING, VALUE, Surveyed
from rlm_dsl.context.rows.totals import SAMPLE_ROWS, all_but_last, is_total, shown_total
from rlm_dsl.language.types import NULL, Field, Table

DEEPEST = 100
"""Lists and objects in one another; a column's type nests as deep as its values."""


@dataclass(slots=True)
class Part:
    """Rows that follow one another: where each begins and ends, its first line, its fields by name. Rows of what is no
    text have a number alone. `blank` counts blank lines, `halves` the rows that held half of a surrogate pair;
    `odd_numbers` are the lines of those with a NaN or an infinity."""

    lines: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    blank: int = 0
    halves: int = 0
    odd_numbers: list[int] = field(default_factory=list)

    def first(self, count: int) -> Part:
        """The first rows alone."""
        lines = self.lines[:count]
        odd = [line for line in self.odd_numbers if line in {*lines}]
        return Part(lines, self.starts[:count], self.ends[:count], self.rows[:count], self.blank, self.halves, odd)

    def add(self, line: int, start: int, end: int, value: Any, halves: bool) -> None:
        """A value that is no object becomes the row's field `value`."""
        if halves:
            whole = without_halves(value)
            self.halves += whole != value
            value = whole
        self.lines.append(line)
        self.starts.append(start)
        self.ends.append(end)
        self.rows.append(value if isinstance(value, dict) else {VALUE: value})


ODD_NUMBERS = "NaN or an infinity (kept, as floats)"
HALVES = "rows hold half of a surrogate pair (shown as U+FFFD)"
Reading = Callable[[], Iterator[Part]]
Refusal = tuple[str, str]
"""What is wrong, and what to do instead."""


def too_deep(value: Any) -> bool:
    """Whether a value nests deeper than DEEPEST, told without recursion."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for held in level
            if isinstance(held, list | dict)
            for inner in (held.values() if isinstance(held, dict) else held)
        ]
    return any(isinstance(held, list | dict) for held in level)


def load_values(
    form: str, source: SourceFile, read: Reading, columns: Sequence[str] = (), refusal: Refusal | None = None
) -> Loaded:
    """The rows of a reading; `columns` are there even if no row has them. No rows are an empty table, of NOTHING where
    no column is known; rows without a field are what `refusal` says."""
    seen = survey(read, SeenRows(dict.fromkeys(columns, SeenValues())), refusal)
    keys, notes = seen.keys, seen.notes()
    names, noted = free_names(list(keys))
    schema = Table(tuple(Field(name, seen.type) for name, seen in zip(names, keys.values(), strict=True)))
    if not keys:
        schema, keys = NOTHING, {VALUE: SeenValues()}
    return Loaded(form, schema, batches(read(), schema, keys), [source], [*noted, *notes, *notes_of_blobs(names, keys)])


def notes_of_blobs(names: Sequence[str], keys: Mapping[str, SeenValues]) -> list[str]:
    """What became of bytes."""
    return [
        f"column `{name}`: its bytes are shown as {'hexadecimal digits' if seen.hexadecimal else 'UTF-8'}"
        for name, seen in zip(names, keys.values(), strict=False)
        if seen.blobs
    ]


@dataclass(slots=True)
class SeenRows:
    """What rows were so far: every key with what its values are, in the order they first stand in; how many rows there
    were, blank lines, rows that held half of a surrogate pair, or a number that JSON has not."""

    keys: dict[str, SeenValues] = field(default_factory=dict)
    passed: int = 0
    blank: int = 0
    halves: int = 0
    odd: CountedRows = field(default_factory=lambda: CountedRows(ODD_NUMBERS))

    def notes(self) -> list[str]:
        told = ((self.blank, "blank lines were passed over"), (self.halves, HALVES))
        return [*self.odd.note(), *(f"{count:,} {what}" for count, what in told if count)]

    @property
    def state(self) -> dict[str, Any]:
        """What is told of the rows beside what the values of their keys are."""
        held = {"keys": list(self.keys), "passed": self.passed, "blank": self.blank, "halves": self.halves}
        return {**held, "odd": [self.odd.count, self.odd.first]}


def seen_rows(state: Mapping[str, Any], columns: Iterable[Any]) -> SeenRows:
    """What was found before, to go on with. Raises what Python does where the state is none."""
    keys = dict(zip(map(str, state["keys"]), columns, strict=True))
    odd = CountedRows(ODD_NUMBERS, int(state["odd"][0]), [int(line) for line in state["odd"][1]])
    return SeenRows(keys, int(state["passed"]), int(state["blank"]), int(state["halves"]), odd)


def survey_values(
    form: str,
    read: Callable[[bytes], Iterator[Part]],
    content: bytes,
    refusal: Refusal,
    before: SeenRows | None = None,
    state: Mapping[str, Any] | None = None,
    skip_last: int = 0,
) -> Surveyed:
    """A first look at a file of values, of which `read` makes parts, behind what was found before; `state` is what else
    it takes to go on when the file has grown; so many rows at its end do not count."""

    def counting(content: bytes) -> Iterator[Part]:
        return all_but_last(read(content), skip_last, lambda part: len(part.rows), Part.first)

    seen = survey(lambda: counting(content), before or SeenRows(), refusal)
    names, noted = free_names(list(seen.keys))
    held = dict(zip(names, seen.keys.values(), strict=True))

    def rows(content: bytes, schema: Table) -> Iterator[Any]:
        return batches(counting(content), schema, seen.keys)

    notes = [*noted, *seen.notes()]
    return Surveyed(form, held, rows, notes, state=None if state is None else {**seen.state, **state})


def total_of(parts: Iterable[Part], last: Mapping[str, Any] | None, whole: bool) -> str:
    """The last row as it is shown, where it looks like a total of those in parts; without `last` the last of these is
    meant."""
    rows = [row for part in parts for row in part.rows]
    if last is None:
        rows, last = rows[:-1], (rows[-1] if rows else {})
    above = rows[:SAMPLE_ROWS]
    keys = dict.fromkeys(key for row in (*above, last) for key in row)
    held = [[row.get(key) for key in keys] for row in (*above, last)]
    return shown_total(held[-1]) if is_total(held[:-1], held[-1], whole and len(above) == len(rows)) else ""


def survey(read: Reading, before: SeenRows, refusal: Refusal | None = None) -> SeenRows:
    """What rows are, with these among them too."""
    keys, passed, blank, halves, odd = before.keys, before.passed, before.blank, before.halves, before.odd
    for part in read():
        for key in dict.fromkeys(key for row in part.rows for key in row):
            keys.setdefault(key, SeenValues(NULL if passed else None))
        if part.rows:
            keys = {key: observe_values(seen, [row.get(key) for row in part.rows]) for key, seen in keys.items()}
        passed, blank, halves = passed + len(part.rows), blank + part.blank, halves + part.halves
        odd.add(part.odd_numbers)
    if passed and not keys and refusal is not None:
        raise UserError(*refusal)
    return SeenRows(keys, passed, blank, halves, odd)


def batches(parts: Iterator[Part], schema: Table, keys: Mapping[str, SeenValues]) -> Iterator[Any]:
    """One table a part, and one at least."""
    passed = False
    for part in parts:
        yield batch(part, schema, keys)
        passed = True
    if not passed:
        yield batch(Part(), schema, keys)


def batch(part: Part, schema: Table, keys: Mapping[str, SeenValues]) -> Any:
    import numpy as np
    import pyarrow as pa

    placed = len(part.starts) == len(part.rows)
    made: dict[str, Any] = {
        "#source": np.zeros(len(part.rows), np.int32),
        "#line": np.array(part.lines, np.int64),
        "#lo": np.array(part.starts, np.int64) if placed else pa.nulls(len(part.rows), pa.int64()),
        "#hi": np.array(part.ends, np.int64) if placed else pa.nulls(len(part.rows), pa.int64()),
    }
    for (key, seen), column in zip(keys.items(), schema.columns, strict=True):
        made[column.name] = column_of([row.get(key) for row in part.rows], column.type, seen.hexadecimal)
    return pa.table(made)
