"""Texts read as a declared type: the one place where a text becomes a value of a type that a person or program said.

In: cells as texts, null where there is none, and a type. Out: its values, and which cells are none. Law: nothing is
rounded or guessed: a decimal of more digits than declared, a whole number of more than 64 bits or a date that is none
does not fit; an offset from UTC is never dropped. `extract` and `parse_json` read texts of a type in the same way.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

from rlm_dsl.common.exact import read_decimal
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, QUOTE, TEXT, TIMESTAMP, Decimal, Enum, Type, bare

WHOLE = re.compile(r"[+-]?\d+\Z", re.ASCII)
FLOATING = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Infinity)\Z|NaN\Z", re.ASCII)
ISO = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[T ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)"
    r"(?P<zone>Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?\Z",
    re.ASCII,
)
BLANKS = " \t\n\v\f\r"


def cell_reader(type_: Type) -> Callable[[str], Any]:
    """Reads a cell as a value of a type; it raises ValueError for what is none."""
    inner = bare(type_)
    if isinstance(inner, Decimal):
        return lambda cell: as_decimal(cell.strip(BLANKS), inner.scale)
    if isinstance(inner, Enum):
        return lambda cell: one_of(cell, inner.values)
    found = READERS.get(str(inner))
    if found is None:
        raise TypeError(f"no text is read as {type_}")
    return found


def is_readable(type_: Type) -> bool:
    """Whether texts are read as values of a type."""
    return isinstance(bare(type_), Decimal | Enum) or str(bare(type_)) in READERS


def read_cells(cells: Any, type_: Type) -> tuple[Any, list[int]]:
    """Every cell as a value of the type, null where it is none; and the places of these. An empty cell is null, and a
    text that is empty stays one."""
    import pyarrow as pa

    inner = bare(type_)
    if inner in (TEXT, QUOTE):
        return cells.cast(pa.large_string()), []
    read = cell_reader(type_)
    values: list[Any] = []
    wrong: list[int] = []
    known: dict[str, Any] = {}
    for place, cell in enumerate(cells.to_pylist()):
        if cell is None or cell == "":
            values.append(None)
            continue
        if cell not in known:
            try:
                known[cell] = read(cell)
            except (ValueError, OverflowError):
                known[cell] = WRONG
        wrong += [place] if known[cell] is WRONG else []
        values.append(None if known[cell] is WRONG else known[cell])
    return pa.array(values, arrow_type(inner)), wrong


WRONG = object()


def as_int(cell: str) -> int:
    bare_cell = cell.strip(BLANKS)
    if not WHOLE.match(bare_cell) or len(bare_cell) > 40 or not -(2**63) <= int(bare_cell) < 2**63:
        raise ValueError(cell)
    return int(bare_cell)


def as_float(cell: str) -> float:
    """Infinity and NaN only where they are spelled so, as JSON of Python does."""
    bare_cell = cell.strip(BLANKS)
    if not FLOATING.match(bare_cell):
        raise ValueError(cell)
    number = float(bare_cell)
    if number in (float("inf"), float("-inf")) and "Inf" not in bare_cell:
        raise ValueError(cell)
    return number


def as_decimal(cell: str, scale: int) -> Any:
    number = read_decimal(cell, scale)
    if number is None:
        raise ValueError(cell)
    return number


def as_bool(cell: str) -> bool:
    try:
        return {"true": True, "false": False}[cell.strip(BLANKS).lower()]
    except KeyError:
        raise ValueError(cell) from None


def as_date(cell: str) -> datetime.date:
    found = ISO.match(cell.strip(BLANKS))
    if not found or found["time"]:
        raise ValueError(cell)
    return datetime.date.fromisoformat(found["day"])


def as_timestamp(cell: str) -> datetime.datetime:
    """A moment in UTC; without an offset it counts as UTC, and a day is its midnight."""
    found = ISO.match(cell.strip(BLANKS))
    if not found:
        raise ValueError(cell)
    moment = datetime.datetime.fromisoformat(f"{found['day']}T{cut(found['time'] or '00:00')}")
    zone = found["zone"]
    if not zone or zone == "Z":
        return moment
    hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
    ahead = datetime.timedelta(hours=hours, minutes=minutes)
    return moment - ahead if zone[0] == "+" else moment + ahead


def cut(time: str) -> str:
    """A time of day to the microsecond."""
    clock, _, part = time.partition(".")
    return f"{clock}.{part[:6]:0<6}" if part else clock


def one_of(cell: str, values: tuple[str, ...]) -> str:
    if cell not in values:
        raise ValueError(cell)
    return cell


READERS: dict[str, Callable[[str], Any]] = {
    str(INT): as_int,
    str(FLOAT): as_float,
    str(BOOL): as_bool,
    str(DATE): as_date,
    str(TIMESTAMP): as_timestamp,
    str(TEXT): str,
    str(QUOTE): str,
}
