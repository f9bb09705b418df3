"""CSV and TSV as rows, each with its bytes.

In: one file with a header, after RFC 4180. Out: typed columns. Law: a row's bytes are its record in the file, line end
left out; a row with too few or too many fields is kept, and counted in the notes, and so is a line whose quotes are
none of RFC 4180's, which is read as it stands (see csv_records).
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.csv_records import BOM, CsvRecord, records_of
from rlm_dsl.context.inference import free_names, typed_cells
from rlm_dsl.context.reading import Progress, find, read_all
from rlm_dsl.diagnostics import UserError
from rlm_dsl.types import TEXT, Field, Table, Type, nullable

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
EXTRA = "extra_fields"


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
    begin = len(BOM) if read.content.startswith(BOM) else 0
    every = list(records_of(read.content, delimiter, given, begin))
    records = [record for record in every if record.fields]
    names, more = free_names(records[0].fields)
    columns, types, unequal = shaped(records[1:], names)
    bad = not valid(read.content)
    blank = len(every) - len(records)
    passed = (f"{blank:,} blank lines were passed over",) if blank else ()
    stray = [record for record in every if record.stray]
    odd = (uneven(stray, "stray quotes (read as they stand)"),) if stray else ()
    notes = [
        *noted,
        *more,
        *odd,
        *unequal,
        *passed,
        *(("bytes that are not UTF-8 are shown as U+FFFD",) if bad else ()),
    ]
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


def shaped(records: list[CsvRecord], names: list[str]) -> tuple[dict[str, list[Any]], dict[str, Type], list[str]]:
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


def uneven(records: list[CsvRecord], what: str) -> str:
    places = ", ".join(str(record.line) for record in records[:5])
    return f"{len(records):,} rows have {what}, first in line {places}"


def rows(records: list[CsvRecord], columns: dict[str, list[Any]], types: dict[str, Type]) -> Any:
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
