"""Files to bytes: finding them, reading each once, and reading a span of one again.

In: a path, folder or glob. Out: bytes with their digests. Law: the digest is of the very bytes that were read.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.diagnostics import UserError, nearest

Progress = Callable[[int, int], None]
MAGIC = "*?["
BINARY_LOOK = 8_192


@dataclass(frozen=True, slots=True)
class Found:
    """A file to be read: its path, and how it is shown relative to the folder or glob it was found by."""

    path: Path
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
    path = Path(given)
    if path.is_file():
        return [Found(path, path.name)]
    if path.is_dir():
        found = [Found(p, p.relative_to(path).as_posix()) for p in path.rglob("*") if p.is_file() and visible(p, path)]
    elif any(mark in given for mark in MAGIC):
        base = fixed_part(given)
        found = [
            Found(p, p.relative_to(base).as_posix())
            for p in map(Path, glob.glob(given, recursive=True))
            if p.is_file() and visible(p, base)
        ]
    else:
        raise missing(given)
    if not found:
        raise UserError(f"no file in {given}", "give a file, a folder with files, or a glob such as logs/**/*.log")
    return sorted(found, key=lambda f: f.shown.encode("utf-8", "surrogateescape"))


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


def read_all(found: Iterable[Found], progress: Progress | None = None) -> Iterator[Read]:
    """Each file's bytes with size and sha256, in order."""
    files = list(found)
    total = sum(file.path.stat().st_size for file in files) if progress else 0
    done = 0
    for index, file in enumerate(files):
        content = read_bytes(file.path)
        done += len(content)
        if progress:
            progress(done, total)
        digest = hashlib.sha256(content).hexdigest()
        yield Read(SourceFile(index, file.path.as_posix(), len(content), digest, file.shown), content)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise UserError(f"{path} is a folder", "give a file of this format") from None
    except OSError as failure:
        raise UserError(f"{path} cannot be read: {failure.strerror}") from None


def is_binary(content: bytes) -> bool:
    return b"\x00" in content[:BINARY_LOOK]


def read_span(context: Context, source_index: int, start: int, end: int) -> bytes:
    """The bytes of a span, read from the source file again."""
    source = context.sources[source_index]
    if source.held is not None:
        return source.held[start:end]
    with Path(source.path).open("rb") as file:
        file.seek(start)
        return file.read(end - start)
