"""Loading: from what a user gives to a context, by the loader of its format.

In: a name and a path, folder or glob. Out: a context. Law: a format is chosen by the name's ending or said, never
guessed from the content; files of several kinds are refused until it is said which are meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.context.context import ROW, Context, Loaded, context_line
from rlm_dsl.context.files.find import STANDARD_INPUT, file_and_table, files_of, is_many
from rlm_dsl.context.files.read import Progress
from rlm_dsl.context.files.remote import is_database
from rlm_dsl.context.files.streams import plain_name
from rlm_dsl.context.format import LoadRequest
from rlm_dsl.context.format_registry import format_named, format_of_address, format_of_ending, formats
from rlm_dsl.context.given import Given
from rlm_dsl.context.options import NO_OPTIONS, OptionError, ReadingOptions, require_known
from rlm_dsl.context.rows.declared_rows import casts_of, declared_rows
from rlm_dsl.context.rows.file_tables import ending_of, is_nothing, no_rows
from rlm_dsl.context.stored_context import is_stored, open_stored
from rlm_dsl.language.types import INT, TEXT, Field, Table, fits

LINES, DOCUMENTS = "lines", "documents"
"""What text is read as, whatever its file's ending."""
TEXT_COLUMNS = {LINES: {"path", "line", "text"}, DOCUMENTS: {"path", "text"}}
"""The columns of text: a program that declares no others means it, whatever the files' endings."""


def load(
    name: str,
    given: str,
    *,
    format: str | None = None,
    declared: Table | None = None,
    progress: Progress | None = None,
    options: ReadingOptions = NO_OPTIONS,
    room: int | None = None,
) -> Context:
    """Load a corpus. `given` is a file, folder or glob; `declared` is the type of a program's `context` line;
    `options` say how it is read; `room` are the bytes that its rows may take.

    Raises UserError with one clear message for anything that cannot be read, MoreThanRoom where rows take more.
    """
    if is_stored(given):
        context = require_reading(open_stored(name, Path(given)), format, options)
    else:
        request = LoadRequest(given, options, declared, progress, room, name)
        loaded = load_rows(request, choose_format(given, format, declared))
        require_columns(loaded, declared)
        if room is not None and given != STANDARD_INPUT:
            loaded.batches = within(loaded.batches, room)
        context = memory_context(name, given, loaded, options)
    return context if declared is None else as_declared(context, declared)


class MoreThanRoom(Exception):
    """Rows take more bytes of memory than there is room for."""


def within(batches: Iterable[Any], room: int) -> Iterator[Any]:
    """The batches, as long as they have room together. Raises MoreThanRoom."""
    held = 0
    for batch in batches:
        held += batch.nbytes
        if held > room:
            raise MoreThanRoom
        yield batch


def require_reading(context: Context, format: str | None, options: ReadingOptions) -> Context:
    """The kept context, whose rows were read as they were. Raises UserError where they are asked for otherwise."""
    if format not in (None, context.format):
        raise UserError(f"{context.given} holds {context.format}, not {format}", f"say NAME:{context.format}=PATH")
    if options and options != context.options:
        raise UserError(
            f"{context.given} is stale: it was read with {context.options or 'no options'}, and not with {options}",
            f"load its source again: rlm-dsl load '{context.name}({options})=PATH'",
        )
    return context


def require_options(given: Given, declared: Table | None = None) -> None:
    """Raises UserError, with the place where it is written, for an option that does not go with the format."""
    if not given.options or is_stored(given.path):
        return
    format = format_named(choose_format(given.path, given.format, declared))
    try:
        require_known(given.options, format.options, format.name)
    except OptionError as failure:
        raise given.placed(failure) from None


def require_columns(loaded: Loaded, declared: Table | None) -> None:
    """Raises what is wrong with data without a column, such as an empty file, where nobody declares any."""
    if loaded.refusal is not None and declared is None:
        raise loaded.refusal


def load_rows(request: LoadRequest, format: str) -> Loaded:
    """What the loader of a format makes of a request. Raises UserError for a format that there is not, and for options
    that it does not take."""
    known = format_named(format)
    require_known(request.options, known.options, format)
    loaded = known.load(request)
    loaded = with_columns(loaded, request.options.columns, request.given) if request.options.columns else loaded
    return loaded if request.declared is None else with_declared(loaded, request)


def with_columns(loaded: Loaded, wanted: Sequence[str], given: str) -> Loaded:
    """The columns that are wanted, in their order; places and sources stay."""
    names = list(dict.fromkeys(wanted))
    for name in names:
        if loaded.schema.column(name) is None:
            hint = did_you_mean(name, loaded.schema.names, what="its columns")
            raise OptionError("columns", f"{given} has no column `{name}`", *hint)
    held = {field.name: field for field in loaded.schema.columns}
    schema = Table(tuple(held[name] for name in names))

    def chosen(batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            yield batch.select([*(held for held in batch.column_names if held.startswith("#")), *names])

    loaded.schema, loaded.batches = schema, chosen(loaded.batches)
    return loaded


def with_declared(loaded: Loaded, request: LoadRequest) -> Loaded:
    """The columns that a program declares, read as it declares them."""
    assert request.declared is not None
    return cast_loaded(loaded, request.declared, request.given, request.name)


def cast_loaded(loaded: Loaded, declared: Table, given: str, name: str = "", before: Sequence[Any] = ()) -> Loaded:
    """A load's rows as declared; `before` is what was seen of rows that stand before them."""
    loaded.found = loaded.schema
    loaded.casts = casts = casts_of(loaded.schema, declared, before)
    loaded.batches = declared_rows(loaded.schema, loaded.batches, casts, given, loaded.notes, name)
    loaded.schema = declared
    return loaded


def memory_context(name: str, given: str, loaded: Loaded, options: ReadingOptions = NO_OPTIONS) -> Context:
    """What was loaded as a context in memory, its rows numbered."""
    import pyarrow as pa

    rows = number_rows(pa.concat_tables(loaded.batches))
    return Context(name, loaded.format, given, loaded.schema, rows, tuple(loaded.sources), tuple(loaded.notes), options)


def number_rows(rows: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    return rows.add_column(0, ROW, pa.array(np.arange(rows.num_rows, dtype=np.int64)))


def choose_format(given: str, format: str | None, declared: Table | None) -> str:
    """The format said, or that of the ending; other text is lines, or whole if the program has `text` and no `line`."""
    if format is not None:
        return format
    if is_database(given) and (known := format_of_address(given)) is not None:
        return known.name
    text = text_format(declared)
    if not is_many(given):
        known = format_of_ending(Path(plain_name(file_and_table(given)[0])).suffix)
        return known.name if known is not None else text
    if declared is not None and {*declared.names} <= TEXT_COLUMNS[text] and declared.column("text") == TEXT:
        return text
    kinds = kinds_of(given)
    if len(kinds) > 1:
        raise mixed_kinds(given, kinds)
    return next(iter(kinds)) or text


def text_format(declared: Table | None) -> str:
    whole = declared is not None and declared.column("text") is not None and declared.column("line") is None
    return DOCUMENTS if whole else LINES


def kinds_of(given: str) -> Counter[str]:
    """How many files of each format there are, by their endings; text of any other ending is ''. Of names that begin
    with `_`, such as `_SUCCESS`, those of no known ending are marks that programs leave beside tables, and are not
    counted where there are any."""
    endings: Counter[str] = Counter()
    marks = 0
    for file in files_of(given):
        ending = ending_of(file.shown)
        mark = file.shown.rpartition("/")[2].startswith("_") and format_of_ending(ending) is None
        marks += mark
        endings[ending] += not mark
    kinds: Counter[str] = Counter()
    for ending, count in endings.items():
        known = format_of_ending(ending)
        kinds[known.name if known else ""] += count
    found = Counter({name: count for name, count in kinds.items() if count})
    return found or Counter({"": marks})


def mixed_kinds(given: str, kinds: Counter[str]) -> UserError:
    """That files are of several kinds, with how many there are of each and how to say which are meant."""
    ordered = sorted(kinds, key=lambda name: (not name, -kinds[name], name))
    listed = ", ".join(f"{kinds[name]:,} {name or 'other text'}" for name in ordered)
    name = ordered[0]
    ending = (*formats()[name].endings, "")[0]
    return UserError(
        f"{given} has files of several kinds: {listed}",
        f"say which: NAME:{name}={given} takes those, a glob such as '*{ending}' fewer; "
        f"NAME:{LINES}={given} reads all as lines of text",
    )


def as_declared(context: Context, declared: Table) -> Context:
    """The context with the declared columns, in their order (see declared_rows). Rows that lie in files stay as they
    are, and are read as declared; UserError names every column whose type does not fit."""
    if context.schema == declared:
        return context
    import pyarrow as pa

    if not isinstance(context.rows, pa.Table):
        return stored_as_declared(context, declared)

    notes: list[str] = []
    casts = casts_of(context.schema, declared)
    rows = [*declared_rows(context.schema, [context.rows], casts, context.given, notes, context.name)]
    made = pa.concat_tables(rows) if context.count else number_rows(no_rows(declared))
    return replace(context, schema=declared, rows=made, notes=(*context.notes, *notes))


def stored_as_declared(context: Context, declared: Table) -> Context:
    known = {*context.schema.names} >= {*declared.names} or is_nothing(context.schema)
    if known and not context.count:
        return replace(context, schema=declared, rows=number_rows(no_rows(declared)))
    wrong = [said for column in declared.columns if (said := misfit(context.schema, column))]
    if wrong:
        raise UserError(
            f"{context.given} is not as the program declares `{context.name}`: {'; '.join(wrong)}",
            f"the data: {context_line(context)}",
        )
    return replace(context, schema=declared)


def misfit(schema: Table, column: Field) -> str:
    """What is wrong with a column's type, or ''."""
    found = schema.column(column.name)
    if found is None:
        return f"there is no column `{column.name}`"
    if (column.type == TEXT and found == INT) or fits(found, column.type):
        return ""
    return f"`{column.name}` is {found} and not {column.type}"
