"""Relations: tables as they stand in a query, with the hidden columns that travel with every table.

In: a quoted name and a type. Out: the relation, its columns as SQL. Law: `#ord` is unique and rises in the table's
order; `#row`, `#lo` and `#hi`, or `#from`, say which context rows and bytes a row came from.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlm_dsl.language.sql import Sql, joined, name, names, sql
from rlm_dsl.language.types import Table

ORD = "#ord"
"""The hidden column that holds a row's place in its table: unique in the table, rising in the table's order."""
KEY = "#key"
"""In a table of answers: the `#ord` of the row that was asked for, or of the first row of its group."""
ROW, LO, HI = "#row", "#lo", "#hi"
"""The context row that a row came from, and the byte range in its source, which extract and partition narrow."""
FROM = "#from"
"""Instead of the three: a list of {row, lo, hi}, for a row that unites several."""
SOURCE_BITS = 36
"""A row's number stands in the lower bits of its id (`#row`), its source and context above them."""
VALUE = "value"
"""The one column of a step whose result is a value and no table."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it stands in a query: its quoted name, its type, and whether its rows unite several. `own` is the
    column that holds the very bytes from `#lo` to `#hi` of a row's source, if one does. `vast` is true where it comes
    from a context of so many rows that their places may not fit into memory."""

    sql: Sql
    type: Table
    united: bool
    own: str = ""
    vast: bool = False

    @property
    def hidden(self) -> tuple[str, ...]:
        """The hidden columns beside the typed ones, the order's first."""
        return (ORD, *self.origin)

    @property
    def origin(self) -> tuple[str, ...]:
        return (FROM,) if self.united else (ROW, LO, HI)

    def columns(self, of: str = "") -> Sql:
        """The typed columns and the hidden ones, each as `of.column` if `of` is given."""
        return qualified((*self.type.names, *self.hidden), of)


def qualified(columns: tuple[str, ...], of: str) -> Sql:
    return joined(", ", (sql("{t}.{c}", t=name(of), c=name(c)) for c in columns)) if of else names(columns)


def source_of(relation: Relation) -> Sql:
    """The source that a row comes from (a file of a context); all rows of united tables count as one source."""
    return sql("1") if relation.united else sql(f"{{row}} >> {SOURCE_BITS}", row=name(ROW))
