"""Contexts loaded once and kept: from what a user gives to a `.rlmctx` folder, and on from there when it has grown.

In: data and a folder. Out: the folder's context. Law: what is kept is what a load into memory gives; whoever reads the
folder meanwhile, or ends this, finds the context as it was before or as it is after, and nothing half-made.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import ROW, Context, Loaded, SourceFile, StoredPart
from rlm_dsl.context.files.blocks import Block, Checkpoint, Files, Piece, PrefixChanged, as_bytes
from rlm_dsl.context.files.find import STANDARD_INPUT as DASH
from rlm_dsl.context.files.find import files_of, is_many
from rlm_dsl.context.files.read import Progress, size_of
from rlm_dsl.context.files.streams import DECOMPRESSORS
from rlm_dsl.context.format_registry import formats
from rlm_dsl.context.loading import as_declared, choose_format, load, load_rows
from rlm_dsl.context.stored_context import (
    ENDING,
    STANDARD_INPUT,
    Described,
    added_notes,
    described,
    difference,
    digest_of,
    is_stored,
    open_stored,
    placed,
    size_and_stamp,
    write_description,
)
from rlm_dsl.engine.context_file import last_row, write
from rlm_dsl.engine.indexes import EARNED, build_indexes, indexes, look_count
from rlm_dsl.language.types import Table

SHARE = 4
"""A context whose files have more than this part of the memory is kept on disk while it is used."""
UNPACKED = 8
"""How many times larger a compressed file is taken to be."""


def obtain(
    name: str,
    given: str,
    *,
    format: str | None = None,
    declared: Table | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
) -> tuple[Context, tuple[str, ...]]:
    """A context for a run, and notes on how: in memory where there is room, else kept on disk until the process ends.
    `memory` is what the run may take, in bytes."""
    if is_stored(given) or not too_large(given, memory):
        context = load(name, given, format=format, declared=declared, progress=progress)
        if is_stored(given) and look_count(context) >= EARNED and indexes(context) is None:
            build_indexes(context, progress)
        return context, ()
    folder = scratch() / f"{token_hex(4)}{ENDING}"
    context = store(name, given, folder, format, declared, progress, memory)
    note = f"its rows lie on disk for this run; to keep them: rlm-dsl load {name}={given}"
    return replace(context, given=given), (note,)


def too_large(given: str, memory: int | None) -> bool:
    """Whether the rows of what was given should not lie in memory."""
    if given == DASH:
        return False
    files = files_of(given)
    size = sum(size_of([file]) * (UNPACKED if Path(file.path).suffix in DECOMPRESSORS else 1) for file in files)
    return size * SHARE > (memory or 2 * physical_memory())


def physical_memory() -> int:
    """Bytes of memory that the machine has; much where it does not say."""
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 36


OURS = re.compile(
    r"context\.json|standard-input|looks|rows-.*\.(duckdb|trigrams)|\.(rows|context\.json)\.(?P<process>\d+).*"
)
"""What such a folder holds, also when a load was ended from outside."""
_scratch: list[tempfile.TemporaryDirectory[str]] = []


def scratch() -> Path:
    """A folder of this process's own, which goes when it ends."""
    if not _scratch:
        _scratch.append(tempfile.TemporaryDirectory(prefix="rlm-dsl-contexts-", ignore_cleanup_errors=True))
    return Path(_scratch[0].name)


def store(
    name: str,
    given: str,
    folder: Path,
    format: str | None = None,
    declared: Table | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
) -> Context:
    """Load what was given into a folder, in place of what it held. Raises UserError for what cannot be read."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file", "name a folder: --to PATH.rlmctx")
    if folder.exists() and any(not OURS.fullmatch(path.name) for path in folder.iterdir()):
        raise UserError(f"{folder} is there and is no loaded context", "name another folder: --to PATH.rlmctx")
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        source = kept_input(folder) if given == DASH else given
        loaded = load_rows(source, choose_format(given, format, declared), progress)
        part = write_part(folder, loaded, 0, memory)
        written = STANDARD_INPUT if given == DASH else given
        describe(folder, written, loaded, [part], ())
    except BaseException:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    sweep(folder)
    context = open_stored(name, folder)
    return context if declared is None else as_declared(context, declared)


def kept_input(folder: Path) -> str:
    """Standard input as a file in the folder."""
    path = folder / STANDARD_INPUT
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path.as_posix()


def write_part(folder: Path, loaded: Loaded, first_row: int, memory: int | None) -> StoredPart:
    """The rows of a load as a file of the engine, numbered on from `first_row`."""
    made = folder / f".rows.{os.getpid()}"
    try:
        past = first_row + write(made, loaded.schema, numbered(loaded.batches, first_row), memory)
        name = f"rows-{first_row}-{past}-{token_hex(4)}.duckdb"
        made.replace(folder / name)
    finally:
        for left in folder.glob(f"{made.name}*"):
            left.unlink(missing_ok=True)
    return StoredPart(name, first_row, past)


def numbered(batches: Iterable[Any], first_row: int) -> Iterable[Any]:
    import numpy as np
    import pyarrow as pa

    for batch in batches:
        numbers = np.arange(first_row, first_row + batch.num_rows, dtype=np.int64)
        first_row += batch.num_rows
        yield batch.add_column(0, ROW, pa.array(numbers))


def describe(folder: Path, given: str, loaded: Loaded, parts: Sequence[StoredPart], notes: Sequence[str]) -> None:
    base = Path.cwd()
    inside = folder / STANDARD_INPUT
    sources = tuple(
        replace(s, path=STANDARD_INPUT, shown="standard input") if Path(s.path) == inside else s for s in loaded.sources
    )
    stamps = tuple(size_and_stamp(source.path)[1] for source in loaded.sources)
    known = {source.shown for source in loaded.sources}
    others = [] if given == STANDARD_INPUT else [file for file in files_of(given) if file.shown not in known]
    held = Described(
        loaded.format,
        given,
        base.as_posix(),
        loaded.schema,
        sources,
        stamps,
        tuple(parts),
        added_notes(notes, loaded.notes),
        tuple((file.shown, *size_and_stamp(file.path)) for file in others),
    )
    write_description(folder, held)


def sweep(folder: Path) -> None:
    """Take away files that the description no longer names, and those of loads that were ended from outside."""
    named = {part.path for part in described(folder).parts}
    for path in folder.iterdir():
        found = OURS.fullmatch(path.name)
        ended = found is not None and found["process"] is not None and not alive(int(found["process"]))
        if ended or (path.name.startswith("rows-") and f"{path.stem}.duckdb" not in named):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def alive(process: int) -> bool:
    """Whether a process of this number runs, as far as can be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def refresh(folder: Path, progress: Progress | None = None, memory: int | None = None) -> tuple[str, int]:
    """Bring a folder up to its sources: what came, as words, and how many rows were read for it.

    Lines behind the end that was known, and files behind the last that was, are read alone; where anything else
    changed, all is read again.
    """
    held = described(folder)
    changed = difference(held, folder)
    if not changed:
        return "nothing changed", 0
    with suppress(PrefixChanged):
        if more := grown(held, folder, progress):
            loaded, kept, again = more
            part = write_part(folder, loaded, kept[-1].past, memory)
            describe(folder, held.given, loaded, [*kept, part], added_notes(held.notes, (), again))
            return f"grown: {changed}", part.past - part.first
    context = store("data", placed(held.given, held, folder), folder, held.format, None, progress, memory)
    return f"read again: {changed}", context.count


Grown = tuple[Loaded, list[StoredPart], Sequence[str]]


def grown(held: Described, folder: Path, progress: Progress | None) -> Grown | None:
    """The rows that came behind those that are kept, what is kept of these, and the notes on what is read again; None
    where more than the end changed.

    A last line without a line feed may have grown too: it is read again.
    """
    given, old = placed(held.given, held, folder), len(held.sources)
    others = set(held.others)
    now = [file for file in files_of(given) if (file.shown, *size_and_stamp(file.path)) not in others]
    format = formats().get(held.format)
    append = format.append if format is not None else None
    if append is None or [f.shown for f in now[:old]] != [s.shown for s in held.sources]:
        return None
    same = [
        is_unchanged(f.path, source, stamp) for f, source, stamp in zip(now, held.sources, held.stamps, strict=False)
    ]
    if not all(same[:-1]):
        return None
    many = is_many(given)
    if same[-1]:
        files = Files(now[old:], progress, append.whole, many, sources=list(held.sources))
        return append.rows_of(files, many, Counter()), list(held.parts), ()
    last = held.sources[-1]
    packed = Path(last.path).suffix in DECOMPRESSORS
    if append.notes_of is None or packed or Path(now[old - 1].path).stat().st_size <= last.size:
        return None
    at, line, parts = end_of_lines(held, folder)
    checkpoint = Checkpoint(at, last.size, last.sha256)
    files = Files(now[old - 1 :], progress, text_only=many, checkpoint=checkpoint, sources=list(held.sources[:-1]))
    again = append.notes_of(known_end(now[old - 1].path, at, last))
    return append.rows_of(files, many, Counter({last.index: line})), parts, again


def known_end(path: str, at: int, source: SourceFile) -> Block:
    """The end of a source as it was, from a byte on."""
    with open(path, "rb") as file:  # noqa: PTH123 - as elsewhere
        file.seek(at)
        return Block(as_bytes(file.read(source.size - at)), [Piece(0, "", at, source.size - at, True)])


def is_unchanged(path: str, source: SourceFile, stamp: int) -> bool:
    size, changed = size_and_stamp(path)
    return size == source.size and (changed == stamp or digest_of(path) == source.sha256)


def end_of_lines(held: Described, folder: Path) -> tuple[int, int, list[StoredPart]]:
    """Where the last source's lines go on: the byte, how many lines there are before it, and the rows before it."""
    parts, last = list(held.parts), held.sources[-1]
    while parts and parts[-1].past == parts[-1].first:
        parts.pop()
    if not parts:
        return 0, 0, [StoredPart(held.parts[0].path, 0, 0)]
    end = parts[-1]
    source, line, start, past = last_row(folder / end.path, end.past - 1)
    if source != last.index:
        return 0, 0, parts
    if past < last.size:
        return last.size, line, parts
    return start, line - 1, [*parts[:-1], replace(end, past=end.past - 1)]


__all__ = ["obtain", "refresh", "store"]
