"""Whether a column of plain numbers is decimal or float.

In: what its cells look like, a batch after the other. Out: the type. Law: the order of cells and batches does not
matter; no digit of a cell is lost, but where a float prints the very same digits.

A column is decimal, with the most digits after the point that a cell has, where at least half of the cells that have a
point have no more than SHORT digits after it: one odd cell does not turn prices into floats. Columns of longer ones are
what programs print of floats, and are floats if these print each of them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal as Exact
from typing import Any

from rlm_dsl.common.exact import DIGITS, PLAIN, shortest
from rlm_dsl.language.types import FLOAT, INT, TEXT, Decimal, Type

SHORT = 9
"""Digits after the point that people write."""
LOWER_E, UPPER_E, MINUS, PLUS, POINT = b"eE-+."
PRINTED = 15
"""So many digits a float always prints again."""


@dataclass(frozen=True, slots=True)
class NumberShape:
    """What cells look like: the most digits before and after the point; how many have a point, and how many more than
    SHORT digits after it; whether some have an exponent, some one as ids have it (`1e5`), some a point or an exponent
    as numbers have it; and whether a float would change one."""

    whole: int = 0
    scale: int = 0
    pointed: int = 0
    long: int = 0
    exponent: bool = False
    id_like: bool = False
    float_like: bool = False
    changed: bool = False

    def and_also(self, other: NumberShape) -> NumberShape:
        return NumberShape(
            max(self.whole, other.whole),
            max(self.scale, other.scale),
            self.pointed + other.pointed,
            self.long + other.long,
            self.exponent or other.exponent,
            self.id_like or other.id_like,
            self.float_like or other.float_like,
            self.changed or other.changed,
        )

    @property
    def type(self) -> Type:
        """Of cells that are numbers; text where they are ids, or have more digits than any number holds."""
        if self.exponent:
            return TEXT if self.id_like and not self.float_like else FLOAT
        if not self.pointed:
            return INT
        held = self.whole + self.scale <= DIGITS
        if held and (self.changed or 2 * self.long <= self.pointed):
            return Decimal(self.scale)
        return TEXT if self.changed else FLOAT


NO_NUMBERS = NumberShape()
FLOATS = NumberShape(exponent=True, float_like=True)


class Written(Exact):
    """A number as a file spells it, with a point and without an exponent: a decimal or a float, as its column is."""


def written_number(word: str) -> Written | float:
    """A number of JSON that is no whole one; a float where no decimal holds it."""
    return float(word) if len(word) > DIGITS or "e" in word or "E" in word else Written(word)


def shape_of_texts(cells: Any) -> NumberShape:
    """Of cells that all read as numbers, as Arrow holds them; none is null."""
    import pyarrow.compute as pc

    if not len(cells):
        return NO_NUMBERS
    _, data = held_in(cells)
    if not ((data == LOWER_E) | (data == UPPER_E)).any():
        return shape_of_plain(cells)
    exponents = pc.or_(pc.match_substring(cells, "e"), pc.match_substring(cells, "E"))
    pointed = pc.match_substring(cells, ".")
    id_like = pc.and_(exponents, pc.match_substring_regex(cells, r"^-?[0-9]+[eE][0-9]+\z"))
    shown = pc.and_not(pc.or_(exponents, pointed), id_like)
    some, all_shown = bool(pc.any(id_like).as_py()), bool(pc.any(shown).as_py())
    return replace(
        shape_of_plain(cells.filter(pc.invert(exponents))), exponent=True, id_like=some, float_like=all_shown
    )


def held_in(cells: Any) -> tuple[Any, Any]:
    """Where texts begin and end among their bytes, and these bytes."""
    import numpy as np
    import pyarrow as pa

    cells = cells.cast(pa.large_string())
    _, offsets, data = cells.buffers()
    places = np.frombuffer(offsets, np.int64)[cells.offset : cells.offset + len(cells) + 1]
    held = np.frombuffer(data, np.uint8)[places[0] : places[-1]] if data is not None else np.zeros(0, np.uint8)
    return places - places[0], held


def shape_of_plain(cells: Any) -> NumberShape:
    """Of cells that are numbers without exponents."""
    import pyarrow.compute as pc

    whole, scale, points, long = digits_of(cells)
    changed = False
    if whole + scale >= PRINTED:
        changed = any(map(is_changed, cells.filter(pc.greater(pc.binary_length(cells), PRINTED)).to_pylist()))
    return NumberShape(whole, scale, points, long, float_like=points > 0, changed=changed)


def shape_of_numbers(numbers: Iterable[Exact]) -> NumberShape:
    """Of numbers without exponents, as they were written."""
    whole = scale = pointed = long = 0
    changed = False
    for number in numbers:
        _, held, exponent = number.as_tuple()
        after = -exponent if isinstance(exponent, int) else 0
        whole, scale = max(whole, len(held) - after), max(scale, after)
        pointed, long = pointed + (after > 0), long + (after > SHORT)
        changed = changed or (len(held) > PRINTED and shortest(float(number)) != number)
    return NumberShape(whole, scale, pointed, long, changed=changed)


def digits_of(cells: Any) -> tuple[int, int, int, int]:
    """The most digits before and after the point, how many cells have one, and how many a long part after it."""
    import numpy as np

    if not len(cells):
        return 0, 0, 0, 0
    places, data = held_in(cells)
    starts, ends = places[:-1], places[1:]
    filled = starts < ends
    signs = data[starts[filled]]
    starts = starts.copy()
    starts[filled] += (signs == MINUS) | (signs == PLUS)
    points = np.flatnonzero(data == POINT)
    if not len(points):
        return int((ends - starts).max()), 0, 0, 0
    of = np.searchsorted(places, points, "right") - 1
    after = ends[of] - points - 1
    before = ends - starts
    before[of] = points - starts[of]
    return int(before.max()), int(after.max()), len(points), int(np.count_nonzero(after > SHORT))


def is_changed(cell: str) -> bool:
    """Whether a float of a plain number prints another."""
    return bool(PLAIN.match(cell)) and shortest(float(cell)) != Exact(cell)
