"""Tables whose files have come or grown: what is new of them.

In: the files, what was found of those that were read before, how many of these are as they were. Out: the rows that
stand behind those that are kept, of the table that a load of all would give. Law: columns, types and notes are those of
all files, by what was found of each; where rows that are kept would be read otherwise now, nothing is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.find import Found
from rlm_dsl.context.files.read import Progress, Read, read_file
from rlm_dsl.context.files.streams import plain_name
from rlm_dsl.context.rows.file_tables import (
    OneOfMany,
    Reader,
    Surveyed,
    joined_columns,
    rows_of_all,
    surveyed_files,
    without_rows,
)
from rlm_dsl.language.types import Table, bare


@dataclass(frozen=True, slots=True)
class Known:
    """A source that was read before, and what was found of it."""

    source: SourceFile
    seen: Surveyed


@dataclass(frozen=True, slots=True)
class MoreRows:
    """Rows behind those of the first `kept` sources as they were."""

    loaded: Loaded
    kept: int


def load_more(
    reader: Reader,
    found: Sequence[Found],
    known: Sequence[Known],
    same: int,
    notes: Sequence[str] | None,
    progress: Progress | None,
) -> MoreRows | None:
    """What is new of files of which the first are as they were; None where there is nothing to keep. `notes` are those
    on the choice of many files, None for one file."""
    files = [OneOfMany(file, one.source, one.seen, None) for file, one in zip(found[:same], known, strict=False)]
    folders = joined_columns([OneOfMany(Found(k.source.path, k.source.shown), k.source, k.seen, None) for k in known])
    if same < min(len(known), len(found)) and found[same].shown == known[same].source.shown:
        grown = gone_on(reader, found[same], known[same])
        files += [grown] if grown else []
    if not files:
        return None
    kept = len(files)
    files += surveyed_files(reader, found[kept:], kept, progress)
    if notes is None:
        return MoreRows(one_file(files[0]), kept)
    loaded = rows_of_all(reader, files, notes, same)
    told = joined_columns(files).folders
    return MoreRows(loaded, kept) if list(told) == list(folders.folders) else None


def gone_on(reader: Reader, file: Found, known: Known) -> OneOfMany | None:
    """A file that begins with the bytes that it had, with the rows behind these alone; None where it does not, or is
    read otherwise now."""
    past = known.source.size
    if plain_name(file.path) != file.path:
        return None
    source, content = read_file(known.source.index, file)
    if source.size <= past or hashlib.sha256(memoryview(content)[:past]).hexdigest() != known.source.sha256:
        return None
    seen = reader.go_on(Read(source, content), known.seen, past)
    return None if seen is None else OneOfMany(file, source, seen, content)


def one_file(file: OneOfMany) -> Loaded:
    """The rows of a table of one file."""
    assert file.content is not None
    seen = file.seen
    batches = seen.rows(file.content, seen.schema)
    return Loaded(seen.form, seen.schema, batches, [file.source], [*seen.notes], surveys=without_rows([seen]))


def gives_what_is_kept(schema: Table, kept: Table) -> bool:
    """Whether rows of these columns stand as they are in those, but for nulls."""
    columns, before = schema.columns, kept.columns
    return [(c.name, bare(c.type)) for c in columns] == [(c.name, bare(c.type)) for c in before]
