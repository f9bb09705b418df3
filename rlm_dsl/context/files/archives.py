"""Archives as folders: the files in a `.zip` or `.tar` (also `.tar.gz`, `.tar.bz2`, `.tar.xz`), each read in its place.

In: an archive's path, and the name of a file in it: `orders.zip!/2026/a.csv`. Out: names with sizes, and streams. Law:
nothing is written where an archive's names say; what would unpack without measure, points outside or is encrypted
is refused before it is read. A compressed tar is unpacked once, into a file without a name that goes with the process.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, nearest
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.context.files.positioned import Positioned
from rlm_dsl.context.files.presence import is_file, is_there
from rlm_dsl.context.files.unpacking import MOST_FILES, require_ratio, require_total

MARK = "!/"
"""Between an archive's path and that of a file in it."""
ZIP = (".zip",)
TARS: dict[str, Callable[[Any], Any]] = {
    ".tar": lambda file: file,
    ".tar.gz": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    ".tgz": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    ".tar.bz2": bz2.BZ2File,
    ".tbz2": bz2.BZ2File,
    ".tar.xz": lzma.LZMAFile,
    ".txz": lzma.LZMAFile,
}
LITTER = "__MACOSX"
"""A folder of no data that one system puts into its archives."""
STEP = 1 << 20
KEPT_OPEN = 4
BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is open: the sizes of its files by their names, and how one is read."""

    sizes: dict[str, int]
    stream: Callable[[str], Any]


def is_archive(path: str) -> bool:
    """Whether a path names an archive, by its ending."""
    return path.lower().endswith((*ZIP, *TARS))


def split(path: str) -> tuple[str, str] | None:
    """The archive and what is meant in it: '' for all; None for what is no archive, such as a folder of that name."""
    archive, mark, inner = path.partition(MARK)
    if not is_archive(archive) or not is_file(archive) or (mark and is_there(path)):
        return None
    return archive, inner


def inner_files(archive: str) -> dict[str, int]:
    """The files of an archive, hidden ones left out, with their sizes."""
    return {
        name: size
        for name, size in opened(archive).sizes.items()
        if not any(part.startswith(".") or part == LITTER for part in name.split("/"))
    }


@contextmanager
def open_inner(archive: str, name: str) -> Iterator[Any]:
    """A file of an archive as a stream."""
    held = opened(archive)
    if name not in held.sizes:
        raise missing_inner(archive, name)
    try:
        stream = held.stream(name)
    except (*BROKEN, ValueError, RuntimeError) as failure:
        told = "is encrypted" if "password" in str(failure) else f"cannot be unpacked: {failure}"
        raise UserError(f"{archive}{MARK}{name} {told}", "unpack it by hand, and give the folder") from None
    try:
        with stream:
            yield stream
    except BROKEN as failure:
        raise UserError(f"{archive}{MARK}{name} cannot be unpacked: {failure}") from None


def missing_inner(archive: str, name: str) -> UserError:
    near = nearest(name, list(opened(archive).sizes))
    return UserError(f"there is no {name} in {archive}", f"did you mean {archive}{MARK}{near}?" if near else "")


def opened(path: str) -> Archive:
    """The archive, open. Raises UserError for what is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as elsewhere
        return open_again(path, found.st_size, found.st_mtime_ns, found.st_ino)
    except (*BROKEN, ValueError) as failure:
        raise UserError(f"{path} is a broken archive: {failure}") from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None


@lru_cache(KEPT_OPEN)
def open_again(path: str, size: int, changed: int, inode: int) -> Archive:
    """An archive as it was at that time: opened once for all of its files."""
    return open_zip(path) if path.lower().endswith(ZIP) else open_tar(path, size)


def open_zip(path: str) -> Archive:
    archive = zipfile.ZipFile(path)
    held = {}
    for info in archive.infolist():
        if info.is_dir():
            continue
        require_ratio(path, info.filename, info.file_size, info.compress_size)
        held[safe_name(path, info.filename)] = info
    require_count(path, len(held))
    require_total(path, sum(info.file_size for info in held.values()))
    return Archive({name: info.file_size for name, info in held.items()}, lambda name: archive.open(held[name]))


def open_tar(path: str, packed: int) -> Archive:
    ending = next(ending for ending in sorted(TARS, key=len, reverse=True) if path.lower().endswith(ending))
    file = Path(path).open("rb") if ending == ".tar" else unpacked(path, TARS[ending], packed)  # noqa: SIM115 - kept open
    held = {}
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if member.isfile() and not member.issparse():
                held[safe_name(path, member.name)] = (member.offset_data, member.size)
                require_count(path, len(held))
        require_end(path, file, archive.offset)
    descriptor = file.fileno()
    sizes = {name: size for name, (_, size) in held.items()}
    return Archive(sizes, lambda name: _Part(file, descriptor, *held[name]))


def require_end(path: str, file: Any, at: int) -> None:
    """Raises UserError where a tar ends within a file of it, or goes on with what is none."""
    file.seek(at)
    rest = file.read(tarfile.BLOCKSIZE)
    if rest.strip(b"\x00") or at > file.seek(0, io.SEEK_END):
        raise UserError(f"{path} is a broken archive: it is cut short", "get it again")


def unpacked(path: str, decompressor: Callable[[Any], Any], packed: int) -> Any:
    """What a compressed tar holds, in a file that has no name."""
    made = tempfile.TemporaryFile()  # noqa: SIM115 - goes with the archive
    done = 0
    with Path(path).open("rb") as file, decompressor(file) as stream:
        while part := stream.read(STEP):
            done += len(part)
            require_ratio(path, Path(path).name, done, packed)
            require_total(path, done)
            made.write(part)
    made.seek(0)
    return made


class _Part(Positioned):
    """A part of a file."""

    def __init__(self, file: Any, descriptor: int, start: int, size: int) -> None:
        super().__init__(size)
        self.file, self.descriptor, self.start = file, descriptor, start

    def take(self, wanted: int) -> bytes:
        held = os.pread(self.descriptor, max(0, min(wanted, self.size - self.at)), self.start + self.at)
        self.at += len(held)
        return held


def safe_name(archive: str, name: str) -> str:
    """A file's name in an archive as a path below it. Raises UserError where it points outside."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise UserError(f"{archive} names a place outside of it: {name[:200]!r}", "unpack it by hand if you trust it")
    return "/".join(parts)


def require_count(path: str, count: int) -> None:
    if count > MOST_FILES:
        raise UserError(f"{path} has more than {MOST_FILES:,} files", "unpack it by hand, and give the folder")
