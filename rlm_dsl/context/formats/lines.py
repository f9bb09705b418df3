"""Text as lines: every byte between two line feeds, kept as it is.

In: files. Out: table(line, text), with `path` before them for several files.
Law: texts and line ends, one after the other, are the file, and each text's places are those of its bytes. A line ends
in LF or CR LF, in a file without LF in CR; a byte order mark is no text. A line that is not UTF-8 is read as the file's
other such lines allow: as western text, or with U+FFFD. NUL, blank lines, and CR within a line stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.blocks import LINE_FEED, Block, Files, Piece, as_bytes
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.find import find, is_many
from rlm_dsl.context.files.map_ahead import map_ahead
from rlm_dsl.context.files.streams import open_stream, parts
from rlm_dsl.context.files.text import UTF_8, Encodings, decoded, note_on
from rlm_dsl.context.format import Append, Format, LoadRequest
from rlm_dsl.language.types import INT, TEXT, Field, Table

CARRIAGE_RETURN = 13
LINES = Table((Field("line", INT), Field("text", TEXT)))
PATHS = Table((Field("path", TEXT), *LINES.columns))


def load_lines(request: LoadRequest) -> Loaded:
    """Each line a row. Files with NUL bytes at their head are left out of folders, and noted."""
    many = is_many(request.given)
    return lines_of(Files(find(request.given), request.progress, text_only=many, options=request.options), many)


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
    encodings = None if files.options.encoding else files.encodings
    cut = partial(split, encodings=encodings, earlier=files.options.earlier)
    for lines in map_ahead(cut, files):
        odd.update(lines.odd)
        rows = table(lines, passed)
        yield rows if many else rows.drop("path")
    for source, encoding in files.encodings.found.items():
        files.sources[source] = replace(files.sources[source], encoding=encoding or UTF_8)
    loaded.notes += files.notes
    loaded.notes += [f"{count:,} files: {told}" if many else told for told, count in files.noted.items()]
    loaded.notes += odd_notes(odd)


BAD = "lines hold bytes that are not UTF-8 (shown as U+FFFD)"
RETURNS = "lines end in CR (kept in the text)"
MARKS = "files begin with a byte order mark (kept in the text)"


def odd_notes(odd: Mapping[str, int]) -> list[str]:
    """Notes of what was counted: first what could not be read, then how the rest was."""
    return [f"{odd[what]:,} {what}" for what in sorted(odd, key=lambda what: (what != BAD, what)) if odd[what]]


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


def split(block: Block, encodings: Encodings | None = None, earlier: bool = False) -> Lines:
    """The lines of a block. `encodings` finds what lines are in that are not UTF-8; `earlier` keeps CR and byte order
    marks in the texts."""
    import numpy as np

    block = block if earlier else with_feeds(block)
    content = block.content
    starts, ends = line_places(content, block.begins + block.sizes)
    piece = np.searchsorted(block.begins, starts, side="right") - 1
    number = np.arange(len(starts)) - np.searchsorted(starts, block.begins)[piece]
    odd: dict[str, int] = {}
    if earlier:
        odd = {RETURNS: carriage_returns(content, ends), MARKS: len(marks(block))}
    else:
        starts, ends = (
            without_marks(block, starts, ends),
            without_returns(content, starts, ends, (block.begins + block.sizes)[piece]),
        )
    if valid(content, block.begins):
        texts = text_views(content, starts, ends)
    else:
        texts, more = decoded_lines(block, starts, ends, piece, None if earlier else encodings)
        odd |= more
    return Lines(block, piece, number, starts, ends, texts, odd)


def with_feeds(block: Block) -> Block:
    """A block in which a line feed ends each line of files whose lines end in CR alone."""
    ends = block.begins + block.sizes
    content = block.content
    for piece, begin, end in zip(block.pieces, block.begins.tolist(), ends.tolist(), strict=True):
        whole = piece.start == 0 and piece.last and piece.size
        part = content[begin:end] if whole else content[:0]
        if whole and (part == CARRIAGE_RETURN).any() and not (part == LINE_FEED).any():
            if content is block.content:
                content = content.copy()
            content[begin:end][part == CARRIAGE_RETURN] = LINE_FEED
    return block if content is block.content else replace(block, content=content)


def without_marks(block: Block, starts: Any, ends: Any) -> Any:
    """The starts, behind a byte order mark where a file begins with one."""
    import numpy as np

    begins = np.array(marks(block), np.int64)
    if not len(begins):
        return starts
    starts = starts.copy()
    first = np.searchsorted(starts, begins)
    starts[first] = np.minimum(begins + len(BOM), ends[first])
    return starts


def without_returns(content: Any, starts: Any, ends: Any, past: Any) -> Any:
    """The ends without the CRs before a line feed, which a line has that does not end with its file (`past`)."""
    import numpy as np

    left = np.flatnonzero((ends < past) & (ends > starts))
    left = left[content[ends[left] - 1] == CARRIAGE_RETURN]
    if not len(left):
        return ends
    ends = ends.copy()
    while len(left):
        ends[left] -= 1
        left = left[(ends[left] > starts[left]) & (content[ends[left] - 1] == CARRIAGE_RETURN)]
    return ends


def decoded_lines(
    block: Block, starts: Any, ends: Any, piece: Any, encodings: Encodings | None
) -> tuple[Any, dict[str, int]]:
    """The texts of lines of which some are not UTF-8, and how these were read."""
    import pyarrow as pa

    held, texts, odd = block.content.tobytes(), [], Counter[str]()
    for start, end, at in zip(starts.tolist(), ends.tolist(), piece.tolist(), strict=True):
        raw = held[start:end]
        try:
            texts.append(raw.decode("utf-8"))
        except UnicodeDecodeError:
            from_file = block.pieces[at]
            encoding = encodings.of(from_file.source, partial(parts_of, from_file)) if encodings else ""
            odd[f"lines are {note_on(encoding)}" if encoding else BAD] += 1
            texts.append(decoded(raw, encoding)[0] if encoding else raw.decode("utf-8", "replace"))
    return pa.array(texts, pa.string_view()), odd


def parts_of(piece: Piece) -> Iterator[bytes]:
    """A file's text once more, a part at a time."""
    with open_stream(piece.path) as (stream, _):
        yield from parts(stream, 1 << 62)


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


def texts_of(content: Any, starts: Any, ends: Any) -> tuple[Any, list[int]]:
    """The texts as UTF-8, in which each bad sequence becomes U+FFFD, as in Python's own reading, and which had such."""
    import pyarrow as pa

    held, texts, bad = content.tobytes(), [], []
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        try:
            texts.append(held[start:end].decode("utf-8"))
        except UnicodeDecodeError:
            bad.append(number)
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


def marks(block: Block) -> list[int]:
    """Where files in a block begin with a byte order mark."""
    heads = zip(block.pieces, block.begins.tolist(), strict=True)
    return [at for piece, at in heads if piece.start == 0 and block.content[at : at + 3].tobytes() == BOM]


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
        "#lo": in_source(lines, lines.starts + shift[lines.piece]),
        "#hi": in_source(lines, lines.ends + shift[lines.piece]),
    }
    if pieces and not pieces[-1].last:
        passed[pieces[-1].source] += int(np.count_nonzero(lines.piece == len(pieces) - 1))
    return pa.table({**columns, "path": shown_paths(lines), "line": columns["#line"], "text": lines.texts})


def in_source(lines: Lines, places: Any) -> Any:
    """Places in texts as places in their files."""
    import pyarrow as pa

    text = lines.block.pieces[0].text if len(lines.block.pieces) == 1 else None
    if text is None or text.places is None:
        return pa.array(places) if text is None or text.placed else pa.nulls(len(places), pa.int64())
    return pa.array(text.places(places)) if text.placed else pa.nulls(len(places), pa.int64())


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
    options=("encoding",),
)
