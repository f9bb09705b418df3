"""CSV and TSV as rows, each with its bytes.

In: one file with a header, after RFC 4180. Out: typed columns. Law: a row's bytes are its record in the file, line end
left out; a row with too few or too many fields is kept, and counted in the notes, and so is a line whose quotes are
none of RFC 4180's, which is read as it stands (see records).

A file is gone through twice: first for names, types and notes, then for rows, a batch at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.text_columns import Seen, cast_cells, observe
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.formats.csv.blocks import Block, blocks
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.file_tables import Surveyed
from rlm_dsl.language.types import Table, bare

EXTRA = "extra_fields"
BATCH = 100_000
"""Rows of a batch at most."""
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
    survey = survey_records(content, delimiter, given)
    width = len(survey.names)
    columns: dict[str, Seen] = dict(zip(survey.names, survey.columns, strict=True))
    if survey.extra:
        columns[survey.extra] = Seen((), True, missing=True)

    def made(content: bytes, schema: Table) -> Iterator[Any]:
        return rows(content, delimiter, given, schema, width)

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


def survey_records(content: bytes, delimiter: str, given: str) -> Survey:
    """Names, the types that all cells have, and what a person should know."""
    stray, short = Places("stray quotes (read as they stand)"), Places("too few fields (the rest is null)")
    long = Places("too many fields")
    names: list[str] = []
    told: list[str] = []
    columns: list[Seen] = []
    blank, valid = 0, True
    for block, header in blocks_with_header(content, delimiter, given):
        if header is not None:
            names, told = free_names(header)
            columns = [Seen()] * len(names)
        stray.add(list(block.stray))
        short.add(block.lines[block.counts < len(names)].tolist())
        long.add(block.lines[block.counts > len(names)].tolist())
        blank, valid = blank + block.blank, valid and block.valid
        if len(block.counts):
            columns = [observe(column, block.column(index)) for index, column in enumerate(columns)]
    extra = free_names([*names, EXTRA])[0][-1] if long.count else ""
    long.what += f" (kept in `{extra}`)"
    notes = [*told, *stray.note(), *short.note(), *long.note()]
    notes += [f"{blank:,} blank lines were passed over"] if blank else []
    notes += [] if valid else ["bytes that are not UTF-8 are shown as U+FFFD"]
    return Survey(names, columns, notes, extra)


def blocks_with_header(content: bytes, delimiter: str, given: str) -> Iterator[tuple[Block, list[str] | None]]:
    """The blocks without the header's record, whose fields come with the block that it begins."""
    headed = False
    for block in blocks(content, delimiter, given):
        if headed or not len(block.counts):
            yield block, None
        else:
            headed = True
            yield block.rows(1), block.record(0)


def rows(content: bytes, delimiter: str, given: str, schema: Table, width: int) -> Iterator[Any]:
    """The typed rows, a batch at a time; one batch at least."""
    for block, header in blocks_with_header(content, delimiter, given):
        for begin in range(0, max(len(block.counts), header is not None), BATCH):
            yield batch(block.rows(begin, begin + BATCH), schema, width)


def batch(block: Block, schema: Table, width: int) -> Any:
    import numpy as np
    import pyarrow as pa

    made: dict[str, Any] = {
        "#source": np.zeros(len(block.counts), np.int32),
        "#line": block.lines,
        "#lo": block.starts,
        "#hi": block.ends,
    }
    for index, column in enumerate(schema.columns[:width]):
        made[column.name] = cast_cells(block.column(index), bare(column.type))
    for column in schema.columns[width:]:
        made[column.name] = pa.array(block.surplus(width), pa.large_string())
    return pa.table(made)
