"""Text as lines: every byte between two line feeds, kept as it is.

In: files. Out: table(line, text), with `path` before them for several files.
Law: texts and line feeds, one after the other, are the file; CR, BOM, NUL and blank lines stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.reading import Progress, Read, find, is_binary, is_many, read_all
from rlm_dsl.diagnostics import UserError
from rlm_dsl.types import INT, TEXT, Field, Table

LINE_FEED, CARRIAGE_RETURN = 10, 13


def load_lines(given: str, progress: Progress | None) -> Loaded:
    """Each line a row. Files with NUL bytes at their head are left out of folders, and noted."""
    many = is_many(given)
    reads, skipped = [], 0
    for read in read_all(find(given), progress):
        if many and is_binary(read.content):
            skipped += 1
        else:
            reads.append(read)
    return lines_loaded(reads, many, skipped)


def lines_loaded(reads: Sequence[Read], many: bool, skipped: int = 0) -> Loaded:
    import numpy as np
    import pyarrow as pa

    sources = [replaced(read, index) for index, read in enumerate(reads)]
    split = [lines_of(read.content) for read in reads]
    counts = [len(starts) for starts, _, _, _ in split]
    numbers = np.concatenate([np.arange(1, count + 1) for count in counts]) if counts else np.zeros(0, np.int64)
    columns: dict[str, Any] = {
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
    columns["text"] = pa.chunked_array([texts for _, _, texts, _ in split], pa.string_view())
    return Loaded("lines", schema, [pa.table(columns)], sources, list(notes(reads, split, skipped)))


def replaced(read: Read, index: int) -> Any:
    from dataclasses import replace

    return replace(read.source, index=index)


def lines_of(content: bytes) -> tuple[Any, Any, Any, int]:
    """Starts, ends (without the line feed), texts, and how many lines are no UTF-8.

    The texts are views into the content, which is kept: nothing is copied.
    """
    import numpy as np
    import pyarrow as pa

    data = np.frombuffer(content, np.uint8)
    feeds = places(data, LINE_FEED)
    ends = feeds if not len(data) or data[-1] == LINE_FEED else np.append(feeds, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if len(ends) else np.zeros(0, np.int64)
    ends = ends.astype(np.int64)
    offsets = pa.py_buffer(np.array([0, len(content)], np.int64).tobytes())
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(content)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return (starts, ends, *visible_bytes(content, starts, ends))
    return starts, ends, text_views(content, data, starts, ends), 0


AT_ONCE = 1 << 23
"""Bytes that are looked through at once: few enough to stay near the processor."""


def places(data: Any, byte: int) -> Any:
    """Where a byte stands, rising."""
    import numpy as np

    found = [np.flatnonzero(data[at : at + AT_ONCE] == byte) + at for at in range(0, len(data), AT_ONCE)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


INLINE = 12
"""Bytes of a text that an Arrow string view holds itself; of a longer one it holds 4 and where the rest stands."""
SLICE = 30
"""Views point into slices of the content that begin every 2^30 bytes and overlap, so that a place fits in 31 bits."""


def text_views(content: bytes, data: Any, starts: Any, ends: Any) -> Any:
    """The texts between starts and ends as an Arrow array of string views over the content."""
    import numpy as np
    import pyarrow as pa

    views = np.zeros((len(starts), 4), np.int32)
    lengths = ends - starts
    if len(lengths) and lengths.max() >= 1 << SLICE:
        raise UserError("a line has more than 1 GB", "cut the file into lines first")
    views[:, 0] = lengths
    held = views.view(np.uint8).reshape(len(starts), 16)
    long = lengths > INLINE
    at = starts[long]
    for byte in range(4):
        held[long, 4 + byte] = data[at + byte]
    views[long, 2], views[long, 3] = at >> SLICE, at & ((1 << SLICE) - 1)
    short = np.flatnonzero(~long)
    for byte in range(INLINE):
        short = short[lengths[short] > byte]
        held[short, 4 + byte] = data[starts[short] + byte]
    buffer = pa.py_buffer(content)
    most = (2 << SLICE) - 1
    slices = [buffer.slice(at, min(len(content) - at, most)) for at in range(0, len(content), 1 << SLICE)]
    return pa.Array.from_buffers(pa.string_view(), len(starts), [None, pa.py_buffer(views.data), *slices])


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
    return pa.array(texts, pa.string_view()), bad


def carriage_returns(content: bytes, ends: Any) -> int:
    """How many line feeds stand behind a carriage return."""
    import numpy as np

    data = np.frombuffer(content, np.uint8)
    feeds = ends[(ends > 0) & (ends < len(data))]
    return int(np.count_nonzero(data[feeds - 1] == CARRIAGE_RETURN))


def notes(reads: Sequence[Read], split: Sequence[tuple[Any, Any, Any, int]], skipped: int) -> tuple[str, ...]:
    bad = sum(count for _, _, _, count in split)
    returns = sum(carriage_returns(read.content, ends) for read, (_, ends, _, _) in zip(reads, split, strict=True))
    marks = sum(read.content.startswith(b"\xef\xbb\xbf") for read in reads)
    told = [
        (skipped, f"{skipped:,} binary files were left out"),
        (bad, f"{bad:,} lines hold bytes that are not UTF-8 (shown as U+FFFD)"),
        (returns, f"{returns:,} lines end in CR (kept in the text)"),
        (marks, f"{marks:,} files begin with a byte order mark (kept in the text)"),
    ]
    return tuple(note for count, note in told if count)
