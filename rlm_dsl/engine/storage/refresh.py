"""A kept context brought up to its sources: what was appended is read alone.

In: a `.rlmctx` folder whose sources may have grown. Out: the folder as a load of them would make it, and what was done.
Law: rows are read on only where everything before them is the same; where anything else changed, all is read again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rlm_dsl.context.context import Loaded, SourceFile, StoredPart
from rlm_dsl.context.files.blocks import Block, Checkpoint, Files, Piece, as_bytes
from rlm_dsl.context.files.find import Found, files_of, is_many
from rlm_dsl.context.files.read import Progress
from rlm_dsl.context.files.remote import is_database
from rlm_dsl.context.files.streams import DECOMPRESSORS, open_stream, parts
from rlm_dsl.context.files.text import UTF_8, PrefixChanged
from rlm_dsl.context.format_registry import formats
from rlm_dsl.context.manifest import Manifest, merge_notes, read_manifest, write_manifest
from rlm_dsl.context.options import NO_OPTIONS
from rlm_dsl.context.rows.file_tables import PASSED_OVER, Reader, chosen_files, load_more, reader_of
from rlm_dsl.context.stored_context import digest_of, size_and_mtime, size_and_stamp, source_path, staleness
from rlm_dsl.engine.storage.rows_file import first_row_of, last_row
from rlm_dsl.engine.storage.store import manifest_of, store_context, write_part


@dataclass(frozen=True, slots=True)
class Appended:
    """Rows behind those that are kept: the load that gives them, what is kept of the parts before, and the notes on
    what of these is read again; None where the load's notes are those on all."""

    loaded: Loaded
    kept: Sequence[StoredPart]
    again: Sequence[str] | None = ()


def refresh_context(folder: Path, progress: Progress | None = None, memory: int | None = None) -> tuple[str, int]:
    """Bring a folder up to its sources: what came, as words, and how many rows were read for it.

    Lines behind the end that was known, and files behind the last that was, are read alone; of a table of many files,
    those from the first on that came or has grown; where anything else changed, all is read again.
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
            return f"grown: {changed}", part.past - part.first
    given = source_path(manifest.given, manifest, folder)
    now = NO_OPTIONS if manifest.options.earlier else manifest.options
    context = store_context("data", given, folder, manifest.format, None, progress, memory, now)
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
    if format is not None and format.table is not None and is_many(given):
        chosen = chosen_files(files_of(given), format.table.endings, given)
        reader = reader_of(format.table, given, manifest.options)[1]
        return None if manifest.options.columns else read_more_tables(reader, manifest, folder, chosen, progress)
    append = format.append if format is not None else None
    plain = manifest.options.encoding in ("", UTF_8) and all(source.encoding == UTF_8 for source in old)
    if append is None or not plain:
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


def read_more_tables(
    reader: Reader,
    manifest: Manifest,
    folder: Path,
    chosen: tuple[Sequence[Found], Sequence[str]],
    progress: Progress | None,
) -> Appended | None:
    """The rows of a table's files from the first on that came or has grown; None where what was read before would have
    other columns now, or another file is not as it was."""
    now, passed = chosen
    old = manifest.sources
    stamps = dict(zip((source.shown for source in old), manifest.stamps, strict=True))
    same = 0
    while same < min(len(old), len(now)) and now[same].shown == old[same].shown:
        if not is_unchanged(now[same].path, old[same], stamps[old[same].shown]):
            break
        same += 1
    paths = {file.shown: file.path for file in now[same:]}
    if not same or not all(s.shown in paths and has_grown(paths[s.shown], s) for s in old[same:]):
        return None
    loaded = load_more(reader, now[same:], manifest.type, old[:same], progress)
    if loaded is None:
        return None
    again = {f"{source.shown}: " for source in old[same:]}
    kept = [n for n in manifest.notes if not n.endswith(PASSED_OVER) and not any(n.startswith(each) for each in again)]
    loaded.notes = list(dict.fromkeys([*passed, *kept, *loaded.notes]))
    return Appended(loaded, parts_before(manifest, folder, same), None)


def has_grown(path: str, source: SourceFile) -> bool:
    """Whether a file begins with the bytes that it had, or has no others."""
    with open_stream(path, packed=True) as (stream, _):
        digest = hashlib.sha256()
        for part in parts(stream, source.size):
            digest.update(part)
    return digest.hexdigest() == source.sha256


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
