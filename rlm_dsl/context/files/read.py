"""Files read whole, each once.

In: files that were found. Out: their texts, with their sources. Law: a digest is of the very bytes that were read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import SourceFile
from rlm_dsl.context.files.find import STANDARD_INPUT, Found, find
from rlm_dsl.context.files.presence import presence
from rlm_dsl.context.files.streams import open_stream

Progress = Callable[[int, int], None]
"""Told how many bytes are read, and of how many."""


@dataclass(frozen=True, slots=True)
class Read:
    """A file that was read, with its bytes; whether these are kept until its rows are made."""

    source: SourceFile
    content: bytes
    kept: bool = True


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


def read_one(given: str, progress: Progress | None, hint: str) -> Read:
    """The one file that was given, whole. Raises UserError, with the hint, where these are several."""
    found = find(given)
    if len(found) != 1:
        raise UserError(f"{given} is not one file", hint)
    return next(read_all(found, progress))


def size_of(files: Sequence[Found]) -> int:
    """The bytes of files on the disk; of standard input, which has no size yet, none."""
    return sum(
        (found.st_size if (found := presence(file.path)) else 0) if file.size is None else file.size
        for file in files
        if file.path != STANDARD_INPUT
    )


def read_file(index: int, file: Found) -> tuple[SourceFile, bytes]:
    with open_stream(file.path) as (stream, hashed):
        content: bytes = stream.read()
        digest = hashlib.sha256(content).hexdigest() if hashed is None else hashed.finish()
    size = len(content) if hashed is None else hashed.done
    return source_of(index, file, size, digest, content), content


def source_of(index: int, file: Found, size: int, digest: str, content: bytes | None = None) -> SourceFile:
    """A file that was read; standard input is kept, as it cannot be read again."""
    kept = content if file.path == STANDARD_INPUT else None
    return SourceFile(index, file.shown if kept is not None else file.path, size, digest, file.shown, kept)
