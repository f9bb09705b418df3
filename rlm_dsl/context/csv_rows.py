"""CSV and TSV as rows, each with its bytes.

In: one file with a header, after RFC 4180. Out: typed columns. Law: a row's bytes are its record in the file, line end
left out; a row with too few or too many fields is kept, and counted in the notes. Quotes that do not close, or that
close before a field ends, are refused with their line: read on, they would swallow or change what stands behind them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.inference import free_names, typed_cells
from rlm_dsl.context.reading import Progress, find, read_all
from rlm_dsl.diagnostics import UserError
from rlm_dsl.types import TEXT, Field, Table, Type, nullable

BOM = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
EXTRA = "extra_fields"


@dataclass(frozen=True, slots=True)
class Record:
    """A record's fields, its first line, and its bytes."""

    fields: list[str]
    line: int
    start: int
    end: int


def load_csv(given: str, progress: Progress | None, delimiter: str = ",") -> Loaded:
    """One CSV file. Raises UserError for a folder, an empty file or a file without rows of text."""
    found = find(given)
    if len(found) != 1:
        raise UserError(f"{given} is not one file", "give one file, or load texts: NAME:documents=FOLDER")
    read = next(read_all(found, progress))
    if read.content.startswith(UTF_16):
        raise UserError(f"{given} is UTF-16", "a CSV file is UTF-8: iconv -f UTF-16 -t UTF-8")
    if not read.content.removeprefix(BOM).strip(b"\r\n"):
        raise UserError(f"{given} is empty", "a CSV file begins with a header line")
    delimiter, noted = chosen_delimiter(read.content, delimiter)
    every = list(records_of(read.content, delimiter, given))
    records = [record for record in every if record.fields]
    names, more = free_names(records[0].fields)
    columns, types, uneven = shaped(records[1:], names)
    bad = not valid(read.content)
    blank = len(every) - len(records)
    passed = (f"{blank:,} blank lines were passed over",) if blank else ()
    notes = [*noted, *more, *uneven, *passed, *(("bytes that are not UTF-8 are shown as U+FFFD",) if bad else ())]
    schema = Table(tuple(Field(column, type_) for column, type_ in types.items()))
    form = "tsv" if delimiter == "\t" else "csv"
    return Loaded(form, schema, [rows(records[1:], columns, types)], [read.source], notes)


def valid(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def chosen_delimiter(content: bytes, delimiter: str) -> tuple[str, list[str]]:
    """The delimiter asked for, or the one that the header has instead."""
    header = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    if delimiter == "," and "," not in header:
        for other, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if other in header:
                return other, [f"fields are separated by {word}"]
    return delimiter, []


def records_of(content: bytes, delimiter: str, given: str) -> Iterator[Record]:
    """The records of a file, blank lines as records without fields. A record's lines are those the reader took for it,
    so its bytes are exact."""
    begin = len(BOM) if content.startswith(BOM) else 0
    ends = [begin]

    def lines() -> Iterator[str]:
        at = begin
        while at < len(content):
            feed = content.find(b"\n", at)
            after = len(content) if feed < 0 else feed + 1
            ends.append(after)
            yield content[at:after].decode("utf-8", "replace")
            at = after

    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    line, taken = 1, 0
    try:
        for fields in reader:
            start, end = ends[taken], without_line_end(content, ends[reader.line_num])
            yield Record(fields, line, start, end)
            taken, line = reader.line_num, reader.line_num + 1
    except csv.Error as failure:
        raise refused(failure, given, line) from None


def refused(failure: Exception, given: str, line: int) -> UserError:
    """What is wrong with the record that begins in a line."""
    told = str(failure)
    if "new-line character" in told:
        return UserError(f"{given}:{line}: no CSV: a line ends in CR alone", "convert its line ends to LF or CRLF")
    if "unexpected end" in told:
        return UserError(f"{given}:{line}: no CSV: a quote is opened and never closed", "check the quotes from here on")
    return UserError(f"{given}:{line}: no CSV: {told}", 'a quote inside a quoted field is written twice: ""')


def without_line_end(content: bytes, end: int) -> int:
    """The end of a record's bytes: all of CR CR LF, as some converters write it, ends a line."""
    end -= content[end - 1 : end] == b"\n"
    while content[end - 1 : end] == b"\r":
        end -= 1
    return end


def shaped(records: list[Record], names: list[str]) -> tuple[dict[str, list[Any]], dict[str, Type], list[str]]:
    """Typed columns; missing fields are null, surplus ones are kept together in a column of their own."""
    width = len(names)
    short = [r for r in records if len(r.fields) < width]
    long = [r for r in records if len(r.fields) > width]
    columns: dict[str, list[Any]] = {}
    types: dict[str, Type] = {}
    for index, column in enumerate(names):
        cells = [r.fields[index] if index < len(r.fields) else None for r in records]
        types[column], columns[column] = typed_cells(cells)
    notes = [uneven(short, "too few fields (the rest is null)")] if short else []
    if long:
        extra = free_names([*names, EXTRA])[0][-1]
        columns[extra] = [",".join(r.fields[width:]) if len(r.fields) > width else None for r in records]
        types[extra] = nullable(TEXT)
        notes.append(uneven(long, f"too many fields (kept in `{extra}`)"))
    return columns, types, notes


def uneven(records: list[Record], what: str) -> str:
    places = ", ".join(str(record.line) for record in records[:5])
    return f"{len(records):,} rows have {what}, first in line {places}"


def rows(records: list[Record], columns: dict[str, list[Any]], types: dict[str, Type]) -> Any:
    import pyarrow as pa

    from rlm_dsl.context.arrow import arrow_type

    count = len(records)
    made: dict[str, Any] = {
        "#source": pa.array([0] * count, pa.int32()),
        "#line": pa.array([r.line for r in records], pa.int64()),
        "#lo": pa.array([r.start for r in records], pa.int64()),
        "#hi": pa.array([r.end for r in records], pa.int64()),
    }
    return pa.table({**made, **{name: pa.array(cells, arrow_type(types[name])) for name, cells in columns.items()}})
