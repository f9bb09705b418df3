"""CSV and TSV as rows, each with its bytes.

In: one file with a header, after RFC 4180. Out: typed columns. Law: a row's bytes are its record in the file, line end
left out; a row with too few or too many fields is kept, and counted in the notes, and so is a line whose quotes are
none of RFC 4180's, which is read as it stands (see records).

A file is gone through twice: first for names, types and notes, then for rows, a batch at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.declared_cells import read_cells
from rlm_dsl.context.columns.declared_columns import Declared, column_seen
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.text_columns import Seen, cast_cells, observe
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.formats.csv.blocks import Block, blocks
from rlm_dsl.context.formats.csv.cells import Cells, with_own_signs
from rlm_dsl.context.formats.csv.dialect import find_dialect, prepare
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.counted import CountedRows
from rlm_dsl.context.rows.file_tables import Surveyed, one_ahead
from rlm_dsl.language.types import TEXT, Table, bare

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
class Survey:
    """What the first look at a file's records finds."""

    names: list[str]
    columns: dict[str, Seen | Declared]
    notes: list[str]
    returns: bool = False
    """Whether lines that end in CR alone were found among others."""


def survey_csv(read: Read, options: ReadingOptions, declared: Table | None, delimiter: str = ",") -> Surveyed:
    """One CSV file. Raises UserError for what is no text."""
    content, given = read.content, read.source.path
    dialect = find_dialect(content, options, delimiter)
    form = "tsv" if dialect.delimiter == "\t" else "csv"
    prepared = prepare(content, options)[0]
    if not NOT_BLANK.search(prepared, len(BOM) if content.startswith(BOM) else 0):
        refusal = UserError(f"{given} is empty", "a CSV file begins with a header line")
        return Surveyed(form, {}, lambda _, schema: (), (), refusal)
    cells = Cells.of(dialect, options)
    parsed: list[Parsed] | None = [] if read.kept and len(content) <= KEPT else None
    try:
        survey = survey_records(prepared, cells, given, declared, parsed)
    except UserError as failure:
        if options.earlier or LONE_RETURN not in failure.message:
            raise
        parsed = None
        survey = survey_records(with_line_feeds(prepared), cells, given, declared)
        survey.notes.append("some lines end in CR alone")
        survey.returns = True
    width = len(survey.names)

    def made(again: bytes, schema: Table) -> Iterator[Any]:
        if parsed:
            return rows(parsed, cells, schema, width, survey.columns)
        held = prepare(again, options)[0]
        held = with_line_feeds(held) if survey.returns else held
        return rows(parsed_blocks(held, cells, given, width), cells, schema, width, survey.columns)

    return Surveyed(form, survey.columns, made, [*dialect.notes, *survey.notes])


LONE_RETURN = "a line ends in CR alone"
DOES_NOT_FIT = "a cell that does not fit"


def with_line_feeds(content: bytes) -> bytes:
    """The text with LF in place of each CR that no LF follows."""
    return re.sub(rb"\r(?![\r\n])", b"\n", content)


def survey_records(
    content: bytes, cells: Cells, given: str, declared: Table | None, parsed: list[Parsed] | None = None
) -> Survey:
    """Names, the types that all cells have or that are declared, and what a person should know; the blocks are kept in
    `parsed`."""
    stray, short = CountedRows("stray quotes (read as they stand)"), CountedRows("too few fields (the rest is null)")
    long = CountedRows("too many fields")
    names: list[str] = []
    told: list[str] = []
    columns: list[Seen | Declared] = []
    misfits: dict[str, CountedRows] = {}
    blank, valid = -cells.dialect.passed, True
    for block, header in one_ahead(blocks_with_header(content, cells, given)):
        if header is not None:
            names, told = free_names(header)
            columns = [column_seen(name, declared) for name in names]
        stray.add(list(block.stray))
        short.add(block.lines[block.counts < len(names)].tolist())
        long.add(block.lines[block.counts > len(names)].tolist())
        blank, valid = blank + block.blank, valid and block.valid
        texts = [cells.texts(block.column(index)) for index in range(len(names))] if len(block.counts) else []
        for index, (column, held) in enumerate(zip(columns, texts, strict=False)):
            if isinstance(column, Seen):
                columns[index] = observe(column, cells.values(held))
                continue
            columns[index], wrong = column.look_at(held if bare(column.declared) == TEXT else cells.values(held))
            what = f"{DOES_NOT_FIT} `{names[index]}: {column.declared}` (null)"
            misfits.setdefault(names[index], CountedRows(what)).add(block.lines[wrong].tolist() if wrong else [])
        if parsed is not None:
            parsed.append(Parsed(block, header is not None, texts))
    extra = free_names([*names, EXTRA])[0][-1] if long.count else ""
    long.what += f" (kept in `{extra}`)"
    told += [note for bad in misfits.values() for note in bad.note()]
    notes = [*told, *stray.note(), *short.note(), *long.note()]
    notes += [f"{blank:,} blank lines were passed over"] if blank > 0 else []
    notes += [] if valid else ["bytes that are not UTF-8 are shown as U+FFFD"]
    found: dict[str, Seen | Declared] = dict(zip(names, columns, strict=True))
    if extra:
        found[extra] = Seen((), True, missing=True)
    return Survey(names, found, notes)


def blocks_with_header(content: bytes, cells: Cells, given: str) -> Iterator[Headed]:
    """The blocks without the header's record, whose fields come with the block that it begins; without a header the
    columns are numbered."""
    headed = False
    for block in blocks(content, cells.dialect.delimiter, given):
        if headed or not len(block.counts):
            yield block, None
        elif cells.dialect.headed:
            headed = True
            yield block.rows(1), own_header(block.record(0), cells)
        else:
            headed = True
            yield block, [f"column_{number}" for number in range(1, int(block.counts[0]) + 1)]


def own_header(fields: list[str], cells: Cells) -> list[str]:
    import pyarrow as pa

    if cells.dialect.quote == '"':
        return fields
    names: list[str] = with_own_signs(pa.array(fields, pa.large_string()), cells.dialect.quote).to_pylist()
    return names


def parsed_blocks(content: bytes, cells: Cells, given: str, width: int) -> Iterator[Parsed]:
    """The blocks with their cells, a column each."""
    for block, header in one_ahead(blocks_with_header(content, cells, given)):
        yield Parsed(block, header is not None, [cells.texts(block.column(index)) for index in range(width)])


def rows(
    blocks: Iterable[Parsed], cells: Cells, schema: Table, width: int, columns: Mapping[str, Seen | Declared]
) -> Iterator[Any]:
    """The typed rows, a batch at a time; one batch at least."""
    for each in blocks:
        for begin in range(0, max(len(each.block.counts), each.first), BATCH):
            held = [texts.slice(begin, BATCH) for texts in each.cells]
            held = held or [cells.texts(each.block.column(n)) for n in range(width)]
            yield batch(each.block.rows(begin, begin + BATCH), held, schema, width, cells, columns)


def batch(
    block: Block,
    texts: Sequence[Any],
    schema: Table,
    width: int,
    cells: Cells,
    columns: Mapping[str, Seen | Declared],
) -> Any:
    import numpy as np
    import pyarrow as pa

    made: dict[str, Any] = {
        "#source": np.zeros(len(block.counts), np.int32),
        "#line": block.lines,
        "#lo": block.starts,
        "#hi": block.ends,
    }
    for column, text in zip(schema.columns[:width], texts, strict=True):
        held = text if bare(column.type) == TEXT else cells.values(text)
        if isinstance(columns.get(column.name), Declared):
            made[column.name] = read_cells(held, column.type)[0]
        else:
            made[column.name] = cast_cells(held, bare(column.type))
    for column in schema.columns[width:]:
        made[column.name] = pa.array(block.surplus(width), pa.large_string())
    return pa.table(made)
