"""What a file format is: its name, how it is known, how it is loaded, what its rows are.

In: what the modules of `formats/` say of themselves. Out: values that loading, stored contexts, help and docs read.
Law: what is not said here of a format is known of it nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.blocks import Block, Files
from rlm_dsl.context.files.read import Progress
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions
from rlm_dsl.context.rows.file_tables import GoOn, Survey, TableKind, load_tables
from rlm_dsl.language.types import Table


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What is to be loaded: what a user gives, how it is to be read, and the table that a program declares of it;
    `memory` are the bytes that what a file computes may take, such as a view of a database; `name` is what problems
    call the table."""

    given: str
    options: ReadingOptions = NO_OPTIONS
    declared: Table | None = None
    progress: Progress | None = None
    memory: int | None = None
    name: str = ""


Loader = Callable[[LoadRequest], Loaded]
"""From what a user gives to its rows. Raises UserError for what cannot be read."""


@dataclass(frozen=True, slots=True)
class Append:
    """How rows are read behind those that were read before, from files that came and a last one that has grown.

    `rows_of` takes the files, whether what was given names several, and the lines of each source that were read before.
    """

    rows_of: Callable[[Files, bool, Counter[int]], Loaded]
    notes_of: Callable[[Block], Sequence[str]] | None = None
    """The notes on a part of a file, which are taken back where it is read again; None where a row is a whole file,
    so that one that has grown is another row."""

    @property
    def whole(self) -> bool:
        return self.notes_of is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format, said as `NAME:format=PATH`; `summary` tells what its rows are."""

    name: str
    summary: str
    load: Loader
    endings: tuple[str, ...] = ()
    """Of its files, in lower case."""
    schemes: tuple[str, ...] = ()
    """Of addresses, in lower case, where its data is no file."""
    by_ending: bool = True
    """Whether an ending is enough to know it by; otherwise it is said, and is text where it is not."""
    many: bool = False
    """Whether the files of a folder or glob are loaded as one."""
    extra: str = ""
    """What of `pip install 'rlm-dsl[...]'` it needs."""
    own: str = ""
    """The column that holds a row's very bytes, if there is one."""
    append: Append | None = None
    options: tuple[str, ...] = ()
    """The reading options that it takes, in the order of help and docs."""
    table: TableKind | None = None
    """Where its files are tables: how one is surveyed, so that many are one table."""


def table_format(
    name: str,
    summary: str,
    survey: Survey,
    endings: tuple[str, ...],
    options: tuple[str, ...] = (),
    extra: str = "",
    go_on: GoOn | None = None,
) -> Format:
    """A format whose files are tables, one of which is surveyed so."""
    kind = TableKind(name, endings, survey, "sheet" in options, "encoding" in options, go_on)

    def load(request: LoadRequest) -> Loaded:
        return load_tables(kind, request.given, request.options, request.declared, request.progress)

    return Format(
        name=name, summary=summary, load=load, endings=endings, many=True, extra=extra, options=options, table=kind
    )
