"""The manifest of a kept context: what was read, from where and when, and which files have its rows.

In: a `.rlmctx` folder. Out: a value, and the folder's `context.json` from it. Law: it is replaced in one step, so that
what it names is always whole; the parts that it names lie in the folder itself.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.own_files import require_plain
from rlm_dsl.context.context import SourceFile, StoredPart
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions, recorded_options
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.types import Table

MANIFEST = "context.json"
SCHEMA = "rlm-context/1"


@dataclass(frozen=True, slots=True)
class DeclaredOf:
    """What was found of columns that a program declares: their types, and how many values did not fit, as JSON."""

    found: Table
    casts: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        return {"found": str(self.found), "casts": list(self.casts)}


def declared_of(held: dict[str, Any]) -> DeclaredOf:
    """The same as it was written. Raises ValueError for what is none."""
    found = parse_table_type(held["found"])
    if found is None or not isinstance(held["casts"], list):
        raise ValueError("what was found of its columns cannot be read")
    return DeclaredOf(found, tuple(held["casts"]))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder keeps.

    `base` is the folder from which paths were given; `stamps` are the sources' times of change in nanoseconds, and
    where they are known also the times at which their state changed and their inodes, which nobody sets; `parts`
    have the names of their files; `others` are files that were found and left out (such as binary ones in a folder of
    logs), with size and time of change; `options` are how it was read; `surveys` are what was found of each source of a
    table, as text, where that is kept; `declared` is set where the rows are as a program declares them.
    """

    format: str
    given: str
    base: str
    type: Table
    sources: tuple[SourceFile, ...]
    stamps: tuple[tuple[int, ...], ...]
    parts: tuple[StoredPart, ...]
    notes: tuple[str, ...]
    others: tuple[tuple[str, int, int], ...] = ()
    options: ReadingOptions = NO_OPTIONS
    surveys: tuple[str, ...] = ()
    declared: DeclaredOf | None = None

    def as_json(self) -> dict[str, Any]:
        sources = [
            {
                "path": s.path,
                "shown": s.shown,
                "size": s.size,
                "sha256": s.sha256,
                "encoding": s.encoding,
                "changed": changed,
                "state": state,
            }
            for s, (changed, *state) in zip(self.sources, self.stamps, strict=True)
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
            "options": self.options.said,
            **({"surveys": list(self.surveys)} if self.surveys else {}),
            **({} if self.declared is None else {"declared": self.declared.as_json()}),
        }


MOST = 1 << 30
"""Bytes of a manifest at most: a million sources are a third of it."""


def read_small(path: Path) -> str:
    """A manifest's text. Raises OSError for what is no file of its own, and ValueError for one that is too large."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path.name} is no file")
    if found.st_size > MOST:
        raise ValueError(f"{path.name} has {found.st_size:,} bytes")
    return path.read_text(encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """A folder's manifest. Raises UserError where there is none that is whole, and for a folder that holds a link."""
    require_plain(folder, str(folder), "load its source again: rlm-dsl load")
    try:
        held = json.loads(read_small(folder / MANIFEST))
        if held["schema"] != SCHEMA:
            raise UserError(f"{folder} is of schema {held['schema']!r}", "load its source again: rlm-dsl load")
        type_ = parse_table_type(held["type"])
        if type_ is None:
            raise ValueError("its type cannot be read")
        sources = tuple(
            SourceFile(index, s["path"], s["size"], s["sha256"], s["shown"], encoding=s.get("encoding", "utf-8"))
            for index, s in enumerate(held["sources"])
        )
        return Manifest(
            held["format"],
            held["given"],
            held["base"],
            type_,
            sources,
            tuple((s["changed"], *s.get("state", ())) for s in held["sources"]),
            tuple(part_of(part) for part in held["parts"]),
            tuple(held["notes"]),
            tuple((shown, size, stamp) for shown, size, stamp in held["others"]),
            recorded_options(held),
            tuple(map(str, held.get("surveys", ()))),
            declared_of(held["declared"]) if "declared" in held else None,
        )
    except FileNotFoundError:
        raise UserError(f"{folder} is no loaded context", "make one: rlm-dsl load NAME=PATH") from None
    except (OSError, ValueError, KeyError, TypeError) as failure:
        raise UserError(f"{folder} cannot be read: {failure}", "load its source again: rlm-dsl load") from None


PART = re.compile(r"rows-[\w.-]+\.duckdb", re.ASCII)
"""What files of rows are called."""


def part_of(held: dict[str, Any]) -> StoredPart:
    """A part as it was written. Raises ValueError for a path that could lead out of the folder, and for no numbers."""
    part = StoredPart(held["file"], held["first"], held["past"])
    if not PART.fullmatch(part.path):
        raise ValueError(f"{part.path!r} is no file of rows")
    if not (type(part.first) is type(part.past) is int and 0 <= part.first <= part.past):
        raise ValueError(f"{part.path} has no rows {part.first!r} to {part.past!r}")
    return part


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put a manifest in place of the one before, in one step."""
    made = folder / f".{MANIFEST}.{os.getpid()}"
    with made.open("w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(manifest.as_json(), file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    made.replace(folder / MANIFEST)


COUNTED = re.compile(r"([\d,]+) (.*)")


def merge_notes(before: Sequence[str], more: Sequence[str], twice: Sequence[str] = ()) -> tuple[str, ...]:
    """Notes of two loads as those of one: what both count is counted together, less what is counted twice."""
    counts: dict[str, int] = {}
    for notes, sign in ((before, 1), (more, 1), (twice, -1)):
        for note in notes:
            found = COUNTED.fullmatch(note)
            words, count = (f" {found[2]}", int(found[1].replace(",", ""))) if found else (note, 0)
            counts[words] = counts.get(words, 0) + sign * count
    merged = (f"{count:,}{words}" if words.startswith(" ") else words for words, count in counts.items())
    return tuple(note for note in merged if not note.startswith("0 "))
