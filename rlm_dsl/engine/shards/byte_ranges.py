"""One large file of lines in ranges of bytes, each of which a task reads by itself.

In: a file's path and size. Out: ranges, and the lines that begin in one. Law: each line is in one range, whole; a file
is only read so where its lines are read alike wherever they stand: UTF-8 without what has to be told of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.blocks import SIZE, Block, Piece, as_bytes
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.find import Found
from rlm_dsl.context.files.recognised import binary
from rlm_dsl.context.files.remote import is_remote
from rlm_dsl.context.files.streams import BINARY_LOOK, DECOMPRESSORS, is_binary, open_bytes
from rlm_dsl.context.files.text import wide_encoding
from rlm_dsl.context.formats.lines import LINES, split, table

FEED = b"\n"
ODD = "odd"
"""Under this name a range counts the lines of which something has to be told."""


def ranges_of(file: Found, size: int, most: int) -> list[tuple[int, int]]:
    """The ranges of a file, one where it is to be read whole."""
    if size <= 2 * most or not is_plain(file):
        return []
    return [(begin, min(begin + most, size)) for begin in range(0, size, most)]


def is_plain(file: Found) -> bool:
    """Whether a file lies here, unpacked, and begins like text in UTF-8."""
    if is_remote(file.path) or "." + file.path.rpartition(".")[2] in DECOMPRESSORS:
        return False
    with open_bytes(file.path) as stream:
        head = stream.read(BINARY_LOOK)
    return binary(head, "") is None and not wide_encoding(head)[0] and not is_binary(head) and not head.startswith(BOM)


def lines_of_range(file: Found, size: int, span: tuple[int, int], skipped: Counter[str]) -> Loaded:
    """The lines that begin in a range, numbered from 1; what is odd of them is counted in `skipped`."""

    def batches() -> Iterator[Any]:
        passed: Counter[int] = Counter()
        for block in blocks_of_range(file, size, span):
            lines = split(block)
            skipped[ODD] += sum(lines.odd.values())
            yield table(lines, passed).drop("path")

    return Loaded("lines", LINES, batches())


def blocks_of_range(file: Found, size: int, span: tuple[int, int]) -> Iterator[Block]:
    """The bytes from the first line that begins in a range to the first one behind it, in blocks that end a line."""
    with open_bytes(file.path) as stream:
        at, past = (boundary(stream, place, size) for place in span)
        stream.seek(at)
        rest, read = b"", at
        while read < past or rest:
            held = rest + stream.read(min(SIZE, past - read))
            read = at + len(held)
            cut = len(held) if read >= past else held.rfind(FEED) + 1
            rest = held[cut:]
            if cut:
                piece = Piece(0, file.shown, at, cut, at + cut >= size, file.path)
                yield Block(as_bytes(held[:cut]), [piece])
                at += cut


def boundary(stream: Any, place: int, size: int) -> int:
    """Where the first line begins at a byte or behind it."""
    if place in (0, size):
        return place
    at = place - 1
    stream.seek(at)
    while part := stream.read(1 << 16):
        if (found := part.find(FEED)) >= 0:
            return int(at + found + 1)
        at += len(part)
    return size
