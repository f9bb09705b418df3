"""Data loaded once and kept: from what a user gives to a `.rlmctx` folder.

In: data and a folder. Out: the folder's context. Law: what is kept is what a load into memory gives; whoever reads the
folder meanwhile, or ends this, finds the context as it was before or as it is after, and nothing half-made.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.own_files import require_plain
from rlm_dsl.common.processes import is_running
from rlm_dsl.context.context import ROW, Context, Loaded, StoredPart
from rlm_dsl.context.files.find import STANDARD_INPUT as DASH
from rlm_dsl.context.files.find import files_of
from rlm_dsl.context.files.read import Progress
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.loading import as_declared, choose_format, load_rows, require_columns
from rlm_dsl.context.manifest import DeclaredOf, Manifest, merge_notes, read_manifest, write_manifest
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions
from rlm_dsl.context.rows.surveys import texts_of_surveys
from rlm_dsl.context.stored_context import STANDARD_INPUT, open_stored, size_and_mtime, size_and_stamp
from rlm_dsl.engine.storage.rows_file import write_rows
from rlm_dsl.language.types import Table

OURS = re.compile(
    r"context\.json|standard-input|looks|rows-.*\.(duckdb|trigrams)|\.(rows|context\.json)\.(?P<process>\d+).*"
)
"""What such a folder holds, also when a load was ended from outside."""


def store_context(
    name: str,
    given: str,
    folder: Path,
    format: str | None = None,
    declared: Table | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
    options: ReadingOptions = NO_OPTIONS,
) -> Context:
    """Load what was given into a folder, in place of what it held. Raises UserError for what cannot be read."""
    require_own(folder)
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        source = save_standard_input(folder) if given == DASH else given
        request = LoadRequest(source, options, declared, progress, memory, name)
        loaded = load_rows(request, choose_format(given, format, declared))
        require_columns(loaded, declared)
        part = write_part(folder, loaded, 0, memory)
        written = STANDARD_INPUT if given == DASH else given
        write_manifest(folder, manifest_of(folder, written, loaded, [part], (), options))
    except BaseException:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    remove_leftovers(folder)
    context = open_stored(name, folder)
    return context if declared is None else as_declared(context, declared)


def require_own(folder: Path) -> None:
    """Raises UserError where a folder holds anything else than a kept context, or a link in place of a part of it."""
    require_plain(folder, str(folder), "name another folder: --to PATH.rlmctx")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file", "name a folder: --to PATH.rlmctx")
    if folder.exists() and any(not OURS.fullmatch(path.name) for path in folder.iterdir()):
        raise UserError(f"{folder} is there and is no loaded context", "name another folder: --to PATH.rlmctx")


def save_standard_input(folder: Path) -> str:
    """Standard input as a file in the folder."""
    path = folder / STANDARD_INPUT
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path.as_posix()


def write_part(folder: Path, loaded: Loaded, first_row: int, memory: int | None) -> StoredPart:
    """The rows of a load as a file of the engine, numbered on from `first_row`."""
    made = folder / f".rows.{os.getpid()}"
    try:
        past = first_row + write_rows(made, loaded.schema, number_rows(loaded.batches, first_row), memory)
        name = f"rows-{first_row}-{past}-{token_hex(4)}.duckdb"
        made.replace(folder / name)
    finally:
        for left in folder.glob(f"{made.name}*"):
            left.unlink(missing_ok=True)
    return StoredPart(name, first_row, past)


def number_rows(batches: Iterable[Any], first_row: int) -> Iterable[Any]:
    import numpy as np
    import pyarrow as pa

    for batch in batches:
        numbers = np.arange(first_row, first_row + batch.num_rows, dtype=np.int64)
        first_row += batch.num_rows
        yield batch.add_column(0, ROW, pa.array(numbers))


def manifest_of(
    folder: Path,
    given: str,
    loaded: Loaded,
    parts: Sequence[StoredPart],
    notes: Sequence[str],
    options: ReadingOptions,
) -> Manifest:
    """What was loaded, once its last batch is taken, with the parts that have its rows and notes of earlier loads."""
    inside = folder / STANDARD_INPUT
    sources = tuple(
        replace(s, path=STANDARD_INPUT, shown="standard input") if Path(s.path) == inside else s for s in loaded.sources
    )
    known = {source.shown for source in loaded.sources}
    others = [] if given == STANDARD_INPUT else [file for file in files_of(given) if file.shown not in known]
    return Manifest(
        format=loaded.format,
        given=given,
        base=Path.cwd().as_posix(),
        type=loaded.schema,
        sources=sources,
        stamps=tuple(size_and_stamp(source.path)[1] for source in loaded.sources),
        parts=tuple(parts),
        notes=merge_notes(notes, loaded.notes),
        others=tuple((file.shown, *size_and_mtime(file.path)) for file in others),
        options=options,
        surveys=texts_of_surveys(loaded.surveys),
        declared=None if loaded.found is None else DeclaredOf(loaded.found, tuple(cast.seen for cast in loaded.casts)),
    )


def remove_leftovers(folder: Path) -> None:
    """Take away files that the manifest no longer names, and those of loads that were ended from outside."""
    named = {part.path for part in read_manifest(folder).parts}
    for path in folder.iterdir():
        found = OURS.fullmatch(path.name)
        ended = found is not None and found["process"] is not None and not is_running(int(found["process"]))
        if ended or (path.name.startswith("rows-") and f"{path.stem}.duckdb" not in named):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
