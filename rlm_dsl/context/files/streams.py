"""Files as streams of the text they hold, compressed or not.

In: a path. Out: a stream. Law: what a compressed file's own bytes are is digested while its text is read; one that is
cut short, or is not what its ending says, is refused.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.context.files import archives, remote
from rlm_dsl.context.files.find import STANDARD_INPUT
from rlm_dsl.context.files.presence import WHO, changed

BINARY_LOOK = 8_192


class Hashed(io.RawIOBase):
    """A stream that digests what is read from it; `done` is how many bytes that were."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.hash = hashlib.sha256()
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, view: Any) -> int:
        count: int = self.stream.readinto(view)  # type: ignore[attr-defined]
        self.hash.update(memoryview(view)[:count])
        self.done += count
        return count

    def finish(self) -> str:
        """The digest of the whole file: what a decompressor left unread belongs to it."""
        while self.read(1 << 16):
            pass
        return self.hash.hexdigest()


class Peeked:
    """A stream whose first bytes, `head`, have been looked at."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        held = bytearray(BINARY_LOOK)
        self.head = bytes(held[: fill(stream, memoryview(held))])
        self.rest = memoryview(self.head)

    def readinto(self, view: memoryview) -> int:
        if not self.rest:
            count: int = self.stream.readinto(view)
            return count
        given, self.rest = self.rest[: len(view)], self.rest[len(view) :]
        view[: len(given)] = given
        return len(given)

    def read(self) -> bytes:
        """All that is left."""
        begin, self.rest = bytes(self.rest), memoryview(b"")
        return begin + bytes(self.stream.read())


def zstandard(stream: Any) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd")


DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": zstandard,
}
"""How the text in a compressed file is read, by the ending of its name."""


def plain_name(path: str) -> str:
    """A path without the ending that says how the file is compressed."""
    stem, dot, ending = path.rpartition(".")
    return stem if dot + ending.lower() in DECOMPRESSORS else path


@contextmanager
def open_bytes(path: str) -> Iterator[Any]:
    """A file's own bytes as a stream, wherever it lies."""
    if remote.is_remote(path):
        with remote.open_remote(path) as stream:
            yield stream
        return
    inner = archives.split(path) if archives.MARK in path else None
    if inner is not None:
        with archives.open_inner(*inner) as stream:
            yield stream
        return
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each of a million files costs seconds
        before = os.fstat(file.fileno())
        yield file
        if changed(path, before):
            raise UserError(f"{path} was written to while it was read", "copy it first, or read it when it rests")


@contextmanager
def open_stream(path: str, packed: bool = False) -> Iterator[tuple[Any, Hashed | None]]:
    """A file's text as a stream, and where the file is compressed, the stream of its own bytes below that; its own
    bytes where they are wanted `packed`.

    Raises UserError for what cannot be opened, is cut short or is not what its ending says.
    """
    try:
        if path == STANDARD_INPUT:
            yield sys.stdin.buffer, None
            return
        with open_bytes(path) as file:
            decompressor = DECOMPRESSORS.get(path[path.rfind(".") :].lower())
            if decompressor is None or packed:
                yield file, None
                return
            hashed = Hashed(file)
            yield decompressor(hashed), hashed
    except IsADirectoryError:
        raise UserError(f"{path} is a folder", "give a file of this format") from None
    except (EOFError, zlib.error, lzma.LZMAError) as failure:
        raise UserError(f"{path} cannot be decompressed: {failure}") from None
    except OSError as failure:
        if failure.strerror is None:
            raise UserError(f"{path} cannot be decompressed: {str(failure).splitlines()[0]}") from None
        raise system_error(failure, path, "read", WHO) from None


def fill(stream: Any, view: memoryview) -> int:
    """Read until the view is full or the stream ends; gives the bytes read."""
    at = 0
    while at < len(view):
        count = stream.readinto(view[at:]) or 0
        if not count:
            break
        at += count
    return at


def parts(stream: Any, size: int) -> Iterator[bytes]:
    """So many bytes of a stream, a part at a time; fewer where it ends."""
    while size > 0 and (part := stream.read(min(size, 1 << 20))):
        size -= len(part)
        yield part


def skip(stream: Any, size: int) -> None:
    for _ in parts(stream, size):
        pass


def is_binary(content: bytes) -> bool:
    return b"\x00" in content[:BINARY_LOOK]
