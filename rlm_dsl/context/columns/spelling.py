"""How numbers, days and nothing are spelled in texts: signs, units beside numbers, null words, formats of dates.

In: texts, and what was said or found of their spelling. Out: the texts as the language writes such values. Law: a text
that is no number and no day in this spelling stays as it is.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlm_dsl.context.columns.cell_types import read_cell

BLANK = " \t\u00a0\u2009\u202f"
"""What stands between thousands, or between a number and its unit, where a blank is said."""
APOSTROPHES = "'\u2019"
IN_BRACKETS = "()"
"""Said as a unit: numbers in brackets are below zero."""
BETWEEN = re.compile(r"%[A-Za-z]")
SOLID = re.compile(r"(?:19|20)\d{6,12}\Z", re.ASCII)
"""A day of digits alone, such as 20261103; other numbers are none."""
TIMED = ("%H", "%I", "%M", "%S", "%T", "%X", "%c")


@dataclass(frozen=True)
class Spelling:
    """What is said of texts. `units` are signs and words that may stand beside a number, such as `€`."""

    decimal: str = ""
    thousands: str = ""
    nulls: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    padded: bool = False
    """Whether blanks stand around numbers and days."""

    @property
    def changes(self) -> bool:
        """Whether numbers or days are written otherwise than the language writes them."""
        return bool(self.dates or self.units or self.thousands or self.decimal or self.padded)

    def with_nulls(self, texts: Any) -> Any:
        """The texts, null where they are null words."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.nulls:
            return texts
        words = pa.array(self.nulls, texts.type)
        return pc.if_else(pc.is_in(texts, value_set=words), pa.scalar(None, texts.type), texts)

    def values(self, texts: Any) -> Any:
        """The texts, numbers and days among them as the language writes them."""
        if not self.changes:
            return texts
        import pyarrow as pa

        coded = texts.dictionary_encode()
        known = pa.array([self.value(cell) for cell in coded.dictionary.to_pylist()], texts.type)
        return known.take(coded.indices)

    def value(self, cell: str) -> str:
        """A cell as the language writes it, where it is a number or day in this spelling."""
        bare = cell.strip(BLANK) if self.padded else cell
        made = self.spelled(bare)
        return cell if made == bare and not is_plain(bare) else made

    def spelled(self, cell: str) -> str:
        for each in self.dates:
            if BETWEEN.sub("", each) == "" and SOLID.match(cell) and (day := day_of(cell, each)) is not None:
                return day
        found = self.number.match(cell)
        if found is not None:
            digits = found["digits"] or found["bracketed"]
            bare = re.sub(f"[{re.escape(self.between)}]", "", digits) if self.thousands else digits
            below = found["bracketed"] or "-" in (found["before"] or "", found["within"] or "", found["after"] or "")
            return ("-" if below else "") + bare.replace(self.decimal or ".", ".")
        return next((day for each in self.dates if (day := day_of(cell, each)) is not None), cell)

    @property
    def between(self) -> str:
        """The signs that may stand between thousands: those that look like the one that is said too."""
        if not self.thousands:
            return ""
        return next((signs for signs in (BLANK, APOSTROPHES) if self.thousands in signs), self.thousands)

    @cached_property
    def number(self) -> re.Pattern[str]:
        decimal, between = re.escape(self.decimal or "."), re.escape(self.between)
        grouped = rf"[1-9]\d{{0,2}}(?:[{between}]\d{{3}})+|" if between else ""
        number = rf"(?:{grouped}0|[1-9]\d*)(?:{decimal}\d+)?"
        units = [re.escape(unit) for unit in sorted(self.units, key=len, reverse=True) if unit != IN_BRACKETS]
        unit = rf"(?:[{BLANK}]*(?:{'|'.join(units)})[{BLANK}]*)?" if units else ""
        signed = rf"(?P<before>[+-]?){unit}(?P<within>[+-]?)(?P<digits>{number}){unit}(?P<after>-?)"
        bracketed = rf"|{unit}\({unit}(?P<bracketed>{number}){unit}\){unit}" if IN_BRACKETS in self.units else ""
        return re.compile(rf"(?:{signed}{bracketed or '|(?P<bracketed>(?!))'})\Z", re.ASCII)


def is_plain(cell: str) -> bool:
    """Whether a cell reads as the language writes numbers, days and moments."""
    return read_cell(cell) is not None


def day_of(cell: str, form: str) -> str | None:
    """A day or moment of a format in ISO's; a moment with an offset counts as UTC. None for what is none."""
    try:
        found = datetime.datetime.strptime(cell.strip(), form)
    except ValueError:
        return None
    if found.tzinfo is not None:
        found = found.astimezone(datetime.UTC).replace(tzinfo=None)
    return found.isoformat() if any(code in form for code in TIMED) else found.date().isoformat()
