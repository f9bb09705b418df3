"""Streams of which any place may be read next: a part of an archive, a file that is read in ranges.

In: a size, and how the next bytes are taken. Out: a stream as Python's own. Law: each owns where it is read, so that
several are read at once.
"""

from __future__ import annotations

import io
from typing import Any

STEP = 1 << 20
"""Bytes that are taken at once where all are read."""


class Positioned(io.RawIOBase):
    """A stream of known size; owns where it is read. What it is of says `take`."""

    step = STEP

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def take(self, wanted: int) -> bytes:
        """The next bytes, so many at most; b"" at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, view: Any) -> int:
        held = self.take(len(view))
        view[: len(held)] = held
        return len(held)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.take(self.step), b""))
