"""A loaded corpus: rows with their columns, and where each row came from.

In: what a loader read. Out: an immutable value.
Law: `#lo` and `#hi` are the bytes of the row in its source file; a digest depends on content, never on where it lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.common.html import escaped, html_table
from rlm_dsl.common.well_formed import well_formed, well_formed_name
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions
from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import Table, quoted_name

if TYPE_CHECKING:
    import pyarrow as pa

ROW, SOURCE, LINE, LO, HI = "#row", "#source", "#line", "#lo", "#hi"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that was read: its path as given, size in bytes, sha256 of its bytes. `shown` is its `path` value;
    `held` are the bytes of a text that is no file; `encoding` is Python's name of what its text is in."""

    index: int
    path: str
    size: int
    sha256: str
    shown: str = ""
    held: bytes | None = None
    encoding: str = "utf-8"

    @property
    def name(self) -> str:
        """The path as traces and people are shown it: bytes of it that are no UTF-8 are escapes."""
        return well_formed_name(self.path)


@dataclass(slots=True)
class Loaded:
    """What a loader gives: rows in batches, and what is known of them once the last batch is taken.

    A batch holds `#source #line #lo #hi` (int32, int64s; places null where there are none), then the schema's columns.
    """

    format: str
    schema: Table
    batches: Iterable[pa.Table]
    sources: list[SourceFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refusal: UserError | None = None
    """Of data without a column, which is refused where nobody declares any."""
    surveys: Sequence[Any] = ()
    """What was found of each source of a table, where a source that has grown is read on by it."""
    found: Table | None = None
    casts: Sequence[Any] = ()
    """Where the rows are as a program declares them: the types found, and what was seen of each column."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Rows in an engine's file: in its table `rows`, columns as in a context, those numbered from `first` to below
    `past`."""

    path: str
    first: int
    past: int


SHOWN_ROWS = 10
"""First rows that a notebook shows of a context."""


@dataclass(frozen=True, slots=True)
class GivenRows:
    """What one place of several gave: rows, and how many each step that was counted had there."""

    rows: pa.Table
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """What is asked of a context's rows elsewhere: in `query` they are the table `context`, the one of this `number` in
    the run, and `tables` stand beside. `counting` gives the rows of the steps `counted`. With `wanted`, rows by their
    numbers in the context, places that have none of these are not asked, and the others have theirs in a table
    `#wanted` of one column, `number`."""

    context: str
    number: int
    schema: Table
    query: Sql
    counting: Sql | None = None
    counted: tuple[str, ...] = ()
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    wanted: Sequence[int] | None = None


class RowsElsewhere(Protocol):
    """Rows that lie in several places, one after the other, where queries are sent to."""

    @property
    def num_rows(self) -> int: ...

    def ask(self, asked: RowsQuery) -> Iterator[GivenRows]:
        """What a query gives of each place's rows, place after place."""


@dataclass(frozen=True, slots=True)
class Context:
    """A corpus by name. Its rows have `#row #source #line #lo #hi`, then the schema's columns in order; they lie in
    memory, in files one after the other, or elsewhere. `options` are how they were asked to be read."""

    name: str
    format: str
    given: str
    schema: Table
    rows: pa.Table | tuple[StoredPart, ...] | RowsElsewhere
    sources: tuple[SourceFile, ...]
    notes: tuple[str, ...] = ()
    options: ReadingOptions = NO_OPTIONS

    def __post_init__(self) -> None:
        if well_formed(self.name) != self.name:
            raise UserError(f"a context's name is no text: {self.name!a}", "write it in UTF-8: NAME=PATH")

    @property
    def count(self) -> int:
        """How many rows there are."""
        rows = self.rows
        return int(sum(part.past - part.first for part in rows) if isinstance(rows, tuple) else rows.num_rows)

    def _repr_html_(self) -> str:
        """For notebooks: what was read, and the first rows where they lie in memory."""
        told = f"{counted(self.count, 'row')} of {self.schema} from {counted(len(self.sources), 'file')}"
        notes = "".join(f"<div>{escaped(f'note: {note}')}</div>" for note in self.notes)
        if hasattr(self.rows, "select"):
            shown = self.rows.select(list(self.schema.names)).slice(0, SHOWN_ROWS).to_pylist()
            notes += html_table(self.schema.names, [list(row.values()) for row in shown])
        return f"<div><b>{escaped(self.name)}</b> {escaped(told)}{notes}</div>"

    @property
    def names_files(self) -> bool:
        """Whether a column tells of a row's file under another name than `path`, or what its folders are called."""
        names = {name.lower() for name in self.schema.names}
        folders = {part.partition("=")[0].strip().lower() for s in self.sources for part in s.shown.split("/")[:-1]}
        return bool(names & {"file_path", "path_of_file", *folders})

    @property
    def digest(self) -> str:
        """Identity of what was read: format, schema, each file's size and sha256 (and `path`, where shown), and the
        options by which it was read, if there are any."""
        named = self.schema.column("path") is not None or (len(self.sources) > 1 and self.names_files)
        files = [[s.size, s.sha256, s.shown if named else ""] for s in self.sources]
        said = [self.options.said] if self.options else []
        return identity("context-v1", [self.format, str(self.schema), files, *said])


def context_line(context: Context) -> str:
    """The `context` line of a program over this corpus."""
    return f"context {quoted_name(context.name)}: {context.schema}"
