"""Files to bytes: finding them, reading each once, and reading spans of one again.

In: a path, folder, glob, or `-` for standard input. Out: bytes with the digests of their files.
Law: a digest is of the very bytes that were read; a place in a compressed file is one in the text it holds.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from rlm_dsl.common.diagnostics import UserError, nearest
from rlm_dsl.context.context import SourceFile

Progress = Callable[[int, int], None]
"""Told how many bytes are read, and of how many."""
MAGIC = "*?["
BINARY_LOOK = 8_192
STANDARD_INPUT = "-"
MOST_FILES = 1 << 20
"""Files of one context: a row's id has twenty bits for its file."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to be read: its path, and how it is shown relative to the folder or glob it was found by."""

    path: str
    shown: str


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read, with its bytes."""

    source: SourceFile
    content: bytes


def is_many(given: str) -> bool:
    """Whether what was given names several files: a folder or a glob."""
    return (any(mark in given for mark in MAGIC) and not Path(given).exists()) or Path(given).is_dir()


def find(given: str) -> list[Found]:
    """The files of a path, folder (with all below it, hidden ones left out) or glob, by shown path in byte order."""
    if given == STANDARD_INPUT:
        return [Found(STANDARD_INPUT, "standard input")]
    if Path(given).is_file():
        return [Found(Path(given).as_posix(), Path(given).name)]
    if Path(given).is_dir():
        found = list(below(Path(given).as_posix(), ""))
    elif any(mark in given for mark in MAGIC):
        base = fixed_part(given)
        found = [
            Found(p.as_posix(), p.relative_to(base).as_posix())
            for p in map(Path, glob.iglob(given, recursive=True))
            if p.is_file() and visible(p, base)
        ]
    else:
        raise missing(given)
    if not found:
        raise UserError(f"no file in {given}", "give a file, a folder with files, or a glob such as logs/**/*.log")
    if len(found) >= MOST_FILES:
        raise UserError(f"{given} has {len(found):,} files, and a context at most {MOST_FILES - 1:,}", "name fewer")
    return sorted(found, key=lambda f: os.fsencode(f.shown))


def below(folder: str, shown: str) -> Iterator[Found]:
    """The files in a folder and in those below it; links to folders are not followed, as they may lead in circles."""
    try:
        entries = list(os.scandir(folder))
    except OSError as failure:
        raise UserError(f"{folder} cannot be read: {failure.strerror}") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from below(f"{folder}/{entry.name}", f"{shown}{entry.name}/")
        elif entry.is_file():
            yield Found(f"{folder}/{entry.name}", f"{shown}{entry.name}")


def visible(path: Path, base: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(base).parts)


def fixed_part(given: str) -> Path:
    """A glob's longest folder without wildcards."""
    parts = Path(given).parts
    fixed = [part for index, part in enumerate(parts[:-1]) if not any(m in "".join(parts[: index + 1]) for m in MAGIC)]
    return Path(*fixed) if fixed else Path()


def missing(given: str) -> UserError:
    """The error for a path that is not there, with the nearest name in its folder."""
    path = Path(given)
    folder = path.parent
    if not folder.is_dir():
        return UserError(f"there is no file {given}", f"there is no folder {folder} either")
    near = nearest(path.name, [p.name for p in folder.iterdir()])
    hint = f"did you mean {folder / near}?" if near else "check the path, or give a glob such as logs/*.log"
    return UserError(f"there is no file {given}", hint)


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
def opened(path: str) -> Iterator[tuple[Any, Hashed | None]]:
    """A file's text as a stream, and where the file is compressed, the stream of its own bytes below that.

    Raises UserError for what cannot be opened, is cut short or is not what its ending says.
    """
    try:
        if path == STANDARD_INPUT:
            yield sys.stdin.buffer, None
            return
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each of a million files costs seconds
            decompressor = DECOMPRESSORS.get(path[path.rfind(".") :].lower())
            if decompressor is None:
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
        raise UserError(f"{path} cannot be read: {failure.strerror}") from None


def fill(stream: Any, view: memoryview) -> int:
    """Read until the view is full or the stream ends; gives the bytes read."""
    at = 0
    while at < len(view):
        count = stream.readinto(view[at:]) or 0
        if not count:
            break
        at += count
    return at


def read_all(found: Iterable[Found], progress: Progress | None = None) -> Iterator[Read]:
    """Each file's text with its source, in order."""
    files = list(found)
    total = size_of(files) if progress else 0
    done = 0
    for index, file in enumerate(files):
        source, content = read_file(index, file)
        done += source.size
        if progress:
            progress(done, total)
        yield Read(source, content)


def size_of(files: Sequence[Found]) -> int:
    """The bytes of files on the disk; of standard input, which has no size yet, none."""
    return sum(Path(file.path).stat().st_size for file in files if file.path != STANDARD_INPUT)


def read_file(index: int, file: Found) -> tuple[SourceFile, bytes]:
    with opened(file.path) as (stream, hashed):
        content: bytes = stream.read()
        digest = hashlib.sha256(content).hexdigest() if hashed is None else hashed.finish()
    size = len(content) if hashed is None else hashed.done
    return source_of(index, file, size, digest, content), content


def source_of(index: int, file: Found, size: int, digest: str, content: bytes | None = None) -> SourceFile:
    """A file that was read; standard input is kept, as it cannot be read again."""
    kept = content if file.path == STANDARD_INPUT else None
    return SourceFile(index, file.shown if kept is not None else file.path, size, digest, file.shown, kept)


def is_binary(content: bytes) -> bool:
    return b"\x00" in content[:BINARY_LOOK]


def read_spans(source: SourceFile, spans: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The bytes of spans of a source's text, read from it again; a compressed file is gone through once."""
    wanted = sorted(set(spans))
    if source.held is not None:
        return {(start, end): source.held[start:end] for start, end in wanted}
    with opened(source.path) as (stream, hashed):
        if hashed is None:
            return {span: seek(stream, span) for span in wanted}
        return dict(pass_through(stream, wanted))


def feeds_between(source: SourceFile, spans: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """How many line feeds stand in each span of a source's text, which is gone through once, a part at a time."""
    counted = dict.fromkeys(spans, 0)
    wanted = sorted(span for span in counted if span[0] < span[1])
    if not wanted:
        return counted
    if source.held is not None:
        return {(start, end): source.held.count(b"\n", start, end) for start, end in counted}
    cuts = sorted({place for span in wanted for place in span})
    before = {cuts[0]: 0}
    with opened(source.path) as (stream, hashed):
        if hashed is None:
            stream.seek(cuts[0])
        else:
            skip(stream, cuts[0])
        for start, end in pairwise(cuts):
            before[end] = before[start] + sum(part.count(b"\n") for part in parts(stream, end - start))
    return counted | {(start, end): before[end] - before[start] for start, end in wanted}


def parts(stream: Any, size: int) -> Iterator[bytes]:
    """So many bytes of a stream, a part at a time; fewer where it ends."""
    while size > 0 and (part := stream.read(min(size, 1 << 20))):
        size -= len(part)
        yield part


def skip(stream: Any, size: int) -> None:
    for _ in parts(stream, size):
        pass


def seek(stream: Any, span: tuple[int, int]) -> bytes:
    stream.seek(span[0])
    held = bytearray(span[1] - span[0])
    return bytes(held[: fill(stream, memoryview(held))])


def pass_through(stream: Any, wanted: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Spans in rising order from a stream that only goes forward; those that overlap share what was read."""
    held, begin = b"", 0
    for start, end in wanted:
        held, begin = held[max(0, start - begin) :], max(begin, min(start, begin + len(held)))
        while begin + len(held) < end and (more := stream.read(max(1 << 20, end - begin - len(held)))):
            held += more
            if begin + len(held) <= start:
                held, begin = b"", begin + len(held)
            elif begin < start:
                held, begin = held[start - begin :], start
        yield (start, end), held[start - begin : end - begin]
