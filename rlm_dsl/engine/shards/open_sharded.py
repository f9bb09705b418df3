"""A context whose rows lie in shards: its files shared out, read by a cluster's tasks, and known as one table.

In: what a user gives, and a cluster. Out: a context that is, but for where its rows lie, the one that a load in one
process gives: columns, types, sources, notes, numbers of rows. Law: a shard is read again where what other shards hold
makes its columns others; files that come behind those that were there change no shard but the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.common.version import version
from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.context.files.blocks import left_out
from rlm_dsl.context.files.find import STANDARD_INPUT, Found, file_and_table, files_of, is_many
from rlm_dsl.context.files.read import Progress, size_of
from rlm_dsl.context.files.remote import is_database
from rlm_dsl.context.files.text import UTF_8
from rlm_dsl.context.format_registry import format_named
from rlm_dsl.context.loading import LINES, choose_format
from rlm_dsl.context.manifest import merge_notes
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions, require_known
from rlm_dsl.context.placement import SHARD
from rlm_dsl.context.rows.declared_rows import casts_of
from rlm_dsl.context.rows.file_tables import (
    OneOfMany,
    Whole,
    chosen_files,
    joined_columns,
    notes_of_files,
)
from rlm_dsl.context.rows.surveys import surveys_of_texts
from rlm_dsl.context.stored_context import is_stored, open_stored, size_and_stamp
from rlm_dsl.engine.clusters.cluster import Cluster
from rlm_dsl.engine.shards.byte_ranges import ODD, ranges_of
from rlm_dsl.engine.shards.read_shard import digest_shard, read_shard
from rlm_dsl.engine.shards.shard import Facts, Reading, Shard, ShardFiles
from rlm_dsl.engine.shards.sharded_rows import ShardedRows
from rlm_dsl.language.types import INT, NULL, Table, bare, quoted_name

ROWS = 1_000_000
"""Rows of a file of rows that one task looks at."""


def open_sharded(
    name: str,
    given: str,
    cluster: Cluster,
    folder: Path,
    *,
    format: str | None = None,
    declared: Table | None = None,
    options: ReadingOptions = NO_OPTIONS,
    progress: Progress | None = None,
    shard_bytes: int = SHARD,
    memory: int | None = None,
) -> Context | None:
    """The context in shards; None for what no worker can read by itself, standard input and databases, and for files
    without a column."""
    if given == STANDARD_INPUT or is_database(given) or options.earlier:
        return None
    if is_stored(given):
        return kept(open_stored(name, Path(given)), cluster, folder, memory)
    form = choose_format(given, format, declared)
    require_known(options, format_named(form).options, form)
    many = is_many(given) and (format_named(form).table is not None or format_named(form).append is not None)
    reading = Reading(name, given, form, options, declared, many, None, memory)
    found, notes = files_to_read(reading)
    whole_files = shared_out(reading, found, str(folder.absolute()), shard_bytes)
    shards = in_ranges(whole_files, shard_bytes) or whole_files
    facts = read_all(cluster, shards, progress)
    if any(one.skipped.get(ODD) for one in facts):  # what is told of lines hangs on the whole file
        shards = whole_files
        facts = read_all(cluster, shards, progress)
    elif shards[0].span is not None:
        facts = with_digest(cluster, whole_files[0], facts)
    whole = None
    if many and format_named(form).table is not None:
        files = one_of_many(found, facts)
        whole = joined_columns(files)
        notes += [*whole.notes, *notes_of_files(files)]
        if not whole.columns:
            return None
    if whole is not None and (again := [at for at, one in enumerate(facts) if not stands_in(one, whole, reading)]):
        wider = [with_whole(shards[at], whole) for at in again]
        for at, shard, read in zip(again, wider, read_all(cluster, wider, None), strict=True):
            shards[at], facts[at] = shard, read
    return assembled(reading, shards, facts, whole, notes, cluster, folder, memory)


def files_to_read(reading: Reading) -> tuple[list[Found], list[str]]:
    """The files of a context, and a note on those that are passed over."""
    table = format_named(reading.format).table
    if not reading.many or table is None:
        return files_of(reading.given), []
    path = file_and_table(reading.given)[0]
    return chosen_files(files_of(reading.given), table.endings, path)


def shared_out(reading: Reading, found: Sequence[Found], folder: str, most: int) -> list[ShardFiles]:
    """Files in their order, as many together as have so many bytes: from the first on, so that files which come behind
    leave the shards as they are."""
    groups: list[list[Found]] = []
    size = 0
    for file in found:
        own = size_of([file])
        if not groups or (reading.many and size + own > most and groups[-1]):
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += own
    return [ShardFiles(key_of(reading, files), folder, reading, tuple(files)) for files in groups]


def in_ranges(shards: Sequence[ShardFiles], most: int) -> list[ShardFiles]:
    """One large file of lines in ranges of its bytes; none where it is to be read whole."""
    reading = shards[0].reading
    declared = None if reading.declared is None else reading.declared.column("line")
    if reading.many or reading.format != LINES or reading.options or declared not in (None, INT):
        return []
    (file,) = shards[0].files
    size = size_of([file])
    spans = ranges_of(file, size, most)
    keys = [identity("shard-range-v1", [shards[0].key, *map(str, span)])[:40] for span in spans]
    keyed = zip(spans, keys, strict=True)
    return [replace(shards[0], key=key, span=span, size=size) for span, key in keyed]


def key_of(reading: Reading, files: Sequence[Found]) -> str:
    """What names the rows that are made of files: these as they are now, and how they are read."""
    stamps = [[file.path, file.shown, *map(str, size_and_stamp(file.path))] for file in files]
    declared = "" if reading.declared is None else str(reading.declared)
    whole = "" if reading.whole is None else str(reading.whole.schema)
    read = [version(), reading.format, reading.options.said, declared, reading.many, whole]
    return identity("shard-v1", [*read, stamps])[:40]


def with_whole(shard: ShardFiles, whole: Whole) -> ShardFiles:
    reading = replace(shard.reading, whole=whole)
    return replace(shard, reading=reading, key=key_of(reading, shard.files))


def read_all(cluster: Cluster, shards: Sequence[ShardFiles], progress: Progress | None) -> list[Facts]:
    """What was found of each shard."""
    sizes = [size_of(shard.files) if shard.span is None else shard.span[1] - shard.span[0] for shard in shards]
    done, found = 0, []
    for size, facts in zip(sizes, cluster.each(read_shard, shards, None), strict=True):
        found.append(facts)
        done += size
        if progress:
            progress(done, sum(sizes))
    return found


def with_digest(cluster: Cluster, whole: ShardFiles, facts: Sequence[Facts]) -> list[Facts]:
    """The facts of a file's ranges, of which the first has the file as its source."""
    (digest,) = cluster.each(digest_shard, [whole], None)
    (file,) = whole.files
    source = {"path": file.path, "size": size_of([file]), "sha256": digest, "shown": file.shown, "encoding": UTF_8}
    return [replace(facts[0], sources=(source,)), *facts[1:]]


def one_of_many(found: Sequence[Found], facts: Sequence[Facts]) -> list[OneOfMany]:
    """The files of a table, from what was found of each."""
    sources = [source for one in facts for source in one.sources]
    texts = [text for one in facts for text in one.surveys]
    surveys = surveys_of_texts(texts, (source["encoding"] for source in sources))
    if len(surveys) != len(found):
        raise UserError("there are too many columns in these files", "load them without an engine")
    files = zip(found, surveys, sources_of(facts), strict=True)
    return [OneOfMany(file, source, seen, None) for file, seen, source in files]


def sources_of(facts: Sequence[Facts]) -> list[SourceFile]:
    told = [source for one in facts for source in one.sources]
    return [
        SourceFile(index, s["path"], s["size"], s["sha256"], s["shown"], encoding=s["encoding"])
        for index, s in enumerate(told)
    ]


def stands_in(facts: Facts, whole: Whole, reading: Reading) -> bool:
    """Whether a shard's rows are read as all are: each of its columns has the type that it has in the whole."""
    own = facts.schema if facts.found is None else facts.found
    wanted = {column.name: column.type for column in whole.schema.columns}
    same = all(c.name in wanted and bare(c.type) in (NULL, bare(wanted[c.name])) for c in own.columns)
    return same and not (reading.declared is not None and [*own.names] != [*chosen(whole.schema, reading).names])


def chosen(schema: Table, reading: Reading) -> Table:
    """The columns that are wanted."""
    names = reading.options.columns or schema.names
    held = {column.name: column for column in schema.columns}
    return Table(tuple(held[name] for name in dict.fromkeys(names)))


def assembled(
    reading: Reading,
    files: Sequence[ShardFiles],
    facts: Sequence[Facts],
    whole: Whole | None,
    notes: Sequence[str],
    cluster: Cluster,
    folder: Path,
    memory: int | None,
) -> Context:
    """The context of shards that are read."""
    first = facts[0]
    found = first.found or first.schema if whole is None else chosen(whole.schema, reading)
    told = [*notes] if whole is not None else [*notes, *told_notes(facts)]
    schema = found
    if reading.declared is not None:
        schema = reading.declared
        told += declared_notes(reading, facts, found)
    sources = sources_of(facts)
    shards = list(placed(files, facts))
    shards = [*in_parts(shards)] if len(shards) == 1 else shards  # what one task read, several may ask
    rows = ShardedRows(tuple(shards), cluster, str(folder.absolute()), memory)
    return Context(
        reading.name, first.format, reading.given, schema, rows, tuple(sources), tuple(told), reading.options
    )


def told_notes(facts: Sequence[Facts]) -> list[str]:
    """What is to be told of files that are no tables, as a load of all tells it."""
    skipped = sum((Counter(one.skipped) for one in facts), Counter[str]())
    told: tuple[str, ...] = ()
    for one in facts:
        told = merge_notes(told, one.notes)
    return [*left_out(skipped, any(one.sources for one in facts)), *told]


def declared_notes(reading: Reading, facts: Sequence[Facts], found: Table) -> list[str]:
    """What is told of values that are not as declared. Raises UserError for columns that are others."""
    assert reading.declared is not None
    seen = [merged(column) for column in zip(*(one.seen for one in facts if one.seen), strict=True)]
    casts = casts_of(found, reading.declared, seen)
    count = sum(one.count for one in facts)
    wrong = [told for cast in casts if (count or cast.found is None) and (told := cast.told("line"))]
    if wrong:
        raise UserError(
            f"{reading.given} is not as the program declares `{reading.name}`: {'; '.join(wrong)}",
            f"the data: context {quoted_name(reading.name)}: {found}",
        )
    return [note for cast in casts for note in cast.note("line")]


def merged(seen: Sequence[Sequence[object]]) -> list[object]:
    """What was seen of a column in all shards (see Cast.seen)."""
    sums = [sum(one[at] for one in seen) for at in range(3)]  # type: ignore[misc]
    places = [place for one in seen for place in one[3]]  # type: ignore[attr-defined]
    return [*sums, places[:3], next((one[4] for one in seen if one[4]), "")]


def placed(files: Sequence[ShardFiles], facts: Sequence[Facts]) -> Iterator[Shard]:
    """Shards where they stand in the whole."""
    first = source = 0
    for shard, one in zip(files, facts, strict=True):
        yield Shard(shard.key, one.kept, 0, one.count, first, source, shard)
        first += one.count
        source += len(one.sources) if shard.span is None else 0


def in_parts(shards: Sequence[Shard]) -> Iterator[Shard]:
    """Shards of very many rows as several, each a part of the same file."""
    for shard in shards:
        for begin in range(shard.begin, max(shard.past, shard.begin + 1), ROWS):
            yield replace(shard, begin=begin, past=min(begin + ROWS, shard.past))


def kept(context: Context, cluster: Cluster, folder: Path, memory: int | None) -> Context:
    """A kept context whose files of rows the workers open where they lie."""
    assert isinstance(context.rows, tuple)
    stored = [
        Shard(Path(part.path).name, str(Path(part.path).absolute()), part.first, part.past, 0, 0)
        for part in context.rows
    ]
    return replace(context, rows=ShardedRows(tuple(in_parts(stored)), cluster, str(folder.absolute()), memory))
