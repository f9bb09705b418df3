"""A kept context brought up to its sources: what was appended is read alone.

In: a `.rlmctx` folder whose sources may have grown. Out: the folder as a load of them would make it, and what was done.
Law: rows are read on only where everything before them is the same; where anything else changed, all is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rlm_dsl.context.context import Loaded, SourceFile, StoredPart
from rlm_dsl.context.files.blocks import Block, Checkpoint, Files, Piece, as_bytes
from rlm_dsl.context.files.find import files_of, is_many
from rlm_dsl.context.files.read import Progress
from rlm_dsl.context.files.remote import is_database
from rlm_dsl.context.files.streams import DECOMPRESSORS
from rlm_dsl.context.files.text import UTF_8, PrefixChanged
from rlm_dsl.context.format_registry import formats
from rlm_dsl.context.loading import cast_loaded, with_columns
from rlm_dsl.context.manifest import Manifest, merge_notes, read_manifest, write_manifest
from rlm_dsl.context.options import NO_OPTIONS
from rlm_dsl.context.rows.file_tables import chosen_files, reader_of
from rlm_dsl.context.rows.grown_tables import Known, gives_what_is_kept, load_more
from rlm_dsl.context.rows.surveys import surveys_of_texts
from rlm_dsl.context.stored_context import digest_of, size_and_mtime, size_and_stamp, source_path, staleness
from rlm_dsl.engine.storage.rows_file import first_row_of, last_row
from rlm_dsl.engine.storage.store import manifest_of, store_context, write_part
from rlm_dsl.language.types import Table


@dataclass(frozen=True, slots=True)
class Appended:
    """Rows behind those that are kept: the load that gives them, what is kept of the parts before, and the notes on
    what of these is read again; None where the load's notes are those on all."""

    loaded: Loaded
    kept: Sequence[StoredPart]
    again: Sequence[str] | None = ()
    first_again: str = ""
    """The first source of which rows that were kept are read again, as it was edited or another came before it."""


def refresh_context(folder: Path, progress: Progress | None = None, memory: int | None = None) -> tuple[str, int]:
    """Bring a folder up to its sources: what came, as words, and how many rows were read for it.

    What stands behind the end that was known, and files behind the last that was, are read alone; of a table of many
    files, what the first that has grown has more, and the files behind it; where anything else changed, all is read.
    """
    manifest = read_manifest(folder)
    changed = "a database tells no change" if is_database(manifest.given) else staleness(manifest, folder)
    if not changed:
        return "nothing changed", 0
    with suppress(PrefixChanged):
        if more := read_appended(manifest, folder, progress):
            part = write_part(folder, more.loaded, more.kept[-1].past, memory)
            notes = () if more.again is None else merge_notes(manifest.notes, (), more.again)
            parts = [*more.kept, part]
            made = manifest_of(folder, manifest.given, more.loaded, parts, notes, manifest.options)
            write_manifest(folder, made)
            told = f"read again from {more.first_again} on" if more.first_again else "grown"
            return f"{told}: {changed}", part.past - part.first
    given = source_path(manifest.given, manifest, folder)
    now = NO_OPTIONS if manifest.options.earlier else manifest.options
    kind, declared = kind_of(manifest), declared_in(manifest)
    context = store_context("data", given, folder, kind, declared, progress, memory, now)
    return f"read again: {changed}", context.count


def read_appended(manifest: Manifest, folder: Path, progress: Progress | None) -> Appended | None:
    """The rows that came behind those that are kept; None where more than the end changed.

    A last line without a line feed may have grown too: it is read again.
    """
    if is_database(manifest.given):
        return None
    given, old = source_path(manifest.given, manifest, folder), manifest.sources
    others = set(manifest.others)
    now = [file for file in files_of(given) if (file.shown, *size_and_mtime(file.path)) not in others]
    format = formats().get(manifest.format)
    if manifest.options.earlier:
        return None
    if format is not None and format.table is not None:
        return read_more_tables(manifest, folder, given, progress)
    append = format.append if format is not None else None
    plain = manifest.options.encoding in ("", UTF_8) and all(source.encoding == UTF_8 for source in old)
    if append is None or not plain:
        return None
    if manifest.declared is not None and manifest.declared.found != manifest.type:
        return None
    if [file.shown for file in now[: len(old)]] != [source.shown for source in old]:
        return None
    same = [is_unchanged(f.path, source, stamp) for f, source, stamp in zip(now, old, manifest.stamps, strict=False)]
    if not all(same[:-1]):
        return None
    many = is_many(given)
    if same[-1]:
        files = Files(now[len(old) :], progress, append.whole, many, sources=list(old), options=manifest.options)
        return Appended(append.rows_of(files, many, Counter()), manifest.parts)
    last, path = old[-1], now[len(old) - 1].path
    if append.notes_of is None or Path(last.path).suffix in DECOMPRESSORS or Path(path).stat().st_size <= last.size:
        return None
    at, line, kept = end_of_lines(manifest, folder)
    checkpoint = Checkpoint(at, last.size, last.sha256)
    files = Files(
        now[len(old) - 1 :],
        progress,
        text_only=many,
        checkpoint=checkpoint,
        sources=list(old[:-1]),
        options=manifest.options,
    )
    again = append.notes_of(known_end(path, at, last))
    return Appended(append.rows_of(files, many, Counter({last.index: line})), kept, again)


def read_more_tables(manifest: Manifest, folder: Path, given: str, progress: Progress | None) -> Appended | None:
    """The rows that stand in a table's files behind those that are kept: of the first file that has grown, and of all
    that come after it; None where a load of all would give the rows that are kept in other columns."""
    old = manifest.sources
    seen = surveys_of_texts(manifest.surveys, (source.encoding for source in old))
    kind = formats()[kind_of(manifest)].table
    if kind is None or not seen:
        return None
    path, reader = reader_of(kind, given, manifest.options, declared_in(manifest))
    now, passed = chosen_files(files_of(given), kind.endings, path) if is_many(path) else (files_of(given), None)
    stamps = dict(zip((source.shown for source in old), manifest.stamps, strict=True))
    same = 0
    while same < min(len(old), len(now)) and now[same].shown == old[same].shown:
        if not is_unchanged(now[same].path, old[same], stamps[old[same].shown]):
            break
        same += 1
    paths = {file.shown: file.path for file in now[same:]}
    if not all(source.shown in paths for source in old[same:]):
        return None
    known = [Known(source, found) for source, found in zip(old, seen, strict=True)]
    more = load_more(reader, now, known, same, passed, progress)
    if more is None or not more.loaded.schema.columns:
        return None
    wanted, loaded = manifest.options.columns, more.loaded
    loaded = with_columns(loaded, wanted, given) if wanted else loaded
    found = manifest.type if manifest.declared is None else manifest.declared.found
    if loaded.format != manifest.format or not gives_what_is_kept(loaded.schema, found):
        return None
    if manifest.declared is not None:
        if more.kept < len(old) and any(cast[1] or cast[2] for cast in manifest.declared.casts):
            return None  # some of what did not fit stands in rows that are read again
        loaded = cast_loaded(loaded, manifest.type, given, "", manifest.declared.casts)
    first_again = old[more.kept].shown if more.kept < len(old) else ""
    return Appended(loaded, parts_before(manifest, folder, more.kept), None, first_again)


def declared_in(manifest: Manifest) -> Table | None:
    """The columns that a program declares of what is kept."""
    return None if manifest.declared is None else manifest.type


def kind_of(manifest: Manifest) -> str:
    """The format that read the sources: a file of CSV between tabs is kept as TSV."""
    seen = surveys_of_texts(manifest.surveys[:1], [UTF_8])
    known = formats().get(seen[0].kind) if seen and seen[0].form == manifest.format else None
    return manifest.format if known is None or known.table is None else known.name


def parts_before(manifest: Manifest, folder: Path, source: int) -> list[StoredPart]:
    """The rows of the sources before one of this number."""
    kept: list[StoredPart] = []
    for part in manifest.parts:
        past = first_row_of(folder / part.path, source, part.past)
        kept.append(replace(part, past=past))
        if past < part.past:
            break
    return kept


def known_end(path: str, at: int, source: SourceFile) -> Block:
    """The end of a source as it was, from a byte on."""
    with open(path, "rb") as file:  # noqa: PTH123 - as elsewhere
        file.seek(at)
        return Block(as_bytes(file.read(source.size - at)), [Piece(0, "", at, source.size - at, True)])


def is_unchanged(path: str, source: SourceFile, stamp: tuple[int, ...]) -> bool:
    size, changed = size_and_stamp(path)
    return size == source.size and (changed[: len(stamp)] == stamp or digest_of(path) == source.sha256)


def end_of_lines(manifest: Manifest, folder: Path) -> tuple[int, int, list[StoredPart]]:
    """Where the last source's lines go on: the byte, how many lines there are before it, and the rows before it."""
    held, last = list(manifest.parts), manifest.sources[-1]
    while held and held[-1].past == held[-1].first:
        held.pop()
    if not held:
        return 0, 0, [StoredPart(manifest.parts[0].path, 0, 0)]
    end = held[-1]
    source, line, start, past = last_row(folder / end.path, end.past - 1)
    if source != last.index:
        return 0, 0, held
    if past < last.size:
        return last.size, line, held
    return start, line - 1, [*held[:-1], replace(end, past=end.past - 1)]
