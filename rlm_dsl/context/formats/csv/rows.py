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
from rlm_dsl.context.columns.text_columns import Seen, cast_cells
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.formats.csv.blocks import Block, blocks
from rlm_dsl.context.formats.csv.cells import Cells, with_own_signs
from rlm_dsl.context.formats.csv.dialect import find_dialect, prepare
from rlm_dsl.context.formats.csv.survey import Survey, sure, survey_of_state
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.rows.file_tables import Surveyed, one_ahead
from rlm_dsl.language.types import TEXT, Table, bare

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


def survey_csv(read: Read, options: ReadingOptions, declared: Table | None, delimiter: str = ",") -> Surveyed:
    """One CSV file. Raises UserError for what is no text."""
    content, given = read.content, read.source.path
    dialect = find_dialect(content, options, delimiter)
    form = "tsv" if dialect.delimiter == "\t" else "csv"
    prepared = prepare(content, options)[0]
    if not NOT_BLANK.search(prepared, len(BOM) if content.startswith(BOM) else 0):
        refusal = UserError(f"{given} is empty{but_for(content)}", "a CSV file begins with a header line")
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
        survey.returns = True
    width = len(survey.names)

    def made(again: bytes, schema: Table) -> Iterator[Any]:
        if parsed:
            return rows(parsed, cells, schema, width, survey.found)
        held = prepare(again, options)[0]
        held = with_line_feeds(held) if survey.returns else held
        return rows(parsed_blocks(held, cells, given, width), cells, schema, width, survey.found)

    notes = [*dialect.notes, *survey.notes(dialect.passed), *survey.hints(cells)]
    return Surveyed(form, survey.found, made, notes, state=survey.state(dialect), total=dialect.total)


def but_for(content: bytes) -> str:
    """What a file without a record holds."""
    if NOT_BLANK.search(content.removeprefix(BOM)):
        return " but for lines that are passed over"
    return " but for a byte order mark" if content.startswith(BOM) else " but for line ends" if content else ""


def survey_more_csv(
    read: Read, options: ReadingOptions, before: Surveyed, past: int, delimiter: str = ","
) -> Surveyed | None:
    """A CSV file that has grown behind the end of a record."""
    content, given = read.content, read.source.path
    dialect = find_dialect(content, options, delimiter)
    state = before.state
    if state is None or sure(dialect) != state["dialect"]:
        return None
    cells, survey = Cells.of(dialect, options), survey_of_state(state, before.columns)
    line, width = survey.line, len(survey.names)

    def more(content: bytes) -> Iterator[Headed]:
        return ((block, None) for block in blocks(content, dialect.delimiter, given, at=past, line=line))

    try:
        survey_blocks(more(prepare(content, options)[0]), cells, survey)
    except UserError:
        return None

    def made(again: bytes, schema: Table) -> Iterator[Any]:
        parsed = parsed_of(more(prepare(again, options)[0]), cells, width)
        return rows(parsed, cells, schema, width, survey.found)

    notes = [*dialect.notes, *survey.notes(dialect.passed), *survey.hints(cells)]
    return Surveyed(before.form, survey.found, made, notes, state=survey.state(dialect), total=dialect.total)


LONE_RETURN = "a line ends in CR alone"


def with_line_feeds(content: bytes) -> bytes:
    """The text with LF in place of each CR that no LF follows."""
    return re.sub(rb"\r(?![\r\n])", b"\n", content)


def survey_records(
    content: bytes, cells: Cells, given: str, declared: Table | None, parsed: list[Parsed] | None = None
) -> Survey:
    """Names, the types that all cells have or that are declared, and what a person should know; the blocks are kept in
    `parsed`."""
    return survey_blocks(blocks_with_header(content, cells, given), cells, Survey(), declared, parsed)


def survey_blocks(
    headed: Iterator[Headed],
    cells: Cells,
    survey: Survey,
    declared: Table | None = None,
    parsed: list[Parsed] | None = None,
) -> Survey:
    """What is known of a file when these blocks are looked at too."""
    for block, header in one_ahead(headed):
        if header is not None:
            survey.names, survey.told = free_names(header)
            survey.columns = [column_seen(name, declared) for name in survey.names]
        texts = survey.look_at(block, cells)
        if parsed is not None:
            parsed.append(Parsed(block, header is not None, texts))
    return survey


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
    """The blocks of a file with their cells, a column each."""
    return parsed_of(blocks_with_header(content, cells, given), cells, width)


def parsed_of(headed: Iterator[Headed], cells: Cells, width: int) -> Iterator[Parsed]:
    for block, header in one_ahead(headed):
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
