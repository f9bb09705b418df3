"""Contexts kept on disk, `.rlmctx`: a folder with rows in the engine's files and a description of what was read.

In: such a folder. Out: a context, at once, whatever its size.
Law: a context whose sources changed since is refused as stale, never used; the description is replaced in one step, so
that what it names is always whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context, SourceFile, StoredPart
from rlm_dsl.context.files.find import files_of
from rlm_dsl.context.files.streams import parts
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.types import Table

ENDING = ".rlmctx"
DESCRIPTION = "context.json"
SCHEMA = "rlm-context/1"
STANDARD_INPUT = "standard-input"
"""What standard input is kept as, beside the rows."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a folder's description says. `base` is the folder from which paths were given; `stamps` are the sources'
    times of change in nanoseconds; `parts` have the names of their files; `others` are files that were found and left
    out (such as binary ones in a folder of logs), with size and time of change."""

    format: str
    given: str
    base: str
    type: Table
    sources: tuple[SourceFile, ...]
    stamps: tuple[int, ...]
    parts: tuple[StoredPart, ...]
    notes: tuple[str, ...]
    others: tuple[tuple[str, int, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        sources = [
            {"path": s.path, "shown": s.shown, "size": s.size, "sha256": s.sha256, "changed": stamp}
            for s, stamp in zip(self.sources, self.stamps, strict=True)
        ]
        return {
            "schema": SCHEMA,
            "format": self.format,
            "given": self.given,
            "base": self.base,
            "type": str(self.type),
            "parts": [{"file": part.path, "first": part.first, "past": part.past} for part in self.parts],
            "notes": list(self.notes),
            "sources": sources,
            "others": [list(other) for other in self.others],
        }


def is_stored(given: str) -> bool:
    return given.rstrip("/").endswith(ENDING)


def described(folder: Path) -> Described:
    """Read a folder's description. Raises UserError where there is none that is whole."""
    try:
        held = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            raise UserError(f"{folder} is of schema {held['schema']!r}", "load its source again: rlm-dsl load")
        type_ = parse_table_type(held["type"])
        if type_ is None:
            raise ValueError("its type cannot be read")
        sources = tuple(
            SourceFile(index, s["path"], s["size"], s["sha256"], s["shown"]) for index, s in enumerate(held["sources"])
        )
        return Described(
            held["format"],
            held["given"],
            held["base"],
            type_,
            sources,
            tuple(s["changed"] for s in held["sources"]),
            tuple(StoredPart(part["file"], part["first"], part["past"]) for part in held["parts"]),
            tuple(held["notes"]),
            tuple((shown, size, stamp) for shown, size, stamp in held["others"]),
        )
    except FileNotFoundError:
        raise UserError(f"{folder} is no loaded context", "make one: rlm-dsl load NAME=PATH") from None
    except (OSError, ValueError, KeyError, TypeError) as failure:
        raise UserError(f"{folder} cannot be read: {failure}", "load its source again: rlm-dsl load") from None


def open_stored(name: str, folder: Path) -> Context:
    """The context that a folder keeps. Raises UserError, naming what changed, where it is stale."""
    held = described(folder)
    if changed := difference(held, folder):
        raise UserError(f"{folder} is stale: {changed}", f"load what is new: rlm-dsl load {folder}")
    sources = tuple(replace(source, path=placed(source.path, held, folder)) for source in held.sources)
    parts = tuple(replace(part, path=str(folder / part.path)) for part in held.parts)
    return Context(name, held.format, folder.as_posix(), held.type, parts, sources, held.notes)


def placed(path: str, held: Described, folder: Path) -> str:
    """A path as it was given, seen from here. What standard input was lies in the folder itself."""
    if path == STANDARD_INPUT:
        return (folder / path).as_posix()
    return path if held.base == Path.cwd().as_posix() else (Path(held.base) / path).as_posix()


def difference(held: Described, folder: Path) -> str:
    """What is no longer as it was when it was loaded, or ''."""
    given = placed(held.given, held, folder)
    if given.endswith(STANDARD_INPUT):
        return ""
    try:
        now = files_of(given)
    except UserError as failure:
        return failure.message
    others = {shown: (size, stamp) for shown, size, stamp in held.others}
    read = [file for file in now if others.pop(file.shown, None) != size_and_stamp(file.path)]
    shown, before = {file.shown for file in read}, {source.shown for source in held.sources}
    if shown != before or others:
        return f"{len(shown - before):,} files came and {len(before - shown) + len(others):,} went in {given}"
    for file, source, stamp in zip(read, held.sources, held.stamps, strict=True):
        size, changed = size_and_stamp(file.path)
        if size != source.size:
            return f"{file.path} had {source.size:,} bytes and has {size:,}"
        if changed != stamp and digest_of(file.path) != source.sha256:
            return f"{file.path} has other bytes than when it was loaded"
    return ""


def size_and_stamp(path: str) -> tuple[int, int]:
    """A file's bytes and its time of change in nanoseconds."""
    told = os.stat(path)  # noqa: PTH116 - a Path for each of a million files costs seconds
    return told.st_size, told.st_mtime_ns


def digest_of(path: str, size: int | None = None) -> str:
    """sha256 of a file's own bytes, or of the first so many."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered
        for part in parts(file, Path(path).stat().st_size if size is None else size):
            digest.update(part)
    return digest.hexdigest()


COUNTED = re.compile(r"([\d,]+) (.*)")


def added_notes(before: Sequence[str], more: Sequence[str], twice: Sequence[str] = ()) -> tuple[str, ...]:
    """Notes of two loads as those of one: what both count is counted together, less what is counted twice."""
    counts: dict[str, int] = {}
    for notes, sign in ((before, 1), (more, 1), (twice, -1)):
        for note in notes:
            found = COUNTED.fullmatch(note)
            told, count = (f" {found[2]}", int(found[1].replace(",", ""))) if found else (note, 0)
            counts[told] = counts.get(told, 0) + sign * count
    told_all = (f"{count:,}{told}" if told.startswith(" ") else told for told, count in counts.items())
    return tuple(note for note in told_all if not note.startswith("0 "))


def write_description(folder: Path, held: Described) -> None:
    """Put a description in place of the one before, in one step."""
    made = folder / f".{DESCRIPTION}.{os.getpid()}"
    with made.open("w", encoding="utf-8") as file:
        json.dump(held.as_json(), file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    made.replace(folder / DESCRIPTION)
