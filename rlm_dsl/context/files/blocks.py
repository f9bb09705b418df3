"""Files as blocks of bytes that end where a line or a file ends, however large the files and however many.

In: files. Out: blocks, each with the pieces of files it is made of, and the sources as they are finished.
Law: the pieces, one after the other, are the files' texts; only a block is held at a time, and what is kept of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import SourceFile
from rlm_dsl.context.files.find import STANDARD_INPUT, Found
from rlm_dsl.context.files.read import Progress, read_file, size_of, source_of
from rlm_dsl.context.files.recognised import UNKNOWN, binary, no_text, told_kinds
from rlm_dsl.context.files.streams import Hashed, Peeked, fill, is_binary, open_stream, parts
from rlm_dsl.context.files.text import UTF_8, Encodings, PrefixChanged, Text, text_of, wide_encoding
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions

T = TypeVar("T")
SIZE = 1 << 24
"""Bytes of a block, unless a line (or a file that is wanted whole) is longer."""
LONGEST = 1 << 30
FEW_BYTES = 1 << 20
"""Fewer bytes than this are digested at once, more beside the reading of the next."""
LINE_FEED = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a source: where it begins in the source's text, and its bytes. `last` where the source ends with it.
    `path` is where the source can be read again; one that is not in UTF-8 is a whole piece, with its `text`."""

    source: int
    shown: str
    start: int
    size: int
    last: bool
    path: str = ""
    text: Text | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes (an array of uint8) and the pieces they are."""

    content: Any
    pieces: Sequence[Piece]

    @property
    def sizes(self) -> Any:
        import numpy as np

        return np.array([piece.size for piece in self.pieces], np.int64)

    @property
    def begins(self) -> Any:
        """Where each piece begins in the block."""
        import numpy as np

        return np.cumsum(self.sizes) - self.sizes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a file was read before: it goes on at the byte `at`, and its first `size` bytes had this digest."""

    at: int
    size: int
    sha256: str


@dataclass(slots=True)
class Files:
    """Reads files into blocks. `sources` holds those that are finished, `skipped` counts binary files left out,
    by what they seem to be.
    `checkpoint` says where the first file goes on that was read before. Of files that are a `part` of those that are
    asked for, whoever has them all tells what was left out."""

    found: Sequence[Found]
    progress: Progress | None = None
    whole: bool = False
    text_only: bool = False
    checkpoint: Checkpoint | None = None
    sources: list[SourceFile] = field(default_factory=list)
    options: ReadingOptions = NO_OPTIONS
    skipped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    part: bool = False
    encodings: Encodings = field(init=False)

    def __post_init__(self) -> None:
        self.encodings = Encodings(self.checkpoint is not None)

    @property
    def notes(self) -> list[str]:
        """What is told of files that were left out. Raises UserError where nothing else was there."""
        return [] if self.part else left_out(self.skipped, bool(self.sources))

    def __iter__(self) -> Iterator[Block]:
        with ThreadPoolExecutor(1) as pool:
            yield from _Filling(self, pool).blocks()


def left_out(skipped: Counter[str], others: bool) -> list[str]:
    """What is told of files that are no text. Raises UserError where there are no `others`."""
    if not skipped:
        return []
    kinds = told_kinds(skipped)
    if not others:
        raise UserError(f"there is no text to read, only binary files: {kinds}", "docs/data.md lists the formats")
    return [f"{skipped.total():,} binary files were left out: {kinds}"]


class _Filling:
    """One run over the files: the block being filled, and the piece of the file being read."""

    def __init__(self, files: Files, pool: ThreadPoolExecutor) -> None:
        self.files, self.pool = files, pool
        self.total = size_of(files.found) if files.progress else 0
        self.done = 0
        self.pieces: list[Piece] = []
        self.filled = self.begin = 0
        self.content = empty(SIZE)

    def blocks(self) -> Iterator[Block]:
        for file in self.files.found:
            if file.path == STANDARD_INPUT:
                yield self.standard_input(file)
            else:
                with open_stream(file.path) as (stream, hashed):
                    yield from self.file(file, stream, hashed)
        yield Block(self.content[: self.filled], self.pieces)

    def standard_input(self, file: Found) -> Block:
        source, content = read_file(len(self.files.sources), file)
        self.leaves_out(file, content)
        return self.as_text(file, source, content)

    def as_text(self, file: Found, source: SourceFile, content: bytes) -> Block:
        """A file that was read whole, as a block of its text."""
        text = text_of(content, self.files.options)
        self.files.sources.append(replace(source, encoding=text.encoding))
        self.files.noted.update(text.notes)
        return Block(as_bytes(text.content), [Piece(source.index, file.shown, 0, len(text.content), True, text=text)])

    def transcoded(self, file: Found, stream: Peeked, hashed: Hashed | None) -> Iterator[Block]:
        """A file in an encoding of which a byte is no character, or in one that is said."""
        content = stream.read()
        digest = hashlib.sha256(content).hexdigest() if hashed is None else hashed.finish()
        size = len(content) if hashed is None else hashed.done
        if self.pieces:
            yield Block(self.content[: self.filled], self.pieces)
            self.content, self.filled, self.pieces = empty(SIZE), 0, []
        if len(content) > LONGEST:
            raise UserError(f"{file.path} is not UTF-8, and has more than 1 GB", "convert it to UTF-8 first: iconv")
        yield self.as_text(file, source_of(len(self.files.sources), file, size, digest), content)
        self.done += size

    def is_other(self, head: bytes) -> bool:
        """Whether a file is not to be read as UTF-8, or what is near it, as far as its first bytes tell."""
        options = self.files.options
        return not options.earlier and (options.encoding or wide_encoding(head)[0] or UTF_8) != UTF_8

    def leaves_out(self, file: Found, head: bytes) -> bool:
        """Whether a file among several is no text. Raises UserError where it is the one that is read."""
        options = self.files.options
        known = None if options.earlier else binary(head, options.encoding)
        if known is not None and not self.files.text_only:
            raise no_text(known, file.path)
        if known is not None:
            self.files.skipped[known.kind] += 1
        return known is not None

    def file(self, file: Found, stream: Any, hashed: Hashed | None) -> Iterator[Block]:
        """One file's pieces: those that fill a block are given with it, the last is left in the block."""
        digest = Digest(self.pool)
        start = size = self.go_on(stream, digest)
        self.begin = self.filled
        if not size:
            stream = Peeked(stream)
            if self.leaves_out(file, stream.head):
                return
            if self.is_other(stream.head):
                yield from self.transcoded(file, stream, hashed)
                return
            if self.files.text_only and is_binary(stream.head):
                self.files.skipped[UNKNOWN.kind] += 1
                return
        while True:
            room = memoryview(self.content)[self.filled :]
            count = fill(stream, room)
            if hashed is None:
                digest.update(room[:count])
            size += count
            self.tell(hashed.done if hashed else size)
            self.filled += count
            if self.filled < len(self.content):
                break
            cut = self.cut()
            if cut:
                kept = cut - self.begin
                part = Piece(len(self.files.sources), file.shown, start, kept, False, file.path)
                yield Block(self.content[:cut], [*self.pieces, part] if kept else self.pieces)
                start += kept
            self.renew(cut)
        index = len(self.files.sources)
        self.pieces.append(Piece(index, file.shown, start, self.filled - self.begin, True, file.path))
        sha256 = digest.finish() if hashed is None else hashed.finish()
        self.files.sources.append(source_of(index, file, size if hashed is None else hashed.done, sha256))
        self.done += self.files.sources[-1].size

    def go_on(self, stream: Any, digest: Digest) -> int:
        """Where to read a file from: its beginning, or behind what was read of it before and is still the same."""
        checkpoint, self.files.checkpoint = self.files.checkpoint, None
        if checkpoint is None:
            return 0
        for part in parts(stream, checkpoint.size):
            digest.hash.update(part)
        if digest.hash.hexdigest() != checkpoint.sha256:
            raise PrefixChanged
        stream.seek(checkpoint.at)
        digest.known = checkpoint.size - checkpoint.at
        return checkpoint.at

    def cut(self) -> int:
        """Where a full block ends: behind the last line feed of the file being read, or else before this file."""
        import numpy as np

        if not self.files.whole:
            for end in range(self.filled, self.begin, -FEW_BYTES):
                at = max(self.begin, end - FEW_BYTES)
                feeds = np.flatnonzero(self.content[at:end] == LINE_FEED)
                if len(feeds):
                    return at + int(feeds[-1]) + 1
        return self.begin

    def renew(self, cut: int) -> None:
        """A new block that begins with what was not cut off; a larger one where nothing could be."""
        rest = self.content[cut : self.filled]
        if 2 * len(rest) > LONGEST:
            what = "a file" if self.files.whole else "a line"
            raise UserError(f"{what} has more than 512 MB", "cut it first, or load a file as lines: NAME:lines=PATH")
        content = empty(max(SIZE, 2 * len(rest)))
        content[: len(rest)] = rest
        self.content, self.filled = content, len(rest)
        self.begin = 0
        if cut:
            self.pieces = []

    def tell(self, of_file: int) -> None:
        if self.files.progress:
            self.files.progress(self.done + of_file, self.total)


class Digest:
    """sha256 of what is read, beside the reading; the next `known` bytes are in it already."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool, self.hash = pool, hashlib.sha256()
        self.pending: Future[None] | None = None
        self.known = 0

    def update(self, view: memoryview) -> None:
        self.wait()
        view, self.known = view[self.known :], max(0, self.known - len(view))
        if len(view) < FEW_BYTES:
            self.hash.update(view)
        else:
            self.pending = self.pool.submit(self.hash.update, view)

    def wait(self) -> None:
        if self.pending is not None:
            self.pending.result()
            self.pending = None

    def finish(self) -> str:
        self.wait()
        return self.hash.hexdigest()


def empty(size: int) -> Any:
    import numpy as np

    return np.empty(size, np.uint8)


def as_bytes(content: bytes) -> Any:
    """Bytes as a block's content."""
    import numpy as np

    return np.frombuffer(content, np.uint8)
