"""What a user gives as data, and the files that it names.

In: a path, folder, glob, `-` for standard input, or a file with a table of it, `shop.sqlite::orders`. Out: files, by
shown path in byte order. Law: hidden files are left out, links to folders are not followed; a path that is not there is
refused with the nearest name in its folder.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError, nearest
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.common.well_formed import well_formed_name
from rlm_dsl.context.files import archives, remote
from rlm_dsl.context.files.globs import WILDCARDS, fixed_folder, has_wildcard, name_pattern
from rlm_dsl.context.files.presence import WHO, is_file, is_folder, is_there, no_file, presence

STANDARD_INPUT = "-"
MOST_FILES = 1 << 20
"""Files of one context: a row's id has twenty bits for its file."""
TABLE_MARK = "::"


@dataclass(frozen=True, slots=True)
class Found:
    """A file to be read: its path, and how it is shown relative to the folder or glob it was found by; its size where
    that is known already."""

    path: str
    shown: str
    size: int | None = None


def is_many(given: str) -> bool:
    """Whether what was given names several files: a folder or a glob."""
    path = file_and_table(given)[0]
    if remote.is_remote(path):
        return remote.is_many(path)
    if (held := archives.split(path)) is not None:
        return not held[1] or held[1] not in archives.inner_files(held[0])
    return (any(mark in path for mark in WILDCARDS) and not is_there(path)) or is_folder(path)


def find(given: str) -> list[Found]:
    """The files of a path, folder (with all below it, hidden ones left out) or glob, by shown path in byte order."""
    if given == STANDARD_INPUT:
        return [Found(STANDARD_INPUT, "standard input")]
    if remote.is_database(given):
        return [Found(given, given, 0)]
    if remote.is_remote(given):
        return in_order([Found(f.path, f.shown, f.size) for f in remote.find_remote(given)], given)
    if (held := archives.split(given)) is not None:
        return in_order(in_archive(*held), given)
    if is_file(given):
        return [Found(Path(given).as_posix(), well_formed_name(Path(given).name))]
    if is_folder(given):
        found = list(below(Path(given).as_posix(), ""))
    elif any(mark in given for mark in WILDCARDS):
        base = fixed_part(given)
        require_readable(given, base)
        found = [
            Found(p.as_posix(), p.relative_to(base).as_posix())
            for p in map(Path, glob.iglob(given, recursive=True))
            if visible(p, base) and is_file(p.as_posix())
        ]
    elif (there := presence(given)) is not None:
        raise no_file(given, there)
    else:
        raise missing(given)
    if found and all(archives.is_archive(file.path) for file in found):
        found = [inner for file in found for inner in in_archive(file.path, "", f"{file.shown}{archives.MARK}")]
    return in_order(found, given)


def in_archive(archive: str, inner: str, before: str = "") -> list[Found]:
    """The files of an archive: all, one, those in a folder of it or those that a glob names."""
    sizes = archives.inner_files(archive)
    if inner in sizes:
        names, base = [inner], inner.rpartition("/")[0]
    elif has_wildcard(inner):
        names = [name for name in sizes if name_pattern(inner).match(name)]
        base = fixed_folder(inner).rstrip("/")
    else:
        base = inner.rstrip("/")
        names = [name for name in sizes if not base or name.startswith(f"{base}/")]
        if inner and not names:
            raise archives.missing_inner(archive, inner)
    start = len(base) + 1 if base else 0
    return [Found(f"{archive}{archives.MARK}{name}", f"{before}{name[start:]}", sizes[name]) for name in names]


def in_order(found: list[Found], given: str) -> list[Found]:
    """The files by shown path in byte order. Raises UserError where there are none, or too many."""
    if not found:
        raise no_files(given)
    if len(found) >= MOST_FILES:
        raise UserError(f"{given} has {len(found):,} files, and a context at most {MOST_FILES - 1:,}", "name fewer")
    ordered = sorted(found, key=lambda f: os.fsencode(f.shown))
    return [f if f.shown.isascii() else replace(f, shown=well_formed_name(f.shown)) for f in ordered]


def below(folder: str, shown: str) -> Iterator[Found]:
    """The files in a folder and in those below it; links to folders are not followed, as they may lead in circles."""
    try:
        entries = [(entry, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(folder)]
    except OSError as failure:
        raise system_error(failure, folder, "read", WHO) from None
    for entry, is_own_folder in entries:
        if entry.name.startswith("."):
            continue
        if is_own_folder:
            yield from below(f"{folder}/{entry.name}", f"{shown}{entry.name}/")
        elif entry.is_file(follow_symlinks=False) or is_file(f"{folder}/{entry.name}"):
            yield Found(f"{folder}/{entry.name}", f"{shown}{entry.name}")


def require_readable(given: str, base: Path) -> None:
    """Raises UserError for a folder that a glob leads through and that may not be read: it would be passed over."""
    parts = Path(given).parts
    for count in range(len(base.parts) + 1, len(parts)):
        for folder in map(Path, glob.iglob(f"{Path(*parts[:count]).as_posix()}/", recursive=True)):
            if not visible(folder, base):
                continue
            try:
                os.scandir(folder).close()
            except OSError as failure:
                raise system_error(failure, folder, "read", f"{WHO}, or a glob without it") from None


def no_files(given: str) -> UserError:
    """That nothing is to be read in a folder or by a glob, and what is there."""
    hint = "give a file, a folder with files, or a glob such as logs/**/*.log"
    if remote.is_remote(given) or archives.MARK in given:
        return UserError(f"no file in {given}", hint)
    whole = is_folder(given)
    folder = given if whole else fixed_part(given).as_posix()
    try:
        entries = list(os.scandir(folder))
    except OSError as failure:
        return system_error(failure, folder, "read", WHO)
    if not whole:
        return UserError(f"no file in {given}", hint)
    told = Counter(
        "hidden" if entry.name.startswith(".") else "empty folders" if entry.is_dir() else "links, pipes or devices"
        for entry in entries
    )
    held = ", ".join(f"{count:,} {what}" for what, count in sorted(told.items()))
    return UserError(f"no file in {given}, which holds {held or 'nothing'}", hint)


def endings_there(found: list[Found], most: int = 5) -> str:
    """The endings of files, with how many there are of each."""
    told = Counter(Path(file.shown).suffix or "without an ending" for file in found).most_common()
    listed = ", ".join(f"{count:,} {ending}" for ending, count in told[:most])
    return listed + (f" and {len(told) - most:,} other endings" if len(told) > most else "")


def visible(path: Path, base: Path) -> bool:
    return not any(part.startswith(".") for part in path.relative_to(base).parts)


def fixed_part(given: str) -> Path:
    """A glob's longest folder without wildcards."""
    parts = Path(given).parts
    fixed = [
        part for index, part in enumerate(parts[:-1]) if not any(m in "".join(parts[: index + 1]) for m in WILDCARDS)
    ]
    return Path(*fixed) if fixed else Path()


def missing(given: str) -> UserError:
    """The error for a path that is not there, with the nearest name in its folder."""
    path = Path(given)
    folder = path.parent
    if os.path.islink(given):  # noqa: PTH114 - as what is given, with NUL in it too
        return UserError(f"{given} is a link to {os.readlink(given)}, where nothing is")  # noqa: PTH115 - as above
    if not is_folder(str(folder)):
        return UserError(f"there is no file {given}", f"there is no folder {folder} either")
    try:
        near = nearest(path.name, [p.name for p in folder.iterdir()])
    except PermissionError:
        near = None
    hint = f"did you mean {folder / near}?" if near else "check the path, or give a glob such as logs/*.log"
    return UserError(f"there is no file {given}", hint)


def file_and_table(given: str) -> tuple[str, str]:
    """The path and the table's name, empty where none is said."""
    if remote.is_database(given):
        return given, ""
    if not remote.is_remote(given) and is_there(given):
        return given, ""
    path, _, table = given.rpartition(TABLE_MARK)
    return (path, table) if path else (given, "")


def said_in(folder: Path, given: str) -> str:
    """What a file in a folder says as data, seen from here: an address is the same from anywhere."""
    return given if remote.is_elsewhere(given) else without_detours((folder / Path(given).expanduser()).as_posix())


def without_detours(path: str) -> str:
    """A path without `folder/..` in it, where that leads to the same place: behind a link it may not."""
    shorter = os.path.normpath(path).replace(os.sep, "/")
    return shorter if os.path.realpath(shorter) == os.path.realpath(path) else path


def files_of(given: str) -> list[Found]:
    """The files of what a user gives, of which a table may be named."""
    return find(file_and_table(given)[0])
