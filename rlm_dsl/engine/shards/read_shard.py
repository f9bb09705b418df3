"""The files of a shard as a file of rows: what a task does first, and again wherever the file is not there.

In: files and how they are read. Out: the rows in a file of Arrow's, and facts beside it. Law: what is made of the
same files in the same way has the same name; a file that has its name is whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.blocks import Files
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.format_registry import format_named
from rlm_dsl.context.loading import load_rows, with_columns
from rlm_dsl.context.rows.declared_rows import Cast, cast_batch, casts_of
from rlm_dsl.context.rows.file_tables import (
    OneOfMany,
    Whole,
    joined_columns,
    no_rows,
    reader_of,
    rows_of_files,
    surveyed_files,
    without_rows,
)
from rlm_dsl.context.rows.surveys import texts_of_surveys
from rlm_dsl.context.stored_context import digest_of
from rlm_dsl.engine.shards.byte_ranges import lines_of_range
from rlm_dsl.engine.shards.rows_of_shard import write_rows
from rlm_dsl.engine.shards.shard import Facts, ShardFiles
from rlm_dsl.engine.shards.whole_file import whole_file
from rlm_dsl.engine.storage.store import number_rows
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.types import Table


def digest_shard(wanted: ShardFiles, shared: object = None) -> str:
    """The digest of a shard's one file, computed or kept."""
    path = Path(wanted.folder) / f"{wanted.key}.sha256"
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        digest = digest_of(wanted.files[0].path)
        with whole_file(path) as made:
            made.write_text(digest, encoding="ascii")
        return digest


def read_shard(wanted: ShardFiles, shared: object = None) -> Facts:
    """The facts of a shard's files, whose rows lie in a file then. Raises UserError for what cannot be read."""
    folder = Path(wanted.folder)
    facts, rows = folder / f"{wanted.key}.json", folder / f"{wanted.key}.rows"
    if rows.is_file() and (known := facts_of(facts, rows)) is not None:
        return known
    loaded, skipped = load(wanted)
    casts: list[Cast] = []
    found, batches = None, loaded.batches
    if wanted.reading.declared is not None:
        found = loaded.schema
        casts = casts_of(loaded.schema, wanted.reading.declared)
        batches, loaded.schema = as_declared(batches, casts), wanted.reading.declared
    with whole_file(rows) as made:
        count = write_rows(made, number_rows(or_none(batches, loaded.schema), 0))
        told = Facts(
            loaded.format,
            loaded.schema,
            found,
            count,
            tuple(source_json(source) for source in loaded.sources),
            tuple(loaded.notes),
            texts_of_surveys(loaded.surveys),
            tuple(cast.seen for cast in casts),
            dict(skipped),
            str(rows),
        )
        write_facts(facts, told)
    return told


def load(wanted: ShardFiles) -> tuple[Loaded, Counter[str]]:
    """The rows of the files as they are found; and how many of these are no text, by what they seem to be, once the
    last row is taken."""
    reading, nothing = wanted.reading, Counter[str]()
    columns = reading.options.columns
    format = format_named(reading.format)
    if wanted.span is not None:
        return lines_of_range(wanted.files[0], wanted.size, wanted.span, nothing), nothing
    if not reading.many:
        request = LoadRequest(reading.given, reading.options, None, None, reading.memory, reading.name)
        return load_rows(request, reading.format), nothing
    if format.table is not None:
        reader = reader_of(format.table, reading.given, reading.options, reading.declared)[1]
        files = surveyed_files(reader, wanted.files, 0)
        whole = reading.whole or joined_columns(files)
        loaded = Loaded(reader.kind.name, whole.schema, rows_of_all(files, whole), [each.source for each in files])
        loaded.surveys = without_rows(each.seen for each in files)
    else:
        assert format.append is not None
        read = Files(wanted.files, None, format.append.whole, True, options=reading.options, part=True)
        loaded, nothing = format.append.rows_of(read, True, Counter()), read.skipped
    return (with_columns(loaded, columns, reading.given) if columns else loaded), nothing


def rows_of_all(files: list[OneOfMany], whole: Whole) -> Iterator[Any]:
    """The rows of files in the columns of all, which may be more than those of these files."""
    called = {name.lower(): name for name in whole.columns}
    for each in files:
        each.names = {name: called[name.lower()] for name in each.seen.columns}
    return rows_of_files(files, whole)


def or_none(batches: Iterable[Any], schema: Table) -> Iterator[Any]:
    """The batches, or one without rows where there is none."""
    some = False
    for batch in batches:
        some = True
        yield batch
    if not some:
        yield no_rows(schema)


def as_declared(batches: Iterable[Any], casts: list[Cast]) -> Iterator[Any]:
    """The rows as declared. What is seen of them is for whoever has seen all shards to judge; a column that cannot be
    read so gives nothing."""
    declared = Table(tuple(cast.column for cast in casts))
    usable = all(cast.read is not None for cast in casts)
    passed = 0
    for batch in batches:
        made, _ = cast_batch(batch, casts, passed)
        passed += batch.num_rows
        if usable:
            yield made
    if not usable:
        yield no_rows(declared)


def source_json(source: SourceFile) -> dict[str, Any]:
    told = {"path": source.path, "size": source.size, "sha256": source.sha256, "shown": source.shown}
    return {**told, "encoding": source.encoding}


def write_facts(path: Path, facts: Facts) -> None:
    held = {
        "format": facts.format,
        "schema": str(facts.schema),
        "found": None if facts.found is None else str(facts.found),
        "count": facts.count,
        "sources": list(facts.sources),
        "notes": list(facts.notes),
        "surveys": list(facts.surveys),
        "seen": list(facts.seen),
        "skipped": dict(facts.skipped),
    }
    with whole_file(path) as made:
        made.write_text(json.dumps(held, ensure_ascii=True), encoding="ascii")


def facts_of(path: Path, rows: Path) -> Facts | None:
    """Facts as they were written; None where there are none that are whole."""
    try:
        held = json.loads(path.read_text(encoding="ascii"))
        schema = parse_table_type(held["schema"])
        found = None if held["found"] is None else parse_table_type(held["found"])
        if schema is None or (found is None and held["found"] is not None):
            return None
        return Facts(
            held["format"],
            schema,
            found,
            int(held["count"]),
            tuple(held["sources"]),
            tuple(held["notes"]),
            tuple(held["surveys"]),
            tuple(held["seen"]),
            held["skipped"],
            str(rows),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
