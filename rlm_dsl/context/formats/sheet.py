"""A sheet of a spreadsheet as rows: `book.xlsx::Orders`. A row's place is its number in the sheet.

In: a workbook (.xlsx, .xlsm, .xlsb, .xls, .ods) and the name of a sheet, which a book of one needs not. Out: columns
typed by what the cells hold: dates are dates, whole numbers ints, an empty cell null; cells of several kinds are text.
Law: the file is only read, and no formula runs: a cell is the value that was saved with it. Titles above the header are
passed over, and said. By python-calamine.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal as Exact
from itertools import chain, islice
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.context.columns.arrow_columns import wider
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.cell_types import read_cell
from rlm_dsl.context.columns.hints import MOST, OddColumn, hints, reads
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.spelling import Spelling
from rlm_dsl.context.context import SourceFile
from rlm_dsl.context.files.find import TABLE_MARK
from rlm_dsl.context.files.read import Read
from rlm_dsl.context.files.recognised import seems
from rlm_dsl.context.files.unpacking import require_bounded
from rlm_dsl.context.format import table_format
from rlm_dsl.context.options import ReadingOptions, listed, number_signs
from rlm_dsl.context.rows.arrow_rows import SeenArrow
from rlm_dsl.context.rows.file_tables import Surveyed
from rlm_dsl.context.rows.totals import SAMPLE_ROWS, is_total, label_of, shown_total, told_subtotals
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, NULL, TEXT, TIMESTAMP, Decimal, Table, Type

ENDINGS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
OPTIONS = (
    *("sheet", "header", "skip", "skip_last", "totals"),
    *("decimal", "thousands", "units", "nulls", "dates", "columns"),
)
LOOK = 50
"""Rows among which the header is looked for."""
SAFE = 2**53
"""Every whole number below this one is a float too."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's cells: the rows in order, the number of the first, and what is merged, as rows and columns from 0."""

    name: str
    rows: Sequence[Sequence[Any]]
    first: int
    merged: Sequence[tuple[tuple[int, int], tuple[int, int]]]


def survey_sheet(read: Read, options: ReadingOptions, declared: Table | None) -> Surveyed:
    """One sheet of one workbook. Raises UserError listing the sheets where it is not said which."""
    given = read.source.path
    sheet = open_sheet(read, options.sheet)
    head, told = header_row(sheet, options)
    names, noted = column_names(sheet, head)
    start = 0 if head is None else head + 1
    numbers = [at for at, row in enumerate(sheet.rows) if at >= start and row.count("") < len(row)]
    blank = len(sheet.rows) - start - len(numbers)
    told += [f"{blank:,} blank rows were passed over"] if blank else []
    numbers = numbers[: max(0, len(numbers) - options.skip_last)]
    lines = [sheet.first + at for at in numbers]
    spelling = spelling_of(options)
    cells = zip(*(sheet.rows[at] for at in numbers), strict=False) if numbers else iter([()] * len(names))
    made = {name: column(spelled(values, spelling)) for name, values in zip(names, cells, strict=False) if name}
    columns = {name: seen for name, (seen, _) in made.items()}
    told += [*subtotals(sheet, numbers, names), *hints(list(odd_columns(sheet, numbers, names, columns)), spelling)]

    def rows(content: bytes, schema: Table) -> Iterator[Any]:
        held = {name: (seen.found, values) for name, (seen, values) in made.items()}
        yield placed(lines, {f.name: wider(held[f.name][1], held[f.name][0], f.type) for f in schema.columns})

    refusal = UserError(f"{given}: the sheet `{sheet.name}` is empty", "a sheet has a row of names, and rows below it")
    return Surveyed("sheet", columns, rows, [*told, *noted], refusal, total=total_of(sheet, numbers, spelling))


def total_of(sheet: Sheet, numbers: Sequence[int], spelling: Spelling) -> str:
    """The last row as it is shown, where it looks like a total of those above."""
    held = [sheet.rows[at] for at in numbers]
    above = held[: min(len(held) - 1, SAMPLE_ROWS)]
    whole = len(above) == len(held) - 1
    return shown_total(held[-1]) if held and is_total(*read_rows(above, held[-1], spelling), whole) else ""


def read_rows(
    above: Sequence[Sequence[Any]], last: Sequence[Any], spelling: Spelling
) -> tuple[Sequence[Sequence[Any]], Sequence[Any]]:
    """Rows and the last one with what their texts say in a spelling; a label that is a null word stays."""

    def read(cell: Any) -> Any:
        if not isinstance(cell, str) or label_of(cell) is not None:
            return cell
        return None if cell in spelling.nulls else spelling.value(cell)

    if not spelling.changes and not spelling.nulls:
        return above, last
    return [[read(cell) for cell in row] for row in above], [read(cell) for cell in last]


def subtotals(sheet: Sheet, numbers: Sequence[int], names: Sequence[str]) -> list[str]:
    """Rows among the others that are labelled as totals."""
    rows = [(sheet.first + at, sheet.rows[at]) for at in numbers[:-1][:SAMPLE_ROWS]]
    return told_subtotals(rows, names, "row")


def odd_columns(
    sheet: Sheet, numbers: Sequence[int], names: Sequence[str], columns: Mapping[str, SeenArrow]
) -> Iterator[OddColumn]:
    """The columns of texts with the first cell at which they were no numbers or days any more."""
    for place, name in enumerate(names):
        if not name or columns[name].found != TEXT:
            continue
        cells = ((at, sheet.rows[at][place]) for at in numbers if sheet.rows[at][place] not in ("", None))
        held = list(islice(cells, MOST))
        odd = next(((at, cell) for at, cell in chain(held, cells) if isinstance(cell, str) and not reads(cell)), None)
        if odd is not None:
            known = [shown(cell) or "" for _, cell in held]
            yield OddColumn(name, known, odd[1], f"row {sheet.first + odd[0]}")


def spelling_of(options: ReadingOptions) -> Spelling:
    decimal, thousands = number_signs(options)
    return Spelling(decimal, thousands, options.nulls, listed(options.dates), options.units)


def spelled(values: Sequence[Any], spelling: Spelling) -> Sequence[Any]:
    """A column's cells with what its texts say in a spelling; where one of them says no number or day, all stay."""
    if str not in set(map(type, values)):
        return values
    if spelling.nulls:
        values = [None if isinstance(value, str) and value in spelling.nulls else value for value in values]
    if not spelling.changes:
        return values
    made = [read_text(spelling.value(value)) if isinstance(value, str) and value else value for value in values]
    return values if any(isinstance(value, str) and value for value in made) else made


def read_text(cell: str) -> Any:
    """A number, day or moment that a text says, else the text."""
    found = read_cell(cell)
    if found is None:
        return cell
    type_, value = found
    return Exact(cell) if type_ == FLOAT and "e" not in cell.lower() else value


def open_sheet(read: Read, said: str) -> Sheet:
    """The sheet that is said, or the only one that has cells and is shown."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise UserError("spreadsheets need python-calamine", "pip install 'rlm-dsl[sheets]'") from None
    path = read.source.path
    if zipfile.is_zipfile(io.BytesIO(read.content)):
        require_bounded(read.content, path)
    try:
        with closing(CalamineWorkbook.from_filelike(io.BytesIO(read.content))) as book:
            if said and said not in book.sheet_names:
                hint = did_you_mean(said, book.sheet_names, what="sheets")
                raise UserError(f"{path} has no sheet `{said}`", *hint)
            name, found = (said, book.get_sheet_by_name(said)) if said else only_sheet(book, read.source)
            first = (found.start[0] if found.start else 0) + 1
            merged = found.merged_cell_ranges or ()
            return Sheet(name, list(found.iter_rows()), first, merged)
    except (CalamineError, OSError, ValueError) as failure:
        encrypted = type(failure).__name__ == "PasswordError"
        told = "is encrypted" if encrypted else f"is no spreadsheet, or a broken one: {str(failure).splitlines()[0]}"
        advice = "save it without its password first" if encrypted else seems(read.content, path)
        raise UserError(f"{path} {told}", advice) from None


def only_sheet(book: Any, source: SourceFile) -> tuple[str, Any]:
    """The sheet of a book that has one with cells; those that are hidden count where no other is there."""
    listed = {sheet.name: sheet for sheet in book.sheets_metadata if "WorkSheet" in str(sheet.typ)}
    read = {name: book.get_sheet_by_name(name) for name in listed}
    filled = [name for name, sheet in read.items() if sheet.height]
    shown = [name for name in filled if str(listed[name].visible).endswith(".Visible")]
    chosen = shown or filled or list(read)[:1]
    if len(chosen) == 1:
        return chosen[0], read[chosen[0]]
    names = ", ".join(chosen) or "none"
    raise UserError(
        f"{source.path} has {len(chosen):,} sheets, not one: {names}",
        *([f"say which: {source.path}{TABLE_MARK}{chosen[0]}"] if chosen else []),
    )


def header_row(sheet: Sheet, options: ReadingOptions) -> tuple[int | None, list[str]]:
    """The index of the row of names, None where there is none; and what a person should know of it.

    Unless it is said, it is the first row about as wide as the widest: titles above it fill a cell, or are merged.
    """
    if options.header == "no":
        return None, []
    if options.header.isdigit():
        at = int(options.header) - sheet.first
        if not 0 <= at < len(sheet.rows):
            raise UserError(f"the sheet `{sheet.name}` has no row {options.header}", "header= is the number of a row")
        return at, []
    if not sheet.rows:
        return None, []
    skipped = max(0, options.skip - sheet.first + 1)
    widths = [filled(row) for row in sheet.rows[skipped : skipped + LOOK]]
    least = max(1, (max(widths, default=0) + 1) // 2)
    at = skipped + next((n for n, width in enumerate(widths) if width >= least), 0)
    if widths[at - skipped : at - skipped + 1] == [1] and max(widths) > 1:  # of two columns, a title fills half
        below = next((n for n, width in enumerate(widths) if n > at - skipped and width), 0)
        names = [cell for cell in sheet.rows[skipped + below] if cell not in ("", None)]
        at = skipped + below if len(names) > 1 and all(isinstance(cell, str) for cell in names) else at
    if at == skipped or options.skip:
        return at, []
    above = [n for n in range(at) if filled(sheet.rows[n])]
    merged = " (merged)" if any(low[0] <= n <= high[0] for n in above for low, high in sheet.merged) else ""
    said = ", ".join(repr(str(next(c for c in sheet.rows[n] if c not in ("", None)))[:60]) for n in above[:3])
    told = f"the header is row {sheet.first + at}: above it are titles{merged}: {said}" if above else ""
    return at, [told] if told else []


def filled(row: Sequence[Any]) -> int:
    return sum(cell not in ("", None) for cell in row)


def column_names(sheet: Sheet, head: int | None) -> tuple[list[str], list[str]]:
    """What each column is called, '' where it has neither a name nor a cell; and notes on what changed."""
    width = max(map(len, sheet.rows), default=0)
    said = [""] * width if head is None else [shown(cell) or "" for cell in sheet.rows[head]]
    below = sheet.rows[0 if head is None else head + 1 :]
    there = [n for n in range(width) if said[n].strip() or any(row[n] not in ("", None) for row in below)]
    names, notes = free_names([said[n] or f"column_{n + 1}" for n in there])
    held = dict(zip(there, names, strict=True))
    return [held.get(n, "") for n in range(width)], notes


def column(values: Sequence[Any]) -> tuple[SeenArrow, Any]:
    """What a column's cells are, and the cells."""
    import pyarrow as pa

    kinds = set(map(type, values))
    if str in kinds and "" in values:
        values = [None if value == "" else value for value in values]
        kinds = set(map(type, values))
    nulls = type(None) in kinds
    kinds.discard(type(None))
    if Exact in kinds:
        return exact_column(values, float in kinds, nulls)
    type_, arrow = kind_of(kinds)
    if type_ == NULL:
        return SeenArrow(NULL, nulls), pa.nulls(len(values))
    if type_ == TEXT:
        texts = values if kinds == {str} else [shown(value) for value in values]
        return SeenArrow(TEXT, nulls), pa.array(texts, pa.large_string())
    if type_ == TIMESTAMP and datetime.date in kinds:
        values = [moment(value) for value in values]
    cells = pa.array(values, arrow)
    if type_ == FLOAT and (whole := whole_numbers(cells)) is not None:
        return SeenArrow(INT, nulls), whole
    return SeenArrow(type_, nulls), cells


def exact_column(values: Sequence[Any], floats: bool, nulls: bool) -> tuple[SeenArrow, Any]:
    """Numbers of which some were written as texts: exact where none is a float."""
    import pyarrow as pa

    if floats:
        return SeenArrow(FLOAT, nulls), pa.array([None if v is None else float(v) for v in values], pa.float64())
    scale = max(max(0, -int(v.as_tuple().exponent)) for v in values if isinstance(v, Exact))
    type_ = Decimal(scale)
    return SeenArrow(type_, nulls), pa.array([None if v is None else Exact(v) for v in values], arrow_type(type_))


def kind_of(kinds: set[type]) -> tuple[Type, Any]:
    """The type that holds values of these kinds."""
    import pyarrow as pa

    if not kinds:
        return NULL, None
    if kinds <= {float, int}:
        return FLOAT, pa.float64()
    if kinds == {bool}:
        return BOOL, pa.bool_()
    if kinds == {datetime.date}:
        return DATE, pa.date32()
    if kinds <= {datetime.datetime, datetime.date}:
        return TIMESTAMP, pa.timestamp("us")
    return TEXT, None


def moment(value: Any) -> datetime.datetime | None:
    if value is None or isinstance(value, datetime.datetime):
        return value
    return datetime.datetime.combine(value, datetime.time())


def whole_numbers(cells: Any) -> Any | None:
    """Floats as whole numbers, None where one is none: a workbook holds every number as a float."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bounded = pc.all(pc.less_equal(pc.abs(cells), SAFE), min_count=0).as_py()
    if not bounded:
        return None
    try:
        return cells.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def shown(value: Any) -> str | None:
    """A cell as text; a whole number without the `.0` that a float has."""
    match value:
        case None | "":
            return None
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) <= SAFE:
            return str(int(value))
        case _:
            return str(value)


def placed(lines: Sequence[int], columns: dict[str, Any]) -> Any:
    import numpy as np
    import pyarrow as pa

    count = len(lines)
    return pa.table(
        {
            "#source": np.zeros(count, np.int32),
            "#line": np.array(lines, np.int64),
            "#lo": pa.nulls(count, pa.int64()),
            "#hi": pa.nulls(count, pa.int64()),
            **columns,
        }
    )


FORMAT = table_format(
    "sheet",
    "the rows of a sheet, under a row of names: `book.xlsx::Orders`",
    survey_sheet,
    ENDINGS,
    options=OPTIONS,
    extra="sheets",
)
