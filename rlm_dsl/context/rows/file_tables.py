"""Files of one kind as one table: what CSV, JSON Lines, Parquet and their like share.

In: one file, or many, and a format's survey of one. Out: rows of all of them, in the order of their names. Law: columns
are matched by name; a column's type is that of all its cells in all files, which are then read as it is, from what each
file says and not from what was made of it; the bytes that rows are made of are those that were digested.

Of many files a column holds each row's file (`path`), and folders such as `year=2026` are columns too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import unquote

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.columns.text_columns import Seen, cast_cells, observe
from rlm_dsl.context.context import Loaded, SourceFile
from rlm_dsl.context.files.find import Found, endings_there, file_and_table, find, is_many
from rlm_dsl.context.files.map_ahead import map_ahead
from rlm_dsl.context.files.read import Progress, Read, read_file, read_one, size_of
from rlm_dsl.context.files.recognised import refuse_binary
from rlm_dsl.context.files.streams import plain_name
from rlm_dsl.context.files.text import UTF_8, in_file, is_utf_8, text_of, wide_encoding
from rlm_dsl.context.options import NO, NO_OPTIONS, ReadingOptions
from rlm_dsl.language.types import TEXT, Field, Table, Type, bare, null_if, nullable

T = TypeVar("T")
U = TypeVar("U")
PATHS = ("path", "file_path", "path_of_file")
"""What the column of a row's file is called: the first that no column of the data is."""
HELD = 1 << 28
"""Bytes of files that are kept from the first look at them to the second; more are read again."""
SMALL = 1 << 26
"""A file of fewer bytes is made rows beside the reading of the next."""
NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""How Hive writes a folder of rows that have no value."""
FIRST = 3
"""Files that a note names."""


class ColumnSeen(Protocol):
    """What the cells of a column were."""

    @property
    def type(self) -> Type: ...

    def together(self, other: Any) -> Self:
        """What is known of these cells and of those of another file."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a first look at one file finds: its columns in order; how its bytes become rows once types are known, which
    are then its own or wider; notes. `refusal` is raised where nobody says what columns a file without any has; `state`
    are values of JSON by which the look goes on where the file has grown, None where it does not; `kind` is the name of
    the format that looked; `total` shows the last row where it looks like a total of those above."""

    form: str
    columns: Mapping[str, ColumnSeen]
    rows: Callable[[bytes, Table], Iterable[Any]]
    notes: Sequence[str] = ()
    refusal: UserError | None = None
    encoding: str = UTF_8
    state: Mapping[str, Any] | None = None
    kind: str = ""
    total: str = ""

    @property
    def schema(self) -> Table:
        return Table(tuple(Field(name, seen.type) for name, seen in self.columns.items()))


Survey = Callable[[Read, ReadingOptions, Table | None], Surveyed]
"""Of a file, how it is to be read, and what a program declares of the table."""
GoOn = Callable[[Read, ReadingOptions, Surveyed, int], Surveyed | None]
"""Of a file that has grown, how it is read, what was found of so many of its bytes, which end a line: what a look at
all of it finds, with the rows behind these bytes alone; None where what stood there would be read otherwise now."""


@dataclass(frozen=True, slots=True)
class TableKind:
    """A format whose files are tables: its name, the endings of its files, and the survey of one."""

    name: str
    endings: tuple[str, ...]
    survey: Survey
    sheets: bool = False
    """Whether a file holds several tables, one of which is named behind `::`."""
    text: bool = False
    """Whether its files are text, which a survey is given in UTF-8, whatever they are in."""
    go_on: GoOn | None = None
    """How a survey goes on, where rows stand one behind the other."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A kind of tables, and how these are to be read."""

    kind: TableKind
    options: ReadingOptions = NO_OPTIONS
    declared: Table | None = None

    def survey(self, read: Read) -> Surveyed:
        """A first look at one file; a last row that is a total is told, or left out where that is said."""
        seen = self.surveyed(read)
        if seen.total and self.options.totals == NO:
            fewer = replace(self, options=replace(self.options, skip_last=self.options.skip_last + 1))
            left = fewer.surveyed(read)
            seen = replace(left, notes=[*left.notes, f"the last row is left out as a total ({seen.total})"])
        else:
            seen = with_total_told(seen, self.options)
        return replace(seen, kind=self.kind.name)

    def surveyed(self, read: Read) -> Surveyed:
        if not self.kind.text:
            if not read.content:
                refusal = UserError(f"{read.source.path} is empty", f"a {self.kind.name} file has columns")
                return Surveyed(self.kind.name, {}, lambda _, schema: (), (), refusal)
            return self.kind.survey(read, self.options, self.declared)
        if not self.options.earlier:
            refuse_binary(read.content, read.source.path, self.options.encoding)
        text = text_of(read.content, self.options, feeds=True)
        seen = self.kind.survey(Read(read.source, text.content), self.options, self.declared)
        if text.content is read.content:
            return seen

        def rows(content: bytes, schema: Table) -> Iterable[Any]:
            again = text_of(content, self.options, feeds=True)
            return in_file(seen.rows(again.content, schema), again)

        return replace(seen, rows=rows, notes=[*text.notes, *seen.notes], encoding=text.encoding, state=None)

    def go_on(self, read: Read, before: Surveyed, past: int) -> Surveyed | None:
        """What a survey of a file that has grown finds, by what was found of it before; None where all is read again:
        what is not UTF-8 may be in another encoding now."""
        content = read.content
        plain = self.options.encoding in ("", UTF_8) and before.encoding == UTF_8 and not wide_encoding(content)[0]
        if self.kind.go_on is None or before.state is None or not plain or self.options.earlier:
            return None
        if self.options.skip_last or self.options.totals:  # what was the end is none now
            return None
        if content[past - 1 : past] != b"\n" or not is_utf_8(content[past:]):
            return None
        refuse_binary(content, read.source.path, self.options.encoding)
        try:
            seen = self.kind.go_on(read, self.options, before, past)
        except (KeyError, TypeError, ValueError, IndexError):  # what was kept of it is no state
            return None
        return None if seen is None else replace(with_total_told(seen, self.options), kind=self.kind.name)


def with_total_told(seen: Surveyed, options: ReadingOptions) -> Surveyed:
    if not seen.total or options.totals:
        return seen
    told = f"the last row looks like a total ({seen.total}): totals=no leaves it out"
    return replace(seen, notes=[*seen.notes, told])


def load_tables(
    kind: TableKind, given: str, options: ReadingOptions, declared: Table | None, progress: Progress | None
) -> Loaded:
    """One file, or all of a folder or glob that end as this format's do."""
    path, reader = reader_of(kind, given, options, declared)
    if not is_many(path):
        return load_one(reader, path, progress)
    chosen, passed = chosen_files(find(path), kind.endings, path)
    return load_many(reader, chosen, passed, path, progress)


def reader_of(
    kind: TableKind, given: str, options: ReadingOptions, declared: Table | None = None
) -> tuple[str, Reader]:
    """The path of what was given, and how it is read: behind `::` stands the name of a sheet."""
    path, table = file_and_table(given)
    if table and not kind.sheets:
        raise UserError(f"{path} holds one table, and none called `{table}`", f"say {path}")
    return path, Reader(kind, replace(options, sheet=table) if table else options, declared)


def load_one(reader: Reader, given: str, progress: Progress | None) -> Loaded:
    """One file's rows."""
    read = read_one(given, progress, "give one file, a folder or a glob")
    seen = reader.survey(read)
    source = replace(read.source, encoding=seen.encoding)
    if not seen.columns:
        return nothing(seen.form, [source], seen.notes, seen.refusal)
    rows = seen.rows(read.content, seen.schema)
    return Loaded(seen.form, seen.schema, rows, [source], [*seen.notes], surveys=without_rows([seen]))


def without_rows(seen: Iterable[Surveyed]) -> list[Surveyed]:
    """What was found, without the rows, which may hold a file's bytes."""
    return [replace(each, rows=lambda content, schema: ()) for each in seen]


VALUE = "value"
"""The column of values that are no objects."""
NOTHING = Table((Field(VALUE, nullable(TEXT)),))
"""The columns of a list of nothing, which might have been any: what is declared of it holds."""


def nothing(
    form: str, sources: list[SourceFile], notes: Sequence[str], refusal: UserError | None, more: Table | None = None
) -> Loaded:
    """No rows of columns that nobody knows, behind those of `more`."""
    schema = Table((*(more.columns if more else ()), *NOTHING.columns))
    return Loaded(form, schema, [no_rows(schema)], sources, [*notes], refusal)


def is_nothing(schema: Table) -> bool:
    """Whether these are columns of no file's data."""
    return Table(tuple(column for column in schema.columns if column.name not in PATHS)) == NOTHING


def no_rows(schema: Table) -> Any:
    import pyarrow as pa

    places = {"#source": pa.int32(), "#line": pa.int64(), "#lo": pa.int64(), "#hi": pa.int64()}
    return pa.schema({**places, **{c.name: arrow_type(c.type) for c in schema.columns}}).empty_table()


def chosen_files(found: Sequence[Found], endings: Sequence[str], given: str) -> tuple[list[Found], list[str]]:
    """Those of the files that end as a format's do, and a note on the others. Files of no known ending are taken where
    all are so: a glob may name them."""
    chosen = [file for file in found if ending_of(file.shown) in endings]
    if not chosen:
        there = endings_there([*found])
        raise UserError(
            f"no {' or '.join(endings)} file in {given}, which has {there}",
            "a file of another ending is named by itself",
        )
    others = len(found) - len(chosen)
    told = [f"{others:,} files that do not end in {' or '.join(endings)} were passed over"] if others else []
    return chosen, told


def ending_of(path: str) -> str:
    """A file's ending in lower case, that of a compressed one below it."""
    name = plain_name(path).rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""


@dataclass(slots=True)
class OneOfMany:
    """A file of many: its source, its survey, its columns' names in the whole by its own, the values that its folders
    give, and its bytes where they are kept."""

    file: Found
    source: SourceFile
    seen: Surveyed
    content: bytes | None
    names: dict[str, str] = field(default_factory=dict)


def load_many(
    reader: Reader, found: Sequence[Found], notes: Sequence[str], given: str, progress: Progress | None
) -> Loaded:
    """The rows of files, one file after the other."""
    return rows_of_all(reader, surveyed_files(reader, found, 0, progress), notes)


def rows_of_all(reader: Reader, files: Sequence[OneOfMany], notes: Sequence[str], first: int = 0) -> Loaded:
    """The table that files are, with the rows of those from one on."""
    whole = joined_columns(files)
    told = [*notes, *whole.notes, *notes_of_files(files)]
    if not whole.columns:
        refusal = next((each.seen.refusal for each in files if each.seen.refusal), None)
        return nothing(
            reader.kind.name, [each.source for each in files], told, refusal, Table((Field(PATHS[0], TEXT),))
        )
    batches, sources = rows_of_files(files[first:], whole), [each.source for each in files]
    surveys = without_rows(each.seen for each in files)
    return Loaded(reader.kind.name, whole.schema, batches, sources, told, surveys=surveys)


def surveyed_files(
    reader: Reader, found: Sequence[Found], first: int, progress: Progress | None = None
) -> list[OneOfMany]:
    """A first look at each file; the sources are numbered from `first` on."""
    total = size_of(found)
    keep = total <= HELD
    done = 0
    made: list[OneOfMany] = []

    def survey(item: tuple[int, Found]) -> OneOfMany:
        source, content = read_file(*item)
        seen = reader.survey(Read(source, content, keep))
        return OneOfMany(item[1], replace(source, encoding=seen.encoding), seen, content if keep else None)

    for each in map_ahead(survey, enumerate(found, first)):
        done += each.source.size
        if progress:
            progress(done, total)
        made.append(each)
    return made


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same, each made beside the work on the one before."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


@dataclass(frozen=True, slots=True)
class Whole:
    """The columns of many files: what the one of paths is called, those that folders give, those of the data."""

    path: str
    folders: Sequence[str]
    columns: Sequence[str]
    schema: Table
    notes: Sequence[str]


def joined_columns(files: Sequence[OneOfMany]) -> Whole:
    """The columns of all files, in the order in which they first stand, and how those of each are called there."""
    columns: dict[str, ColumnSeen] = {}
    held: dict[str, list[str]] = {}
    called: dict[str, str] = {}
    notes = []
    for each in files:
        for name, seen in each.seen.columns.items():
            whole = called.setdefault(name.lower(), name)
            if whole != name:
                notes.append(f"column `{name}` of {each.file.shown} is `{whole}` of the others")
            each.names[name] = whole
            columns[whole] = columns[whole].together(seen) if whole in columns else seen
            held.setdefault(whole, []).append(each.file.shown)
    headed = [each.file.shown for each in files if each.seen.columns]
    partial = {name for name, where in held.items() if len(where) < len(headed)}
    folders, told = folder_columns([each.file.shown for each in files], columns)
    taken = {name.lower() for name in (*columns, *folders)}
    notes += [missing_note(name, held[name], headed) for name in columns if name in partial]
    path = next(name for name in PATHS if name not in taken)
    notes += [f"each row's file is told in `{path}`, as the data has a column `path`"] if path != PATHS[0] else []
    schema = Table(
        (
            Field(path, TEXT),
            *(Field(name, seen.type) for name, seen in folders.items()),
            *(Field(name, null_if(name in partial, seen.type)) for name, seen in columns.items()),
        )
    )
    return Whole(path, list(folders), list(columns), schema, [*merged_notes(notes), *told])


def of(schema: Table, name: str) -> Type:
    return schema.column(name) or TEXT


def missing_note(name: str, where: Sequence[str], every: Sequence[str]) -> str:
    """That a column is not in each file: those that have it, or those that have it not, whichever are fewer."""
    known = {*where}
    without = [shown for shown in every if shown not in known]
    if len(where) < len(without):
        return f"column `{name}` is in {counted(where, every)} only (null in the others)"
    return f"column `{name}` is not in {counted(without, every)} (null there)"


def counted(some: Sequence[str], every: Sequence[str]) -> str:
    return f"{len(some):,} of {len(every):,} files, first {some[0]}"


def merged_notes(notes: Sequence[str]) -> list[str]:
    """Not more than some notes of a kind."""
    return list(notes[:20]) + ([f"{len(notes) - 20:,} more notes on columns are left out"] if len(notes) > 20 else [])


def notes_of_files(files: Sequence[OneOfMany]) -> list[str]:
    """The notes on files, each once, with the files that it is of."""
    where: dict[str, list[str]] = {}
    for each in files:
        for note in each.seen.notes:
            where.setdefault(note, []).append(each.file.shown)
    told = []
    for note, shown in where.items():
        more = f" and {len(shown) - FIRST:,} more" if len(shown) > FIRST else ""
        told.append(f"{', '.join(shown[:FIRST])}{more}: {note}")
    return merged_notes(told)


def folder_columns(paths: Sequence[str], taken: Iterable[str]) -> tuple[dict[str, Seen], list[str]]:
    """The columns that folders such as `year=2026` give, typed as cells of CSV are, but for those the data has."""
    names = {name.lower() for name in taken}
    import pyarrow as pa

    values = [folder_values(path) for path in dict.fromkeys(path.rpartition("/")[0] for path in paths)]
    found: dict[str, Seen] = {}
    for name in dict.fromkeys(name for each in values for name in each):
        cells = pa.array([each.get(name) for each in values], pa.large_string())
        found[name] = observe(Seen(), cells)
    kept = {name: seen for name, seen in found.items() if name.lower() not in names}
    notes = [f"`{name}=` in folders' names is left out: the data has that column" for name in found if name not in kept]
    return kept, notes


def folder_values(folder: str) -> dict[str, str | None]:
    """What the names of the folders on a path say: `year=2026/month=11`."""
    pairs = [part.partition("=") for part in folder.split("/")]
    said = {key.strip(): value for key, mark, value in pairs if mark and key.strip()}
    names = free_names(list(said))[0]
    return {n: None if v == NO_PARTITION else unquote(v) for n, v in zip(names, said.values(), strict=True)}


def rows_of_files(files: Sequence[OneOfMany], whole: Whole) -> Iterator[Any]:
    """The rows of each file in the columns of all, a batch at a time; one batch at least."""

    def made(each: OneOfMany) -> list[Any]:
        return list(file_rows(each, whole))

    given = False
    for few in runs_of_small(files):
        batches = map_ahead(made, few) if len(few) > 1 else [file_rows(few[0], whole)]
        for rows in batches:
            for batch in rows:
                yield batch
                given = True
    if not given:
        yield no_rows(whole.schema)


def runs_of_small(files: Sequence[OneOfMany]) -> Iterator[list[OneOfMany]]:
    """Small files together, each large one alone: its rows are given as they are made."""
    held: list[OneOfMany] = []
    for each in files:
        if each.source.size < SMALL:
            held.append(each)
            continue
        if held:
            yield held
        held = []
        yield [each]
    if held:
        yield held


def file_rows(each: OneOfMany, whole: Whole) -> Iterator[Any]:
    """One file's rows in the columns of all."""
    if not each.names:
        return
    own = Table(tuple(Field(name, of(whole.schema, called)) for name, called in each.names.items()))
    content, each.content = each.content, None
    for batch in each.seen.rows(same_content(each) if content is None else content, own):
        yield placed(batch, each, whole)


def same_content(each: OneOfMany) -> bytes:
    """A file's bytes again. Raises UserError where they are no longer those that were looked at."""
    source, content = read_file(each.source.index, each.file)
    if source.sha256 != each.source.sha256:
        raise UserError(f"{each.source.path} was written to while it was read", "read it when nothing writes to it")
    return content


def placed(batch: Any, each: OneOfMany, whole: Whole) -> Any:
    """A batch of one file as rows of all."""
    import numpy as np
    import pyarrow as pa

    count = batch.num_rows
    made: dict[str, Any] = {name: batch[name] for name in ("#source", "#line", "#lo", "#hi")}
    made["#source"] = np.full(count, each.source.index, np.int32)
    made[whole.path] = repeated(each.file.shown, count)
    said = folder_values(each.file.shown.rpartition("/")[0])
    for name in whole.folders:
        made[name] = repeated_cell(said.get(name), bare(of(whole.schema, name)), count)
    own = {called: name for name, called in each.names.items()}
    for name in whole.columns:
        made[name] = batch[own[name]] if name in own else pa.nulls(count, arrow_type(of(whole.schema, name)))
    return pa.table(made)


def repeated(text: str, count: int) -> Any:
    import numpy as np
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([text], pa.large_string()))


def repeated_cell(cell: str | None, type_: Type, count: int) -> Any:
    import numpy as np
    import pyarrow as pa

    value = cast_cells(pa.array([cell], pa.large_string()), type_)
    return value.take(pa.array(np.zeros(count, np.int64)))
