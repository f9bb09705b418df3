"""CSV and TSV as rows, each with its bytes.

In: one file with a header, after RFC 4180. Out: typed columns. Law: a row's bytes are its record in the file, line end
left out; a row with too few or too many fields is kept, and counted in the notes, and so is a line whose quotes are
none of RFC 4180's, which is read as it stands (see records).

A file is gone through twice: first for names, types and notes, then for rows, a batch at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.text_columns import Seen, cast_cells, observe
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.formats.csv.blocks import Block, blocks
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.file_tables import Surveyed, one_ahead
from rlm_dsl.language.types import Table, bare

EXTRA = "extra_fields"
BATCH = 100_000
"""Rows of a batch at most."""
KEPT = 1 << 26
"""A file of so many bytes is parsed once: where its cells lie is kept from the first look at them to the second."""
Headed = tuple[Block, list[str] | None]
"""A block, and the header that stands before it, if it is the first."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A block, whether it is the first, and its records' cells, an array a column."""

    block: Block
    first: bool
    cells: list[Any]


NOT_BLANK = re.compile(rb"[^\r\n]")


@dataclass(slots=True)
class Places:
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


@dataclass(slots=True)
class Survey:
    """What the first look at a file's records finds."""

    names: list[str]
    columns: list[Seen]
    notes: list[str]
    extra: str = ""


def survey_csv(read: Read, options: ReadingOptions, declared: Table | None, delimiter: str = ",") -> Surveyed:
    """One CSV file. Raises UserError for what is no text."""
    content, given = read.content, read.source.path
    if not NOT_BLANK.search(content, len(BOM) if content.startswith(BOM) else 0):
        refusal = UserError(f"{given} is empty", "a CSV file begins with a header line")
        return Surveyed("tsv" if delimiter == "\t" else "csv", {}, lambda _, schema: (), (), refusal)
    delimiter, noted = choose_delimiter(content, delimiter)
    parsed: list[Parsed] | None = [] if read.kept and len(content) <= KEPT else None
    survey = survey_records(content, delimiter, given, parsed)
    width = len(survey.names)
    columns: dict[str, Seen] = dict(zip(survey.names, survey.columns, strict=True))
    if survey.extra:
        columns[survey.extra] = Seen((), True, missing=True)

    def made(content: bytes, schema: Table) -> Iterator[Any]:
        return rows(parsed or parsed_blocks(content, delimiter, given, width), schema, width)

    return Surveyed("tsv" if delimiter == "\t" else "csv", columns, made, [*noted, *survey.notes])


def choose_delimiter(content: bytes, delimiter: str) -> tuple[str, list[str]]:
    """The delimiter asked for, or the one that the header has instead."""
    feed = content.find(b"\n")
    header = content[: feed if feed >= 0 else None].decode("utf-8", "replace")
    if delimiter == "," and "," not in header:
        for other, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if other in header:
                return other, [f"fields are separated by {word}"]
    return delimiter, []


def survey_records(content: bytes, delimiter: str, given: str, parsed: list[Parsed] | None = None) -> Survey:
    """Names, the types that all cells have, and what a person should know; the blocks are kept in `parsed`."""
    stray, short = Places("stray quotes (read as they stand)"), Places("too few fields (the rest is null)")
    long = Places("too many fields")
    names: list[str] = []
    told: list[str] = []
    columns: list[Seen] = []
    blank, valid = 0, True
    for block, header in one_ahead(blocks_with_header(content, delimiter, given)):
        if header is not None:
            names, told = free_names(header)
            columns = [Seen()] * len(names)
        stray.add(list(block.stray))
        short.add(block.lines[block.counts < len(names)].tolist())
        long.add(block.lines[block.counts > len(names)].tolist())
        blank, valid = blank + block.blank, valid and block.valid
        cells = [block.column(index) for index in range(len(names))] if len(block.counts) else []
        if cells:
            columns = [observe(column, held) for column, held in zip(columns, cells, strict=True)]
        if parsed is not None:
            parsed.append(Parsed(block, header is not None, cells))
    extra = free_names([*names, EXTRA])[0][-1] if long.count else ""
    long.what += f" (kept in `{extra}`)"
    notes = [*told, *stray.note(), *short.note(), *long.note()]
    notes += [f"{blank:,} blank lines were passed over"] if blank else []
    notes += [] if valid else ["bytes that are not UTF-8 are shown as U+FFFD"]
    return Survey(names, columns, notes, extra)


def blocks_with_header(content: bytes, delimiter: str, given: str) -> Iterator[Headed]:
    """The blocks without the header's record, whose fields come with the block that it begins."""
    headed = False
    for block in blocks(content, delimiter, given):
        if headed or not len(block.counts):
            yield block, None
        else:
            headed = True
            yield block.rows(1), block.record(0)


def parsed_blocks(content: bytes, delimiter: str, given: str, width: int) -> Iterator[Parsed]:
    """The blocks with their cells, a column each."""
    for block, header in one_ahead(blocks_with_header(content, delimiter, given)):
        yield Parsed(block, header is not None, [block.column(index) for index in range(width)])


def rows(blocks: Iterable[Parsed], schema: Table, width: int) -> Iterator[Any]:
    """The typed rows, a batch at a time; one batch at least."""
    for each in blocks:
        for begin in range(0, max(len(each.block.counts), each.first), BATCH):
            cells = [held.slice(begin, BATCH) for held in each.cells] or [each.block.column(n) for n in range(width)]
            yield batch(each.block.rows(begin, begin + BATCH), cells, schema, width)


def batch(block: Block, cells: Sequence[Any], schema: Table, width: int) -> Any:
    import numpy as np
    import pyarrow as pa

    made: dict[str, Any] = {
        "#source": np.zeros(len(block.counts), np.int32),
        "#line": block.lines,
        "#lo": block.starts,
        "#hi": block.ends,
    }
    for column, held in zip(schema.columns[:width], cells, strict=True):
        made[column.name] = cast_cells(held, bare(column.type))
    for column in schema.columns[width:]:
        made[column.name] = pa.array(block.surplus(width), pa.large_string())
    return pa.table(made)
