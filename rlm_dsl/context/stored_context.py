"""Contexts kept on disk, `.rlmctx`: a folder with rows in the engine's files and a manifest of what was read.

In: such a folder. Out: a context, at once, whatever its size. Law: a context whose sources changed since is refused as
stale, never used.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.files import archives, remote
from rlm_dsl.context.files.find import files_of
from rlm_dsl.context.files.streams import open_bytes
from rlm_dsl.context.manifest import Manifest, read_manifest

ENDING = ".rlmctx"
STANDARD_INPUT = "standard-input"
"""What standard input is kept as, beside the rows."""


def is_stored(given: str) -> bool:
    return given.rstrip("/").endswith(ENDING)


def open_stored(name: str, folder: Path) -> Context:
    """The context that a folder keeps. Raises UserError, naming what changed, where it is stale."""
    manifest = read_manifest(folder)
    if changed := staleness(manifest, folder):
        raise UserError(f"{folder} is stale: {changed}", f"load what is new: rlm-dsl load {folder}")
    sources = tuple(replace(source, path=source_path(source.path, manifest, folder)) for source in manifest.sources)
    parts = tuple(replace(part, path=str(folder / part.path)) for part in manifest.parts)
    given, options = folder.as_posix(), manifest.options
    return Context(name, manifest.format, given, manifest.type, parts, sources, manifest.notes, options)


def makes_connection(given: str) -> bool:
    """Whether opening it speaks to another machine: an address, or a kept context of what lies at one."""
    if not is_stored(given) or remote.is_elsewhere(given):
        return remote.is_elsewhere(given)
    try:
        manifest = read_manifest(Path(given))
    except UserError:
        return False
    return any(remote.is_elsewhere(path) for path in (manifest.given, *(source.path for source in manifest.sources)))


def source_path(path: str, manifest: Manifest, folder: Path) -> str:
    """A path as it was given, seen from here. What standard input was lies in the folder itself."""
    if path == STANDARD_INPUT:
        return (folder / path).as_posix()
    if remote.is_elsewhere(path):
        return path
    return path if manifest.base == Path.cwd().as_posix() else (Path(manifest.base) / path).as_posix()


def staleness(manifest: Manifest, folder: Path) -> str:
    """What is no longer as it was when it was loaded, or ''."""
    given = source_path(manifest.given, manifest, folder)
    if given.endswith(STANDARD_INPUT) or remote.is_database(given):
        return ""
    try:
        now = files_of(given)
    except UserError as failure:
        return failure.message
    others = {shown: (size, stamp) for shown, size, stamp in manifest.others}
    read = [file for file in now if others.pop(file.shown, None) != size_and_mtime(file.path)]
    shown, before = {file.shown for file in read}, {source.shown for source in manifest.sources}
    if shown != before or others:
        return f"{len(shown - before):,} files came and {len(before - shown) + len(others):,} went in {given}"
    for file, source, stamp in zip(read, manifest.sources, manifest.stamps, strict=True):
        size, seen = size_and_stamp(file.path)
        if size != source.size:
            return f"{file.path} had {source.size:,} bytes and has {size:,}"
        known = len(stamp) == len(seen) and seen == stamp
        if not known and digest_of(file.path) != source.sha256:
            return f"{file.path} has other bytes than when it was loaded"
    return ""


def size_and_stamp(path: str) -> tuple[int, tuple[int, ...]]:
    """A file's bytes; its time of change, which programs set as they like, and its state's, which they cannot, with its
    inode, which another file put in its place has not."""
    if remote.is_database(path):
        return 0, (0,)
    if remote.is_remote(path):
        return remote.state_of(path)
    inner = archives.split(path) if archives.MARK in path else None
    if inner is not None:
        return archives.inner_files(inner[0]).get(inner[1], -1), size_and_stamp(inner[0])[1]
    found = os.stat(path)  # noqa: PTH116 - as below
    return found.st_size, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def size_and_mtime(path: str) -> tuple[int, int]:
    """A file's bytes and its time of change in nanoseconds."""
    size, stamp = size_and_stamp(path)
    return size, stamp[0]


def digest_of(path: str) -> str:
    """sha256 of a file's own bytes."""
    with open_bytes(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
