"""What a look at a CSV file's records finds, block by block.

In: blocks of records with their cells. Out: the columns' names and what their cells are, and notes. Law: what is found
does not depend on how records are cut into blocks; a look may go on, by its state, where a file has grown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.context.columns.declared_columns import Declared
from rlm_dsl.context.columns.hints import OddColumn, breaking, hints
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.text_columns import Seen, observe
from rlm_dsl.context.files.map_ahead import map_ahead
from rlm_dsl.context.formats.csv.blocks import Block
from rlm_dsl.context.formats.csv.cells import Cells
from rlm_dsl.context.formats.csv.dialect import Dialect
from rlm_dsl.context.rows.counted import CountedRows
from rlm_dsl.language.types import TEXT, bare

MANY = 10_000
"""Records of a block, from which on its columns are looked at beside each other."""
EXTRA = "extra_fields"
DOES_NOT_FIT = "a cell that does not fit"


def too_few() -> CountedRows:
    return CountedRows("too few fields (the rest is null)")


def too_many() -> CountedRows:
    return CountedRows("too many fields")


@dataclass(slots=True)
class Survey:
    """The columns' names, what was changed of them, what their cells are; the rows that are odd; how many lines are
    blank or passed over; whether all is UTF-8; the line behind the last."""

    names: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    columns: list[Seen | Declared] = field(default_factory=list)
    misfits: dict[str, CountedRows] = field(default_factory=dict)
    stray: CountedRows = field(default_factory=lambda: CountedRows("stray quotes (read as they stand)"))
    short: CountedRows = field(default_factory=too_few)
    long: CountedRows = field(default_factory=too_many)
    blank: int = 0
    valid: bool = True
    line: int = 1
    returns: bool = False
    """Whether lines that end in CR alone were found among others."""
    odd: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Of columns that are text: the line and text of the cell at which no other type was left."""

    @property
    def extra(self) -> str:
        """The column of the fields that are too many, if there are any."""
        return free_names([*self.names, EXTRA])[0][-1] if self.long.count else ""

    @property
    def found(self) -> dict[str, Seen | Declared]:
        held: dict[str, Seen | Declared] = dict(zip(self.names, self.columns, strict=True))
        return held | ({self.extra: Seen((), True, missing=True)} if self.extra else {})

    def notes(self, passed: int) -> list[str]:
        long = CountedRows(f"{self.long.what} (kept in `{self.extra}`)", self.long.count, self.long.first)
        told = [*self.told, *(note for bad in self.misfits.values() for note in bad.note())]
        told += [*self.stray.note(), *self.short.note(), *long.note()]
        told += [f"{self.blank - passed:,} blank lines were passed over"] if self.blank > passed else []
        told += [] if self.valid else ["bytes that are not UTF-8 are shown as U+FFFD"]
        return told + (["some lines end in CR alone"] if self.returns else [])

    def hints(self, cells: Cells) -> list[str]:
        """How columns of texts would be numbers or days; of each, the cell that made it text."""
        said, odd = cells.spelling, []
        for place, (name, column) in enumerate(zip(self.names, self.columns, strict=True)):
            if name not in self.odd or not isinstance(column, Seen):
                continue
            line, cell = self.odd[name]
            sample = [record[place] for record in cells.dialect.sample if len(record) > place]
            known = [said.value(each) for each in sample if each not in said.nulls]
            odd.append(OddColumn(name, known, cell, f"line {line}"))
        return hints(odd, said)

    def look_at(self, block: Block, cells: Cells) -> list[Any]:
        """Look at more records; gives their cells, an array a column."""
        width = len(self.names)
        self.stray.add(list(block.stray))
        self.short.add(block.lines[block.counts < width].tolist())
        self.long.add(block.lines[block.counts > width].tolist())
        self.blank, self.valid, self.line = self.blank + block.blank, self.valid and block.valid, block.next_line
        if not len(block.counts):
            return []

        def look(index: int) -> Look:
            return look_at_column(self.columns[index], block, index, cells)

        looks = list((map_ahead if len(block.counts) >= MANY else map)(look, range(width)))
        for name, look_of in zip(self.names, looks, strict=True):
            if look_of.odd is not None:
                self.odd[name] = look_of.odd
            if isinstance(look_of.column, Declared):
                what = f"{DOES_NOT_FIT} `{name}: {look_of.column.declared}` (null)"
                self.misfits.setdefault(name, CountedRows(what)).add(look_of.wrong)
        self.columns = [look_of.column for look_of in looks]
        return [look_of.texts for look_of in looks]

    def state(self, dialect: Dialect) -> dict[str, Any] | None:
        """How the look goes on where a file grows; None where what follows may change how records before were read, as
        a quote does that closes one that never was."""
        if self.stray.count or self.returns or not self.valid or not self.names:
            return None
        held = {"dialect": sure(dialect), "names": self.names, "told": self.told, "blank": self.blank}
        places = {name: [of.count, of.first] for name, of in (("short", self.short), ("long", self.long))}
        misfits = {name: [of.what, of.count, of.first] for name, of in self.misfits.items()}
        return {
            **held,
            **places,
            "line": self.line,
            "misfits": misfits,
            "odd": {name: list(at) for name, at in self.odd.items()},
        }


@dataclass(frozen=True, slots=True)
class Look:
    """A block's cells of one column, what is known of it with them, the lines of those that do not fit, and the line
    and text of that at which no type but text was left."""

    texts: Any
    column: Seen | Declared
    wrong: list[int]
    odd: tuple[int, str] | None


def look_at_column(column: Seen | Declared, block: Block, index: int, cells: Cells) -> Look:
    held = cells.texts(block.column(index))
    if isinstance(column, Seen):
        values = cells.values(held)
        made = observe(column, values)
        place = breaking(values, column.types) if column.types and not made.types else None
        return Look(held, made, [], None if place is None else (int(block.lines[place]), held[place].as_py()))
    declared, wrong = column.look_at(held if bare(column.declared) == TEXT else cells.values(held))
    return Look(held, declared, block.lines[wrong].tolist() if wrong else [], None)


def sure(dialect: Dialect) -> list[Any]:
    """What of a dialect tells how records are read."""
    return [dialect.delimiter, dialect.quote, dialect.headed, dialect.decimal, dialect.thousands, dialect.padded]


def survey_of_state(state: Mapping[str, Any], columns: Mapping[str, Any]) -> Survey:
    """What was found before, to go on with. Raises what Python does where the state is none."""
    names = [str(name) for name in state["names"]]
    short, long = too_few(), too_many()
    for places, held in ((short, state["short"]), (long, state["long"])):
        places.count, places.first = int(held[0]), [int(line) for line in held[1]]
    seen = [columns[name] for name in names]
    told = [str(note) for note in state["told"]]
    misfits = {str(name): CountedRows(*told) for name, told in state["misfits"].items()}
    odd = {str(name): (int(line), str(cell)) for name, (line, cell) in state["odd"].items()}
    return Survey(
        names, told, seen, misfits, odd=odd, short=short, long=long, blank=int(state["blank"]), line=int(state["line"])
    )
