"""CSV cells as options have them: quotes, null words, decimal signs, units, dates.

In: a column's cells as texts. Out: the texts, and the same as the language writes such values. Law: a cell that an
option does not concern stays as it is; a column of texts is never rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.columns.spelling import Spelling
from rlm_dsl.context.formats.csv.dialect import NO_QUOTE, Dialect, spelling_of
from rlm_dsl.context.options import ReadingOptions


@dataclass(frozen=True, slots=True)
class Cells:
    """How a file's cells are read."""

    dialect: Dialect
    spelling: Spelling

    @staticmethod
    def of(dialect: Dialect, options: ReadingOptions) -> Cells:
        return Cells(dialect, spelling_of(dialect, options))

    def texts(self, cells: Any) -> Any:
        """The cells with null for null words, and with the signs that the file has."""
        if self.dialect.quote != '"':
            cells = with_own_signs(cells, self.dialect.quote)
        return self.spelling.with_nulls(cells)

    def values(self, texts: Any) -> Any:
        """The texts, numbers and days among them as the language writes them."""
        return self.spelling.values(texts)


def with_own_signs(cells: Any, quote: str) -> Any:
    """The texts with the signs that stood in the file, which the reader of records was given the other way round."""
    import pyarrow.compute as pc

    if not quote:
        return pc.replace_substring(cells, NO_QUOTE, '"')
    held = pc.replace_substring(cells, '"', "\x00")
    return pc.replace_substring(pc.replace_substring(held, quote, '"'), "\x00", quote)
