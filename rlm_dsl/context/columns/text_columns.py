"""Columns of text cells read as a type, all cells at once, a batch after the other.

In: Arrow arrays of texts, null where there is no cell. Out: typed arrays, and the types that a column may still have.
Law: cells are read as inference's readers read them one by one; what Arrow reads otherwise is handed to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.cell_types import DAY, MOMENT, NUMBER, READERS, as_float
from rlm_dsl.context.columns.number_shape import NO_NUMBERS, NumberShape, shape_of_texts
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TEXT, TIMESTAMP, Decimal, Type, null_if

TYPES: tuple[Type, ...] = tuple(type_ for type_, _ in READERS)
READER = dict(READERS)
PROBE = 16
"""Cells that are read one by one first: most columns of texts show there that they are nothing else."""
SHORT = 15
"""A whole number of no more characters is always a float too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cells of a column were so far: the types that each of them reads as, and whether some held anything,
    some were empty, some were not there."""

    types: tuple[Type, ...] = TYPES
    present: bool = False
    empty: bool = False
    missing: bool = False
    shape: NumberShape = NO_NUMBERS

    @property
    def type(self) -> Type:
        """The first type that every cell reads as; empty cells are null, in texts ''."""
        if not self.present or not self.types:
            return null_if(self.missing, TEXT)
        first = self.shape.type if self.types[0] == FLOAT else self.types[0]
        return null_if(self.missing or (self.empty and first != TEXT), first)

    def together(self, other: Seen) -> Seen:
        """What is known of the cells of both."""
        return Seen(
            tuple(type_ for type_ in self.types if type_ in other.types),
            self.present or other.present,
            self.empty or other.empty,
            self.missing or other.missing,
            self.shape.and_also(other.shape),
        )


def observe(before: Seen, cells: Any) -> Seen:
    """What is known of a column when these cells are looked at too."""
    import pyarrow.compute as pc

    lengths = pc.binary_length(cells)
    empty = bool(pc.any(pc.equal(lengths, 0), min_count=0).as_py())
    missing = cells.null_count > 0
    longest = pc.max(lengths).as_py() or 0
    left, shape = before.types, before.shape
    if longest and left:
        present = without_empty(cells).drop_null() if empty or missing else cells
        left = readable_types(present, left, longest)
        if FLOAT in left:
            shape = shape.and_also(shape_of_texts(present))
    return Seen(left, before.present or longest > 0, before.empty or empty, before.missing or missing, shape)


def without_empty(cells: Any) -> Any:
    """The cells, null where they are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.equal(pc.binary_length(cells), 0), pa.scalar(None, cells.type), cells)


def readable_types(cells: Any, types: tuple[Type, ...], longest: int) -> tuple[Type, ...]:
    """Those of the types that every cell reads as."""
    probe = cells.slice(0, PROBE)
    found: list[Type] = []
    for type_ in types:
        if one_by_one(probe, type_) is not None and (
            (type_ == FLOAT and INT in found and longest <= SHORT) or read_as(cells, type_) is not None
        ):
            found.append(type_)
    return tuple(found)


def cast_cells(cells: Any, type_: Type) -> Any:
    """The cells as values of a type that they are known to have: of such cells Arrow reads each as we do, or none."""
    import pyarrow as pa

    if type_ == TEXT:
        return cells
    cells = without_empty(cells)
    if type_ == BOOL:
        return bools(cells)
    if isinstance(type_, Decimal):
        return cells.cast(arrow_type(type_))
    try:
        return cells.cast(arrow_type(type_))
    except pa.ArrowInvalid:
        return one_by_one(cells, type_)


def read_as(cells: Any, type_: Type) -> Any | None:
    """Every cell as a value of the type, or None where one is none."""
    values = {INT: ints, FLOAT: floats, BOOL: bools, DATE: dates, TIMESTAMP: timestamps}[type_](cells)  # type: ignore[index]
    return one_by_one(cells, type_) if values is UNSURE else values


UNSURE = object()
"""Said where Arrow's reading may differ from ours."""


def one_by_one(cells: Any, type_: Type) -> Any | None:
    """Every cell as its reader reads it, or None where one cannot be read."""
    import pyarrow as pa

    read = READER[type_]
    try:
        values = [None if cell is None else read(cell) for cell in cells.to_pylist()]
    except (ValueError, KeyError):
        return None
    return pa.array(values, arrow_type(type_))


def ints(cells: Any) -> Any:
    """Arrow takes more than we do for a whole number; what is spelled as Arrow spells it is one for both."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values = cells.cast(pa.int64())
    except pa.ArrowInvalid:
        return UNSURE
    return values if all_true(pc.equal(values.cast(pa.large_string()), cells)) else UNSURE


def floats(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not all_true(pc.match_substring_regex(cells, arrow_pattern(NUMBER))):
        return None
    if (pc.max(pc.binary_length(cells)).as_py() or 0) >= SHORT:
        whole = cells.filter(pc.match_substring_regex(cells, rf"^-?[0-9]{{{SHORT},}}\z"))
        if one_by_one_floats(whole) is None:
            return None
    try:
        values = cells.cast(pa.float64())
    except pa.ArrowInvalid:
        return UNSURE
    return values if all_true(pc.is_finite(values)) else UNSURE


def one_by_one_floats(cells: Any) -> Any | None:
    """Whole numbers as floats, or None where a float does not hold one."""
    try:
        return [as_float(cell) for cell in cells.to_pylist()]
    except ValueError:
        return None


def bools(cells: Any) -> Any:
    """Few spellings are a bool: each is read once."""
    import pyarrow as pa

    coded = cells.dictionary_encode()
    values = one_by_one(coded.dictionary, BOOL)
    return None if values is None else pa.DictionaryArray.from_arrays(coded.indices, values).dictionary_decode()


def dates(cells: Any) -> Any:
    import pyarrow as pa

    return calendar(cells, arrow_pattern(DAY), pa.date32())


def timestamps(cells: Any) -> Any:
    import pyarrow as pa

    return calendar(cells, arrow_pattern(MOMENT), pa.timestamp("us"))


def calendar(cells: Any, pattern: str, type_: Any) -> Any:
    """Days or moments; the year 0, which Arrow knows, is none of ours."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not all_true(pc.match_substring_regex(cells, pattern)):
        return None
    if pc.any(pc.starts_with(cells, "0000")).as_py():
        return UNSURE
    try:
        return cells.cast(type_)
    except pa.ArrowInvalid:
        return UNSURE


def arrow_pattern(pattern: Any) -> str:
    """A reader's pattern from the start of a cell, as Arrow's engine spells it."""
    return "^(?:" + str(pattern.pattern).replace(r"\Z", "") + r")\z"


def all_true(tests: Any) -> bool:
    """Whether every test that is not null holds."""
    import pyarrow.compute as pc

    return bool(pc.all(tests, min_count=0).as_py())
