"""Rows of documents to batches: what the loaders of Markdown, HTML, PDF and mail share.

In: files, and a function from one file to its rows. Out: tables of a few thousand rows, over file ends, one at a time.
Law: at least one batch is given; a folder's files of other endings are passed over and counted; one file that is named
is read whatever its ending.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.find import Found, endings_there, find, is_many
from rlm_dsl.context.files.read import Progress, Read, read_all
from rlm_dsl.context.files.recognised import refuse_binary
from rlm_dsl.context.files.streams import plain_name
from rlm_dsl.context.files.text import UTF_8, Text, text_of
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.language.types import TEXT, Field, Table

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE, BYTES_AT_ONCE = 5_000, 1 << 26
"""A batch ends at this many rows, or with the file that reaches this many bytes."""
TITLE_SHOWN = 300
"""Characters of a heading in the rows below it; a longer one, repeated in each, would outgrow its file."""
SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: its first line, its bytes (None where they are not known), its values without `path`."""

    line: int
    start: int | None
    end: int | None
    values: tuple[Any, ...]


RowsOf = Callable[[Read, Counter[str]], Iterable[Row]]
"""A file's rows. What is to be noted is counted under its words: "pages have no text"."""


def load_document_rows(
    format: str,
    request: LoadRequest,
    endings: Sequence[str],
    schema: Table,
    rows_of: RowsOf,
    decodes: bool = False,
) -> Loaded:
    """The rows of each file, one file after the other, with `path` before them for a folder or glob. With `decodes`,
    `rows_of` is given UTF-8, whatever the files are in."""
    given, progress = request.given, request.progress
    found = find(given)
    counts: Counter[str] = Counter()
    if many := is_many(given):
        found = with_ending(found, endings, given, counts)
        schema = Table((Field("path", TEXT), *schema.columns))
    loaded = Loaded(format, schema, ())
    loaded.batches = batches(
        loaded, found, many, decoding(rows_of, request.options, loaded) if decodes else rows_of, counts, progress
    )
    return loaded


def decoding(rows_of: RowsOf, options: ReadingOptions, loaded: Loaded) -> RowsOf:
    """The rows of a file's text in UTF-8, with their places in the file."""

    def rows(read: Read, counts: Counter[str]) -> Iterator[Row]:
        text = text_of(read.content, options)
        loaded.sources[-1] = replace(read.source, encoding=text.encoding)
        counts.update(f"files: {told}" for told in text.notes)
        for row in rows_of(Read(read.source, text.content), counts):
            yield (
                row
                if text.encoding == UTF_8
                else replace(row, start=in_file(text, row.start), end=in_file(text, row.end))
            )

    return rows


def in_file(text: Text, place: int | None) -> int | None:
    known = text.places if text.placed else None
    return None if place is None or known is None else int(known([place])[0])


def with_ending(found: list[Found], endings: Sequence[str], given: str, counts: Counter[str]) -> list[Found]:
    chosen = [file for file in found if Path(plain_name(file.shown)).suffix.lower() in endings]
    if not chosen:
        told = f"no {' or '.join(endings)} file in {given}, which has {endings_there(found)}"
        raise UserError(told, "a file of another ending is named by itself")
    if others := len(found) - len(chosen):
        counts[f"files that do not end in {' or '.join(endings)} were passed over"] = others
    return chosen


TEXTS = ("html", "mail", "markdown")
"""Formats whose files are text."""


def batches(
    loaded: Loaded, found: list[Found], many: bool, rows_of: RowsOf, counts: Counter[str], progress: Progress | None
) -> Iterator[pa.Table]:
    """Tables in the form of Loaded. Sources stand in `loaded` when their rows are given, notes after the last batch."""
    held: list[tuple[int, Row]] = []
    size = 0
    for read in read_all(found, progress):
        if loaded.format in TEXTS:
            refuse_binary(read.content, read.source.path)
        loaded.sources.append(read.source)
        size += len(read.content)
        for row in rows_of(read, counts):
            held.append((read.source.index, row))
            if len(held) >= ROWS_AT_ONCE:
                yield table(held, loaded.schema, loaded.sources, many)
                held, size = [], 0
        if held and size >= BYTES_AT_ONCE:
            yield table(held, loaded.schema, loaded.sources, many)
            held, size = [], 0
    loaded.notes.extend(f"{count:,} {what}" for what, count in counts.items() if count)
    yield table(held, loaded.schema, loaded.sources, many)


def table(held: list[tuple[int, Row]], schema: Table, sources: Sequence[SourceFile], many: bool) -> pa.Table:
    import pyarrow as pa

    from rlm_dsl.context.columns.arrow_types import arrow_type

    paths = [(sources[index].shown,) if many else () for index, _ in held]
    values = [(*path, *row.values) for path, (_, row) in zip(paths, held, strict=True)]
    return pa.table(
        {
            "#source": pa.array([index for index, _ in held], pa.int32()),
            "#line": pa.array([row.line for _, row in held], pa.int64()),
            "#lo": pa.array([row.start for _, row in held], pa.int64()),
            "#hi": pa.array([row.end for _, row in held], pa.int64()),
            **{
                field.name: array([row[at] for row in values], arrow_type(field.type))
                for at, field in enumerate(schema.columns)
            },
        }
    )


def array(values: list[Any], type_: Any) -> Any:
    """An Arrow array; what no UTF-8 can hold is shown as U+FFFD."""
    import pyarrow as pa

    try:
        return pa.array(values, type_)
    except UnicodeEncodeError:
        return pa.array([speakable(value) for value in values], type_)


def speakable(value: Any) -> Any:
    if isinstance(value, list):
        return [speakable(item) for item in value]
    return SURROGATES.sub("\ufffd", value) if isinstance(value, str) else value


def title(text: str) -> str:
    """A heading as the rows below it show it: on one line, not beyond TITLE_SHOWN."""
    whole = " ".join(text.split())
    return whole if len(whole) <= TITLE_SHOWN else whole[: TITLE_SHOWN - 1] + "…"
