"""Which blocks of rows may hold a text: an index of trigrams, kept beside a context's rows.

In: texts of rows, in their order. Out: a file, and from it the blocks that may hold one of some texts.
Law: a block that holds a text is always among those found; others may be.

A block is a power of two of rows, some 64 KB of text. For each of 65,536 hashed trigrams of bytes, ASCII letters in
lower case, a row of bits says in which blocks it stands.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = 1 << 16
BLOCK = 1 << 16
"""Bytes of text that a block has about."""
MOST_ROWS = 1 << 11
AT_ONCE = 1 << 11
"""Blocks whose bits are turned over together."""
HEAD = 128
"""Bytes of the file before the bits: what they are, as JSON."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is open. `first` is the first row's number; block b has the rows from `first + (b << shift)` on."""

    first: int
    shift: int
    blocks: int
    bits: Any

    def holding(self, sets: Iterable[Collection[str]]) -> Any:
        """The numbers of blocks that may hold a text of each set."""
        import numpy as np

        found = np.full(self.bits.shape[1], 255, np.uint8)
        for texts in sets:
            found &= np.bitwise_or.reduce([self.of_text(text) for text in texts])
        return np.flatnonzero(np.unpackbits(found)[: self.blocks])

    def of_text(self, text: str) -> Any:
        import numpy as np

        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        found = np.full(self.bits.shape[1], 255, np.uint8)
        for kind in np.unique(kinds(data)):
            found &= self.bits[kind]
        return found


def kinds(data: Any) -> Any:
    """The hashed trigrams of bytes, one for each place but the last two."""
    import numpy as np

    lower = np.where((data >= 65) & (data <= 90), data | 32, data).astype(np.uint32)
    return ((lower[:-2] * 7919 + lower[1:-1] * 104_729 + lower[2:] * 65_537 * 31) >> 3).astype(np.uint16)


def rows_in_block(rows: int, size: int) -> int:
    """The power of two of rows that have about a block's bytes, as the exponent."""
    wanted = max(1, min(MOST_ROWS, BLOCK * max(rows, 1) // max(size, 1)))
    return wanted.bit_length() - 1


def write_index(path: Path, first: int, rows: int, size: int, texts: Iterable[Any]) -> None:
    """The index of so many rows with so many bytes of text, whose texts come as Arrow arrays, one after the other."""
    import numpy as np

    shift = rows_in_block(rows, size)
    count = -(-rows // (1 << shift))
    head = json.dumps({"first": first, "shift": shift, "blocks": count}).encode("ascii").ljust(HEAD)
    width = -(-max(count, 1) // 8)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(HEAD + KINDS * width)
    bits = np.memmap(path, np.uint8, "r+", HEAD, (KINDS, width))
    group = np.zeros((AT_ONCE, KINDS), bool)
    at = 0
    for number, data in enumerate(blocks(texts, 1 << shift)):
        group[number - at, kinds(data)] = True
        if number - at == AT_ONCE - 1:
            bits[:, at // 8 : at // 8 + AT_ONCE // 8] = np.packbits(group, axis=0).T
            group[:], at = False, number + 1
    bits[:, at // 8 :] = np.packbits(group, axis=0).T[:, : width - at // 8]
    bits.flush()


def blocks(texts: Iterable[Any], rows: int) -> Iterator[Any]:
    """The bytes of each block's texts, one after the other; the last block may have fewer rows."""
    import pyarrow as pa

    held = pa.array([], pa.large_string())
    for batch in texts:
        held = pa.concat_arrays([held, batch.cast(pa.large_string())])
        whole = len(held) // rows * rows
        for begin in range(0, whole, rows):
            yield bytes_of(held, begin, begin + rows)
        held = held.slice(whole)
    if len(held):
        yield bytes_of(held, 0, len(held))


def bytes_of(texts: Any, begin: int, end: int) -> Any:
    import numpy as np

    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset :]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return content[places[begin] : places[end]]


def open_index(path: Path) -> Index:
    """An index as it was written. Raises ValueError or OSError for a file that is none."""
    import numpy as np

    with path.open("rb") as file:
        held = json.loads(file.read(HEAD))
    width = -(-max(held["blocks"], 1) // 8)
    bits = np.memmap(path, np.uint8, "r", HEAD, (KINDS, width))
    return Index(held["first"], held["shift"], held["blocks"], bits)
