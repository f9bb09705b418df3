"""Text as lines: every byte between two line feeds, kept as it is.

In: files. Out: table(line, text), with `path` before them for several files.
Law: texts and line feeds, one after the other, are the file; CR, BOM, NUL and blank lines stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_dsl.context.context import Context
from rlm_dsl.context.reading import Progress, Read, find, is_binary, is_many, read_all
from rlm_dsl.types import INT, TEXT, Field, Table


def load_lines(name: str, given: str, first_row: int, progress: Progress | None) -> Context:
    """Each line a row. Files with NUL bytes at their head are left out of folders, and noted."""
    many = is_many(given)
    reads, skipped = [], 0
    for read in read_all(find(given), progress):
        if many and is_binary(read.content):
            skipped += 1
        else:
            reads.append(read)
    return lines_context(name, given, reads, many, first_row, skipped)


def lines_context(
    name: str, given: str, reads: Sequence[Read], many: bool, first_row: int, skipped: int = 0
) -> Context:
    import numpy as np
    import pyarrow as pa

    sources = tuple(replaced(read, index) for index, read in enumerate(reads))
    split = [lines_of(read.content) for read in reads]
    counts = [len(starts) for starts, _, _, _ in split]
    total = sum(counts)
    numbers = np.concatenate([np.arange(1, count + 1) for count in counts]) if counts else np.zeros(0, np.int64)
    columns: dict[str, Any] = {
        "#row": pa.array(np.arange(first_row, first_row + total)),
        "#source": pa.array(np.repeat(np.arange(len(counts), dtype=np.int32), counts)),
        "#line": pa.array(numbers.astype(np.int64)),
        "#lo": pa.array(np.concatenate([s for s, _, _, _ in split]) if split else numbers),
        "#hi": pa.array(np.concatenate([e for _, e, _, _ in split]) if split else numbers),
    }
    schema = Table((Field("line", INT), Field("text", TEXT)))
    if many:
        schema = Table((Field("path", TEXT), *schema.columns))
        paths = pa.array([source.shown for source in sources], pa.string())
        columns["path"] = pa.DictionaryArray.from_arrays(columns["#source"], paths)
    columns["line"] = columns["#line"]
    columns["text"] = pa.chunked_array([texts for _, _, texts, _ in split], pa.large_string())
    return Context(name, "lines", given, schema, pa.table(columns), sources, notes(reads, split, skipped))


def replaced(read: Read, index: int) -> Any:
    from dataclasses import replace

    return replace(read.source, index=index)


def lines_of(content: bytes) -> tuple[Any, Any, Any, int]:
    """Starts, ends (without the line feed), texts, and how many lines are no UTF-8."""
    import numpy as np
    import pyarrow as pa

    data = np.frombuffer(content, np.uint8)
    feeds = np.flatnonzero(data == 10)
    ends = feeds if not len(data) or data[-1] == 10 else np.append(feeds, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if len(ends) else np.zeros(0, np.int64)
    texts = np.delete(data, feeds) if len(feeds) else data
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(texts.tobytes())]
    array = pa.Array.from_buffers(pa.large_string(), len(ends), buffers)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return (starts, ends.astype(np.int64), *visible_bytes(content, starts, ends))
    return starts, ends.astype(np.int64), array, 0


def visible_bytes(content: bytes, starts: Any, ends: Any) -> tuple[Any, int]:
    """Texts of lines some of which are no UTF-8: each bad sequence becomes U+FFFD, as Python's own reading does."""
    import pyarrow as pa

    texts, bad = [], 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        try:
            texts.append(content[start:end].decode("utf-8"))
        except UnicodeDecodeError:
            bad += 1
            texts.append(content[start:end].decode("utf-8", "replace"))
    return pa.array(texts, pa.large_string()), bad


def notes(reads: Sequence[Read], split: Sequence[tuple[Any, Any, Any, int]], skipped: int) -> tuple[str, ...]:
    bad = sum(count for _, _, _, count in split)
    returns = sum(read.content.count(b"\r\n") for read in reads)
    marks = sum(read.content.startswith(b"\xef\xbb\xbf") for read in reads)
    told = [
        (skipped, f"{skipped:,} binary files were left out"),
        (bad, f"{bad:,} lines hold bytes that are not UTF-8 (shown as U+FFFD)"),
        (returns, f"{returns:,} lines end in CR (kept in the text)"),
        (marks, f"{marks:,} files begin with a byte order mark (kept in the text)"),
    ]
    return tuple(note for count, note in told if count)
