"""CSV cells as options have them: null words, decimal signs, dates.

In: a column's cells as texts. Out: the texts, and the same as the language writes such values. Law: a cell that an
option does not concern stays as it is; a column of texts is never rewritten.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlm_dsl.context.formats.csv.dialect import NO_QUOTE, Dialect
from rlm_dsl.context.options import ReadingOptions


@dataclass(frozen=True)
class Cells:
    """How a file's cells are read."""

    dialect: Dialect
    nulls: tuple[str, ...] = ()
    dates: str = ""

    @staticmethod
    def of(dialect: Dialect, options: ReadingOptions) -> Cells:
        return Cells(dialect, options.nulls, options.dates)

    def texts(self, cells: Any) -> Any:
        """The cells with null for null words, and with the signs that the file has."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.dialect.quote != '"':
            cells = with_own_signs(cells, self.dialect.quote)
        if self.nulls:
            words = pa.array(self.nulls, cells.type)
            cells = pc.if_else(pc.is_in(cells, value_set=words), pa.scalar(None, cells.type), cells)
        return cells

    @property
    def changes(self) -> bool:
        """Whether numbers or days are written otherwise than the language writes them."""
        return bool(self.dates or self.dialect.thousands or self.dialect.decimal not in ("", "."))

    def values(self, texts: Any) -> Any:
        """The texts, numbers and days among them as the language writes them."""
        if not self.changes:
            return texts
        import pyarrow as pa

        coded = texts.dictionary_encode()
        known = pa.array([self.value(cell) for cell in coded.dictionary.to_pylist()], texts.type)
        return known.take(coded.indices)

    def value(self, cell: str) -> str:
        if self.number.match(cell):
            bare = cell.replace(self.dialect.thousands, "") if self.dialect.thousands else cell
            return bare.replace(self.dialect.decimal or ".", ".").lstrip("+")
        if self.dates:
            try:
                found = datetime.datetime.strptime(cell.strip(), self.dates)
            except ValueError:
                return cell
            timed = any(code in self.dates for code in ("%H", "%I", "%M", "%S", "%T", "%X", "%c"))
            if found.tzinfo is not None:  # a moment counts as UTC
                found = found.astimezone(datetime.UTC).replace(tzinfo=None)
            return found.isoformat() if timed else found.date().isoformat()
        return cell

    @cached_property
    def number(self) -> re.Pattern[str]:
        decimal, thousands = re.escape(self.dialect.decimal or "."), re.escape(self.dialect.thousands)
        grouped = rf"[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|" if thousands else ""
        return re.compile(rf"[+-]?(?:{grouped}0|[1-9]\d*)(?:{decimal}\d+)?\Z", re.ASCII)


def with_own_signs(cells: Any, quote: str) -> Any:
    """The texts with the signs that stood in the file, which the reader of records was given the other way round."""
    import pyarrow.compute as pc

    if not quote:
        return pc.replace_substring(cells, NO_QUOTE, '"')
    held = pc.replace_substring(cells, '"', "\x00")
    return pc.replace_substring(pc.replace_substring(held, quote, '"'), "\x00", quote)
