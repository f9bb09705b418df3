"""Rows that have something a person should know: how many, and where the first of them are.

In: lines, a batch after the other. Out: a note. Law: of rows that have nothing, none is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class CountedRows:
    """How many rows have something, and the lines of the first of them."""

    what: str
    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, lines: list[int]) -> None:
        self.count += len(lines)
        self.first = [*self.first, *lines][:5]

    def note(self) -> list[str]:
        places = ", ".join(map(str, self.first))
        return [f"{self.count:,} rows have {self.what}, first in line {places}"] if self.count else []
