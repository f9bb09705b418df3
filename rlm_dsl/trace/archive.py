"""A trace as one zip, and the folder again.

In: a trace's folder, or a zip of it. Out: the other. Law: the same files pack to the same bytes (under one version of
zlib); unpacking writes nothing outside a folder of its own, nothing that the seal does not list, and never much more
than was packed.
"""

from __future__ import annotations

import lzma
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import ONLY_IN_WRITING, system_error
from rlm_dsl.trace.layout import EVENTS, HEADER, SEAL, SIGNATURE, is_litter
from rlm_dsl.trace.seal import changed_files, file_names

LARGEST = 8 * 2**30
"""Bytes that a zip may unpack to."""
MOST = 100_000
"""Files that a zip may hold."""
MOST_RATIO, UNSUSPECTED = 200, 1 << 24
"""How many times larger than packed a file may be, and the bytes up to which it may be any; none is packed denser."""
PLAIN = re.compile(r"(?:[^/\\:\x00-\x1f]+/)?[^/\\:\x00-\x1f]+")
"""A file's name within a trace: in it or in one folder of it."""


def pack(folder: Path, target: Path | None = None) -> Path:
    """A trace's folder as one zip: names in order, no times, so that the same trace gives the same bytes.

    Raises UserError for a folder that holds links or is not as it was sealed, and where the disk refuses.
    """
    target = target or folder.with_name(folder.name + ".zip")
    names = [*file_names(folder), *(name for name in (SEAL, SIGNATURE) if (folder / name).exists())]
    if odd := [name for name in names if (folder / name).is_symlink() or not (folder / name).is_file()]:
        raise UserError(f"{folder} cannot be packed: {odd[0]} is no file")
    if (folder / SEAL).exists() and (faults := changed_files(folder)):
        raise UserError(f"{folder} is not packed, as it is not what was sealed: {faults[0].message}", "rlm-dsl verify")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as beside:
            partial = Path(beside) / "packed.zip"
            if dense := write_archive(partial, folder, sorted(names), frozenset()):
                write_archive(partial, folder, sorted(names), dense)
            return partial.replace(target)
    except OSError as failure:
        raise system_error(failure, target, "written") from None


def write_archive(target: Path, folder: Path, names: Sequence[str], plain: frozenset[str]) -> frozenset[str]:
    """A zip of files, the `plain` ones as they are; gives the names of those that are packed so densely that a reader
    would take them for a bomb."""
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            add(archive, name, folder / name, zipfile.ZIP_STORED if name in plain else zipfile.ZIP_DEFLATED)
        return frozenset(entry.filename for entry in archive.infolist() if is_bomb(entry))


def is_bomb(entry: zipfile.ZipInfo) -> bool:
    return entry.file_size > max(UNSUSPECTED, MOST_RATIO * entry.compress_size)


def add(archive: zipfile.ZipFile, name: str, path: Path, kind: int) -> None:
    """One file into a zip, with the same system, rights and time on every machine."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type, entry.create_system, entry.external_attr = kind, 3, 0o644 << 16
    entry.file_size = path.stat().st_size
    with path.open("rb") as file, archive.open(entry, "w") as held:
        shutil.copyfileobj(file, held)


def unpack(path: Path, target: Path | None = None) -> Path:
    """A packed trace as a folder again, whole or not there. Raises UserError for what is no trace, where the folder is
    there already, and where the disk refuses."""
    target = target or path.with_name(path.name.removesuffix(".zip"))
    if target.exists():
        raise UserError(f"{target} is there already", "name another folder with --to")
    folder, held = folder_of(path)
    if held is None:
        raise UserError(f"{path} is a folder already")
    if (folder / SEAL).exists() and (faults := changed_files(folder)):
        raise UserError(f"{path} is not unpacked, as it is not what was sealed: {faults[0].message}", "rlm-dsl verify")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as beside:
            return copied(folder, Path(beside) / "whole").rename(target)
    except OSError as failure:
        raise system_error(failure, target, "written") from None


def copied(folder: Path, target: Path) -> Path:
    """A trace's files in a folder of their own. `shutil.copytree` raises one error for all files that names none."""
    target.mkdir()
    for path in sorted(folder.rglob("*")):
        place = target / path.relative_to(folder)
        place.mkdir() if path.is_dir() else shutil.copyfile(path, place)
    return target


def folder_of(path: Path) -> tuple[Path, Any]:
    """The folder of a trace, and what keeps it if a zip was unpacked to it. Raises UserError for what is no trace."""
    folder, held = unpack_to_temporary(path) if path.is_file() else (path, None)
    if not path.exists():
        raise UserError(f"there is no trace {path}", "traces are folders that end in .trace, or zips of them")
    if not (folder / HEADER).is_file() and not (folder / EVENTS).is_file():
        raise UserError(f"{path} is no trace", "a trace has a trace.json and an events.jsonl")
    return folder, held


def is_trace(path: Path) -> bool:
    """Whether a path is that of a trace, and of no program: a folder or a zip."""
    return path.is_dir() or (path.is_file() and zipfile.is_zipfile(path))


UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
)
"""What zipfile raises for bytes that are no whole zip."""


def unpack_to_temporary(path: Path) -> tuple[Path, Any]:
    """A zip's files in a folder of their own, which goes when it is no longer held. No name may leave that folder."""
    held = tempfile.TemporaryDirectory(prefix="rlm-trace-")
    folder = Path(held.name).resolve()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry, name in admitted_entries(path, archive.infolist()):
                take(archive, entry, name, path, folder)
    except UNREADABLE as failure:
        if isinstance(failure, OSError) and failure.errno in ONLY_IN_WRITING:
            raise system_error(failure, folder, "written") from None
        raise UserError(f"{path} is no trace", "a trace is a folder, or a zip of one") from None
    return folder, held


def admitted_entries(path: Path, entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """A zip's files by their names within the trace, if they may be unpacked: not too many or too large for the disk,
    each name once. A zip made by hand has the trace's folder above them, entries of folders, and litter."""
    if len(entries) > MOST or sum(entry.file_size for entry in entries) > LARGEST:
        raise UserError(f"{path} unpacks to more than {MOST:,} files or {LARGEST:,} bytes")
    if sum(entry.file_size for entry in entries) > shutil.disk_usage(tempfile.gettempdir()).free // 2:
        raise UserError(f"{path} unpacks to more than half of what the disk has free")
    for entry in entries:
        if is_bomb(entry):
            told = (
                f"{entry.filename[:100]!r} would unpack {counted(entry.compress_size, 'byte')} into {entry.file_size:,}"
            )
            raise UserError(f"{path} is no trace: {told}")
    if len({entry.filename for entry in entries}) < len(entries):
        raise UserError(f"{path} is no trace: it holds a file twice")
    files = {e.filename: e for e in entries if not is_passed_over(e)}
    tops = {name.partition("/")[0] for name in files}
    above = f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in files) else ""
    return [(entry, name.removeprefix(above)) for name, entry in files.items()]


def is_passed_over(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is that of a folder, without content, or litter."""
    return (entry.is_dir() and not entry.file_size) or is_litter(entry.filename)


def take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, path: Path, folder: Path) -> None:
    """One file out of a zip. zipfile reads no more than the size that the entry declares."""
    target = (folder / name).resolve()
    plain = PLAIN.fullmatch(name) is not None and not {".", ".."} & {*entry.filename.split("/")}
    if not plain or not target.is_relative_to(folder):
        raise UserError(f"{path} is no trace: it holds {entry.filename!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as file, target.open("wb") as out:
        shutil.copyfileobj(file, out)
