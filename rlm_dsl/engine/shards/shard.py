"""A shard: rows of a context in a file that any worker can make again from its sources.

In: what is read, and how. Out: values that travel to workers. Law: a shard's file is named by what it is made of, so
that it is made once, by whoever needs it first, and never stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.files.find import Found
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.file_tables import Whole
from rlm_dsl.language.types import Table


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files of a context are read; `whole` are the columns of all of them, where what one shard finds is not
    enough to know; `memory` are the bytes that a task may take."""

    name: str
    given: str
    format: str
    options: ReadingOptions
    declared: Table | None = None
    many: bool = False
    whole: Whole | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """The files of one shard, or the lines of one that begin in a `span` of its `size` bytes. `key` names what is made
    of them; `folder` is where that is kept."""

    key: str
    folder: str
    reading: Reading
    files: tuple[Found, ...]
    span: tuple[int, int] | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a shard's files were found to be. `found` are its columns before they are read as declared; `seen` is what
    was seen of these (see Cast.seen); `skipped` counts files that are no text; `kept` is the file with its rows, which
    are numbered from 0, as its sources are."""

    format: str
    schema: Table
    found: Table | None
    count: int
    sources: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    surveys: tuple[str, ...]
    seen: tuple[Any, ...]
    skipped: Mapping[str, int]
    kept: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows `begin` to below `past` of a file of rows; `first` is the number in the whole context of the file's row 0,
    `source` the index there of its source 0. `files` tell how the file is made again; None where it is a kept one."""

    key: str
    kept: str
    begin: int
    past: int
    first: int
    source: int
    files: ShardFiles | None = None
    wanted: tuple[int, ...] = ()
    """Rows by their numbers in the whole context, which a query may read in the table `#wanted`."""

    @property
    def lines(self) -> int:
        """How many lines of its file stand before those that it numbers from 1."""
        return self.first if self.files is not None and self.files.span is not None else 0

    @property
    def count(self) -> int:
        return self.past - self.begin
