"""Text as lines: every byte between two line feeds, kept as it is.

In: files. Out: table(line, text), with `path` before them for several files.
Law: texts and line feeds, one after the other, are the file; CR, BOM, NUL and blank lines stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.blocks import LINE_FEED, Block, Files, Piece, as_bytes, map_blocks
from rlm_dsl.context.files.find import find, is_many
from rlm_dsl.context.format import Append, Format, LoadRequest
from rlm_dsl.language.types import INT, TEXT, Field, Table

CARRIAGE_RETURN = 13
LINES = Table((Field("line", INT), Field("text", TEXT)))
PATHS = Table((Field("path", TEXT), *LINES.columns))


def load_lines(request: LoadRequest) -> Loaded:
    """Each line a row. Files with NUL bytes at their head are left out of folders, and noted."""
    many = is_many(request.given)
    return lines_of(Files(find(request.given), request.progress, text_only=many), many)


def lines_of(files: Files, many: bool, passed: Counter[int] | None = None) -> Loaded:
    """The lines of files; `passed` are those of each source that were read before."""
    loaded = Loaded("lines", PATHS if many else LINES, (), files.sources)
    loaded.batches = batches(files, loaded, many, passed or Counter())
    return loaded


def text_lines(source: SourceFile, content: bytes) -> Loaded:
    """A text that is no file as lines."""
    block = Block(as_bytes(content), [Piece(0, source.shown, 0, len(content), True)])
    return Loaded("lines", LINES, [table(split(block), Counter()).drop("path")], [source])


def batches(files: Files, loaded: Loaded, many: bool, passed: Counter[int]) -> Iterator[Any]:
    """A table a block; the notes are complete after the last."""
    odd: Counter[str] = Counter()
    for lines in map_blocks(split, files):
        odd.update(lines.odd)
        rows = table(lines, passed)
        yield rows if many else rows.drop("path")
    loaded.notes += [f"{files.skipped:,} binary files were left out"] if files.skipped else []
    loaded.notes += odd_notes(odd)


NOTES = (
    ("bad", "{:,} lines hold bytes that are not UTF-8 (shown as U+FFFD)"),
    ("returns", "{:,} lines end in CR (kept in the text)"),
    ("marks", "{:,} files begin with a byte order mark (kept in the text)"),
)


def odd_notes(odd: Mapping[str, int]) -> list[str]:
    return [told.format(odd[what]) for what, told in NOTES if odd[what]]


def notes_of(block: Block) -> list[str]:
    return odd_notes(split(block).odd)


@dataclass(frozen=True, slots=True)
class Lines:
    """A block's lines: which piece each is in, its number there from 0, its place in the block, its text."""

    block: Block
    piece: Any
    number: Any
    starts: Any
    ends: Any
    texts: Any
    odd: dict[str, int]


def split(block: Block) -> Lines:
    """The lines of a block."""
    import numpy as np

    content = block.content
    starts, ends = line_places(content, block.begins + block.sizes)
    piece = np.searchsorted(block.begins, starts, side="right") - 1
    number = np.arange(len(starts)) - np.searchsorted(starts, block.begins)[piece]
    texts, bad = texts_of(content, block.begins, starts, ends)
    odd = {"bad": bad, "returns": carriage_returns(content, ends), "marks": marks(block)}
    return Lines(block, piece, number, starts, ends, texts, odd)


def line_places(content: Any, past: Any) -> tuple[Any, Any]:
    """Where lines start and end, without their line feeds. `past` are the ends of pieces: a line ends there as well."""
    import numpy as np

    feeds = places(content, LINE_FEED)
    filled = past[np.diff(past, prepend=0) > 0]
    open_ends = filled[content[filled - 1] != LINE_FEED]
    if len(open_ends) == 0 or (len(open_ends) == 1 and open_ends[0] == len(content)):
        ends = np.append(feeds, open_ends)
        return np.concatenate([ends[:0] if not len(ends) else [0], ends[:-1] + 1]).astype(np.int64), ends
    marked = np.sort(np.concatenate([feeds * 2 + 1, open_ends * 2]))
    ends, fed = marked >> 1, marked & 1
    return np.concatenate([[0], (ends + fed)[:-1]]).astype(np.int64), ends


AT_ONCE = 1 << 18


def places(data: Any, byte: int) -> Any:
    """Where a byte stands, rising. A part is looked through at a time, small enough to stay near the processor."""
    import numpy as np

    same = np.empty(AT_ONCE, bool)
    found = []
    for at in range(0, len(data), AT_ONCE):
        part = data[at : at + AT_ONCE]
        found.append(np.flatnonzero(np.equal(part, byte, out=same[: len(part)])) + at)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def texts_of(content: Any, begins: Any, starts: Any, ends: Any) -> tuple[Any, int]:
    """The texts as views into the content, which is kept: nothing is copied. Where some are no UTF-8, each bad sequence
    becomes U+FFFD, as Python's own reading does; how many texts had such is given too."""
    import pyarrow as pa

    if valid(content, begins):
        return text_views(content, starts, ends), 0
    held, texts, bad = content.tobytes(), [], 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        try:
            texts.append(held[start:end].decode("utf-8"))
        except UnicodeDecodeError:
            bad += 1
            texts.append(held[start:end].decode("utf-8", "replace"))
    return pa.array(texts, pa.string_view()), bad


CONTINUES = (0x80, 0xC0)
"""Bytes from the first to below the second go on with a character and begin none."""


def valid(content: Any, begins: Any) -> bool:
    """Whether every piece that begins in the content is UTF-8."""
    import numpy as np
    import pyarrow as pa

    heads = content[begins[begins < len(content)]]
    if ((heads >= CONTINUES[0]) & (heads < CONTINUES[1])).any():
        return False
    offsets = pa.py_buffer(np.array([0, len(content)], np.int64).tobytes())
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(content)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


INLINE = 12
"""Bytes of a text that an Arrow string view holds itself; of a longer one it holds 4 and where the rest stands."""


def text_views(content: Any, starts: Any, ends: Any) -> Any:
    """The texts between starts and ends as an Arrow array of string views over the content (under 2 GB)."""
    import numpy as np
    import pyarrow as pa

    views = np.zeros((len(starts), 4), np.int32)
    lengths = ends - starts
    views[:, 0], views[:, 1], views[:, 3] = lengths, words(content, starts), starts
    inline = np.flatnonzero(lengths <= INLINE)
    if len(inline):
        held = np.stack([words(content, starts[inline] + at) for at in range(0, INLINE, 4)], axis=1)
        held = held.view(np.uint8) * (np.arange(INLINE) < lengths[inline, None])
        views[inline, 1:] = np.ascontiguousarray(held, np.uint8).view(np.int32)
    return pa.Array.from_buffers(pa.string_view(), len(starts), [None, pa.py_buffer(views.data), pa.py_buffer(content)])


def words(content: Any, at: Any) -> Any:
    """The four bytes at each place as one number, zeros past the content's end."""
    import numpy as np

    padded = np.concatenate([content[-3:], np.zeros(INLINE + 4, np.uint8)])
    last = len(content) - 4
    if last < 0:
        return unaligned_words(padded)[at]
    found = unaligned_words(content)[np.minimum(at, last)]
    over = np.flatnonzero(at > last)
    found[over] = unaligned_words(padded)[at[over] - last - 1]
    return found


def unaligned_words(data: Any) -> Any:
    """Four bytes from each place on as a number."""
    import numpy as np

    return np.ndarray(max(0, len(data) - 3), "<i4", data.data, 0, (1,))


def carriage_returns(content: Any, ends: Any) -> int:
    """How many line feeds stand behind a carriage return."""
    import numpy as np

    feeds = ends[(ends > 0) & (ends < len(content))]
    return int(np.count_nonzero((content[feeds - 1] == CARRIAGE_RETURN) & (content[feeds] == LINE_FEED)))


def marks(block: Block) -> int:
    """How many files in a block begin with a byte order mark."""
    heads = zip(block.pieces, block.begins.tolist(), strict=True)
    return sum(block.content[at : at + 3].tobytes() == b"\xef\xbb\xbf" for piece, at in heads if piece.start == 0)


def table(lines: Lines, passed: Counter[int]) -> Any:
    """A block's lines as rows; `passed` counts the lines that the blocks before held of each source."""
    import numpy as np
    import pyarrow as pa

    block, pieces = lines.block, lines.block.pieces
    shift = np.array([piece.start for piece in pieces], np.int64) - block.begins
    before = np.array([passed[piece.source] for piece in pieces], np.int64)
    of = np.array([piece.source for piece in pieces], np.int32)
    columns = {
        "#source": pa.array(of[lines.piece]),
        "#line": pa.array(lines.number + 1 + before[lines.piece]),
        "#lo": pa.array(lines.starts + shift[lines.piece]),
        "#hi": pa.array(lines.ends + shift[lines.piece]),
    }
    if pieces and not pieces[-1].last:
        passed[pieces[-1].source] += int(np.count_nonzero(lines.piece == len(pieces) - 1))
    return pa.table({**columns, "path": shown_paths(lines), "line": columns["#line"], "text": lines.texts})


def shown_paths(lines: Lines) -> Any:
    """The path of each line's file, each path held once."""
    import numpy as np
    import pyarrow as pa

    paths = pa.array([piece.shown for piece in lines.block.pieces], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(lines.piece.astype(np.int32)), paths)


FORMAT = Format(
    name="lines",
    summary="a row a line of text",
    load=load_lines,
    many=True,
    own="text",
    append=Append(lines_of, notes_of),
)
