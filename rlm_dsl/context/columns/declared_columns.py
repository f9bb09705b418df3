"""A column of text cells whose type a program declares.

In: a column's cells, a batch after the other. Out: its type, and which cells are none of it. Law: a declaration beats
what cells look like; what does not fit is null and counted; where nothing fits, the column is another one, and stays
text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.context.columns.declared_cells import is_readable, read_cells
from rlm_dsl.context.columns.text_columns import Seen
from rlm_dsl.language.types import TEXT, Table, Type, bare, is_nullable


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of the cells: the type that is declared, how many hold something, how many of these are none."""

    declared: Type
    present: int = 0
    bad: int = 0

    @property
    def type(self) -> Type:
        return TEXT if self.bad and self.bad >= self.present else self.declared

    def look_at(self, cells: Any) -> tuple[Declared, list[int]]:
        """What is known with these cells too, and the places of those that are null though none may be, or no value."""
        import numpy as np
        import pyarrow.compute as pc

        kind = bare(self.declared)
        held = pc.fill_null(pc.greater(pc.binary_length(cells), 0), False)
        wrong = read_cells(cells, self.declared)[1]
        made = replace(self, present=self.present + (pc.sum(held).as_py() or 0), bad=self.bad + len(wrong))
        if is_nullable(self.declared):
            return made, wrong
        there = pc.is_valid(cells) if kind == TEXT else held
        absent = np.flatnonzero(~there.to_numpy(zero_copy_only=False)).tolist()
        return made, sorted({*wrong, *absent})

    def together(self, other: Any) -> Declared:
        return replace(self, present=self.present + other.present, bad=self.bad + other.bad)


def column_seen(name: str, declared: Table | None) -> Seen | Declared:
    """How a column begins: by its declaration, where cells can be read so. Files of one table may spell a column in
    other cases: what is declared of one spelling holds for all."""
    own = declared.column(name) if declared is not None else None
    others = [column.type for column in declared.columns if column.name.lower() == name.lower()] if declared else []
    type_ = own if own is not None or len(others) != 1 else others[0]
    return Declared(type_) if type_ is not None and is_readable(type_) else Seen()
