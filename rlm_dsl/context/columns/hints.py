"""What a column of texts would be read as, and the options that say so.

In: some cells of a column, as they are read now. Out: options as they are written, or words. Law: an option is advised
only where the cells were read by it, and read as numbers or days; where two readings fit, both are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.context.columns.cell_types import READERS, read_cell
from rlm_dsl.context.columns.spelling import IN_BRACKETS, Spelling, day_of
from rlm_dsl.context.options import written
from rlm_dsl.language.types import BOOL, Type

MOST = 500
"""Cells that are looked at."""
SHOWN = 5
"""Columns that a note names, and notes on columns."""
FIRST = 20
"""Cells that are looked at first."""
LEAST = 0.8
"""The share of cells that must read as numbers or days, so that the others are odd ones among them."""
NULL_WORDS = frozenset(
    "na n/a n.a. n.a n/d nd nan null none nil missing unknown - -- --- – — . .. ... ? * tbd k.a. #n/a #na #null! "
    "#value! #div/0! #ref! #name? #num! (null) <na> \\n leer".split()
)
"""What people and programs write for nothing, in lower case."""
CURRENCIES = (
    "€ $ £ ¥ ₹ ₽ ₩ ₺ ₴ ₫ ฿ ₪ ¢ zł Kč Ft kr kr. Fr Fr. SFr. R$ US$ EUR USD GBP CHF JPY CNY INR SEK NOK DKK PLN CZK "
    "HUF CAD AUD BRL ZAR MXN RUB TRY KRW SGD HKD NZD Euro Euros euro euros"
).split()
MEASURES = (
    "% ‰ bps pt pts pp kg g mg µg t lb lbs oz km m cm mm µm mi ft m² m³ km² ha l ml cl dl gal h hr hrs min mins s sec "
    "ms µs ns d days kWh MWh kW MW mA Hz kHz MHz GHz °C °F KB kB MB GB TB KiB MiB GiB km/h mph rpm St. Stk Stk. Stück "
    "pcs pc"
).split()
UNITS = {*CURRENCIES, *MEASURES}
AFFIXED = re.compile(
    r"(?P<open>\()?[+-]?(?P<before>[^\d\s()+\-.,'’]{0,5}\.?|US\$|R\$)[\s\u00a0\u202f]*[+-]?(?P<number>\d[\d.,'’\s\u00a0\u202f]*?)"
    r"[\s\u00a0\u202f]*(?P<after>[^\d\s()+\-,'’]{0,6})(?P<close>\))?-?\Z"
)
SIGNS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
"""Decimal signs with those between thousands, the plainest first."""
GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+\Z", re.ASCII)
DAYS = (
    *("%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%m/%d/%y"),
    *("%d/%m/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d %Y", "%Y-%m-%d"),
)
CLOCKS = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    "T%H:%M:%S%z",
    " %H:%M:%S%z",
    "T%H:%M:%S.%f%z",
    ", %H:%M",
)
DIGIT = re.compile(r"\d")
DAY_LIKE = re.compile(
    r"(?:\d{1,4}|[A-Za-z]{3,9})[./ -](?:\d{1,2}|[A-Za-z]{3,9})[,./ -]+\d{2,4}(?:[T ,].*)?\Z|\d{4}-\d\d-\d\d[T ].+\Z"
)


Way = Mapping[str, Any]
"""Options by their names that are not said yet."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Options that read some cells: each of the ways that fit, `odd` are cells that none of them reads."""

    cells: tuple[str, ...]
    ways: tuple[Way, ...]
    odd: tuple[str, ...] = ()


def advice(cells: Iterable[str | None], said: Spelling) -> Advice | None:
    """How a column of texts may be read as numbers or days; None where it seems to be one of texts."""
    held = list(dict.fromkeys(cell for cell in cells if cell))[:MOST]
    nulls = [cell for cell in held if is_null_word(cell)]
    rest = [cell for cell in held if cell not in nulls]
    if not rest or len(nulls) > 8 or sum(DIGIT.search(cell) is not None for cell in rest) < LEAST * len(rest):
        return None
    if 2 * sum(map(may_be_value, rest[:FIRST])) < len(rest[:FIRST]):  # most columns of texts end here
        return None
    empty: Way = {"nulls": (*said.nulls, *nulls)} if nulls else {}
    plain = [cell for cell in rest if reads(cell)]
    if len(plain) == len(rest):
        return Advice(tuple(rest), (empty,)) if nulls else None
    days = [cell for cell in rest if DAY_LIKE.match(cell)]
    if len(days) >= LEAST * len(rest) and not said.dates and (forms := day_forms(days)):
        ways = tuple({"dates": form, **empty} for form in forms)
        return Advice(tuple(days), ways, tuple(cell for cell in rest if cell not in days))
    numbers = [cell for cell in rest if DIGIT.search(cell) and not DAY_LIKE.match(cell)]
    if len(numbers) >= LEAST * len(rest) and (found := number_ways(numbers, said)):
        odd = tuple(cell for cell in rest if cell not in numbers)
        return Advice(tuple(numbers), tuple({**way, **empty} for way in found), odd)
    odd = tuple(cell for cell in rest if cell not in plain)
    return Advice((), (), odd) if len(plain) >= LEAST * len(rest) and not any(map(is_id, odd)) else None


def may_be_value(cell: str) -> bool:
    """Whether a cell may be a number or a day in some spelling."""
    found = AFFIXED.match(cell)
    known = found is not None and {found["before"], found["after"].rstrip()} <= {"", *UNITS}
    return known or DAY_LIKE.match(cell) is not None or reads(cell)


def number_ways(numbers: Sequence[str], said: Spelling) -> list[Way]:
    """The signs and units by which cells read as numbers; two where a sign may be either's."""
    found = [AFFIXED.match(cell) for cell in numbers]
    beside = {(each["before"], each["after"].rstrip()) for each in found if each} - {("", "")}
    units = [part for pair in beside for part in pair if part]
    if len(beside) > 1 or not {*units} <= UNITS:  # kilograms and grams, or two currencies, are not summed up
        return []
    units += [IN_BRACKETS] if any(each and each["open"] and each["close"] for each in found) else []
    needed = tuple(dict.fromkeys((*said.units, *units)))
    bare = [each["number"] for each in found if each]
    either = all(GROUPED.match(number) or number.isdigit() for number in bare) and any(map(GROUPED.match, bare))
    fit = [
        (decimal, thousands)
        for decimal, thousands in dict.fromkeys(((said.decimal or ".", said.thousands), *SIGNS))
        if are_read(numbers, replace(said, decimal=decimal, thousands=thousands, units=needed))
    ]
    made: list[Way] = []
    for decimal, thousands in fit[: 2 if either else 1]:
        way: dict[str, Any] = {}
        if decimal != (said.decimal or "."):
            way["decimal"] = decimal
        if thousands != said.thousands:
            way["thousands"] = thousands
        if needed != said.units:
            way["units"] = needed
        if not way and not said.decimal and not all(map(reads, numbers)):  # a plus, or a minus behind the number
            way["decimal"] = "."
        made += [way] if way else []
    return made


def day_forms(cells: Sequence[str]) -> list[str]:
    """The formats by which all cells are days or moments; both where day and month may be either."""
    forms = (f"{day}{clock}" for day in DAYS for clock in CLOCKS if day != "%Y-%m-%d" or clock)
    return [form for form in forms if all(day_of(cell, form) is not None for cell in cells)][:2]


def hints(columns: Sequence[OddColumn], said: Spelling) -> list[str]:
    """Notes on columns of texts that seem to be numbers or days, with the cell that made each of them text. What one
    set of options reads is told once."""
    together: list[tuple[OddColumn, Advice]] = []
    ways: dict[str, Any] = {}
    told = []
    for column in columns:
        found = advice((column.cell, *column.cells[:MOST]), said)
        if found is None:
            continue
        if not found.ways:
            told.append(f"{column} (all else reads as numbers or days): where a program declares its type, it is null")
            continue
        more = joined_ways(ways, found.ways[0])
        if (
            len(found.ways) == 1
            and not found.odd
            and more is not None
            and all_read((*together, (column, found)), more, said)
        ):
            together.append((column, found))
            ways = more
            continue
        options = ", or ".join(map(written_way, found.ways))
        told.append(f"{column}: {options} reads it{f', but for {shown_cell(found.odd[0])}' if found.odd else ''}")
    if together:
        names = "; ".join(str(column) for column, _ in together[:SHOWN])
        more_names = f"; and {len(together) - SHOWN:,} more such columns" if len(together) > SHOWN else ""
        told.insert(0, f"{names}{more_names}: {written_way(ways)} reads {'it' if len(together) == 1 else 'them'}")
    return told[:SHOWN]


@dataclass(frozen=True, slots=True)
class OddColumn:
    """A column of texts, some of its cells, and the one at which no other type was left, with its place."""

    name: str
    cells: Sequence[str]
    cell: str
    place: str

    def __str__(self) -> str:
        return f"column `{self.name}` is text for {shown_cell(self.cell)} in {self.place}"


def joined_ways(before: Way, more: Way) -> dict[str, Any] | None:
    """Both; None where they say one option otherwise. Units and null words are listed."""
    made = dict(before)
    for name, value in more.items():
        if name in ("units", "nulls"):
            made[name] = tuple(dict.fromkeys((*made.get(name, ()), *value)))
        elif made.setdefault(name, value) != value:
            return None
    return made


def all_read(columns: Iterable[tuple[OddColumn, Advice]], way: Way, said: Spelling) -> bool:
    """Whether options that are said for one column read the others too."""
    spelling = replace(said, **{**way, "dates": (way["dates"],) if "dates" in way else said.dates})
    return all(reads(spelling.value(cell)) for _, found in columns for cell in found.cells)


def written_way(way: Way) -> str:
    """Options as a command line has them."""
    return ", ".join(f"{name}={written('space' if value == ' ' else value)}" for name, value in way.items())


def is_id(cell: str) -> bool:
    """Whether a cell is digits alone that no number has, such as `0012`: ids stay as they are."""
    return cell.strip("-").isdigit()


def is_null_word(cell: str) -> bool:
    return cell.strip().lower() in NULL_WORDS and not cell.strip().isdigit()


def reads(cell: str) -> bool:
    """Whether a cell reads as a number, a day or a moment as it stands."""
    found = read_cell(cell)
    return found is not None and found[0] != BOOL


def are_read(cells: Sequence[str], spelling: Spelling) -> bool:
    """Whether all cells are numbers in a spelling, and read as such."""
    return all(spelling.number.match(cell) and reads(spelling.value(cell)) for cell in cells)


def is_read(cell: str, read: Callable[[str], Any]) -> bool:
    try:
        read(cell)
    except (ValueError, KeyError):
        return False
    return True


def breaking(cells: Any, types: Sequence[Type]) -> int | None:
    """The place of the first cell of Arrow's at which none of the types is left; None where one is left for all."""
    left = {type_: read for type_, read in READERS if type_ in types}
    for place in range(len(cells)):
        if cell := cells[place].as_py():
            left = {type_: read for type_, read in left.items() if is_read(cell, read)}
            if not left:
                return place
    return None


def shown_cell(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else f"{cell[:39]}…")
