"""Evidence: from an answer to the places in the sources that it rests on.

In: a plan's leaf, the warehouse, the contexts. Out: spans with source, lines, bytes and digest.
Law: a span's digest is that of the very bytes; counts are of all evidence, however few spans are listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.context.files.spans import feeds_between, read_spans
from rlm_dsl.context.files.text import shown_text
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.context_rows import CONTEXT_BITS
from rlm_dsl.engine.warehouse.origins import count_origins, find_origins, find_places
from rlm_dsl.language.answer_schema import quotes
from rlm_dsl.language.operators.core.relation import SOURCE_BITS, Relation
from rlm_dsl.language.types import ListOf, Record, Scalar, Table, Type, bare
from rlm_dsl.plan.stages import Leaf

LISTED = 100
"""How many spans of evidence an answer lists; the count beside them is of all."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a source: lines from 1, bytes half-open. Sources without a byte order, such as Parquet and PDF, have
    the number of the row or page for lines, no bytes, and the row's `text` for the bytes' text."""

    context: str
    source: str
    first_line: int
    last_line: int
    start: int | None
    end: int | None
    sha256: str | None
    text: str

    def as_json(self) -> dict[str, Any]:
        """Everything but the text, which the source has."""
        place: dict[str, Any] = {
            "context": self.context,
            "source": self.source,
            "lines": [self.first_line, self.last_line],
        }
        if self.start is not None:
            place |= {"bytes": [self.start, self.end], "sha256": self.sha256}
        return place


@dataclass(frozen=True, slots=True)
class Quoted:
    """Where a quote of an answer stands: in which row of the part (from 1), under which name, and the very bytes; where
    the source spells it otherwise (as JSON or CSV does), the bytes of the row that holds it, and `exact` is false."""

    row: int
    at: str
    exact: bool
    span: Span

    def as_json(self) -> dict[str, Any]:
        return {"row": self.row, "at": self.at, "exact": self.exact, **self.span.as_json()}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one part of an answer rests on, and where its quotes stand."""

    path: tuple[str, ...]
    count: int
    spans: tuple[Span, ...]
    quotes: tuple[Quoted, ...] = ()

    def as_json(self) -> dict[str, Any]:
        found = {"part": list(self.path), "count": self.count, "spans": [span.as_json() for span in self.spans]}
        return found | ({"quotes": [quoted.as_json() for quoted in self.quotes]} if self.quotes else {})


def evidence(
    leaf: Leaf, warehouse: Warehouse, contexts: Mapping[str, Context], relation: Relation | None, listed: int = LISTED
) -> Evidence:
    """The places that a leaf's value comes from: each once, in the sources' order, at most `listed` in full. `relation`
    is the leaf's own table, None for a value."""
    found: dict[tuple[int, int | None, int | None], None] = {}
    count = 0
    for relation in leaf.evidence:
        count += count_origins(warehouse, relation, leaf.chosen)
        found |= dict.fromkeys(find_origins(warehouse, relation, leaf.chosen, listed))
    places = spans(sorted(found, key=repr_key)[:listed], warehouse, contexts)
    return Evidence(leaf.path, count, tuple(places), tuple(quote_spans(leaf, warehouse, contexts, relation, listed)))


Origin = tuple[int, int | None, int | None]
"""A context row's id, and the bytes of it that are meant."""


def quote_spans(
    leaf: Leaf, warehouse: Warehouse, contexts: Mapping[str, Context], relation: Relation | None, listed: int
) -> list[Quoted]:
    """Where the quotes of a leaf's first rows stand, each at its first place."""
    wanted = [
        (number, at, quote, origins)
        for number, values, origins in leaf_rows(leaf, warehouse, relation, listed)
        for name, type_, value in values
        for at, quote in quotes(value, type_, name)
    ][:listed]
    sources = {origin: bytes_of(origin, contexts) for *_, origins in wanted for origin in origins}
    found: list[tuple[int, str, bool, Origin]] = []
    for number, at, quote, origins in wanted:
        exact = first_place(quote, origins, sources)
        if exact is not None or origins:
            found.append((number, at, exact is not None, exact or origins[0]))
    places = spans([origin for *_, origin in found], warehouse, contexts)
    return [Quoted(number, at, exact, span) for (number, at, exact, _), span in zip(found, places, strict=True)]


def first_place(quote: str, origins: Sequence[Origin], sources: Mapping[Origin, tuple[bytes, str]]) -> Origin | None:
    """The first bytes of the places that are the quote, if any are."""
    for origin in origins:
        row, start, _ = origin
        held, encoding = sources[origin]
        text = encoded(quote, encoding)
        if start is not None and text is not None and (at := held.find(text)) >= 0:
            return row, start + at, start + at + len(text)
    return None


def encoded(quote: str, encoding: str) -> bytes | None:
    """A quote as a source has it; None where its encoding has no such characters."""
    try:
        return quote.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "strict")
    except UnicodeEncodeError:
        return None


def leaf_rows(
    leaf: Leaf, warehouse: Warehouse, relation: Relation | None, listed: int
) -> Iterator[tuple[int, list[tuple[str, Type, Any]], list[Origin]]]:
    """A leaf's rows, as far as they may hold quotes: number, values with name and type, and the context rows behind."""
    if relation is None or not isinstance(leaf.type, Table):
        if holds_quote(leaf.type):
            origins = [
                origin for held in leaf.evidence for origin in find_origins(warehouse, held, leaf.chosen, listed)
            ]
            yield 1, [("answer", leaf.type, warehouse.value(leaf.table))], list(origins)
        return
    columns = leaf.type.columns
    if not any(holds_quote(column.type) for column in columns):
        return
    for number, row in enumerate(warehouse.table(relation, listed, hidden=True), 1):
        values = [(column.name, column.type, value) for column, value in zip(columns, row, strict=False)]
        hidden = row[len(columns) + 1 :]
        united = [(p["row"], p["lo"], p["hi"]) for p in hidden[0]] if relation.united else [tuple(hidden)]
        yield number, values, [origin for origin in united if origin[0] is not None]


def holds_quote(type_: Type) -> bool:
    match bare(type_):
        case Scalar("quote"):
            return True
        case ListOf(of):
            return holds_quote(of)
        case Record(fields):
            return any(holds_quote(field.type) for field in fields)
        case _:
            return False


def bytes_of(origin: Origin, contexts: Mapping[str, Context]) -> tuple[bytes, str]:
    """The source's bytes of a place, none where the source has no byte order; and its encoding."""
    row, start, end = origin
    source = source_of(list(contexts.values())[row >> CONTEXT_BITS], row)
    if start is None or end is None:
        return b"", source.encoding
    return read_spans(source, {(start, end)})[start, end], source.encoding


def repr_key(origin: tuple[int, int | None, int | None]) -> tuple[int, int, int]:
    row, start, end = origin
    return row, start or 0, end or 0


def spans(
    origins: Sequence[tuple[int, int | None, int | None]], warehouse: Warehouse, contexts: Mapping[str, Context]
) -> list[Span]:
    """The places of rows' bytes; lines are counted in the source itself where the bytes were narrowed."""
    held = list(contexts.values())
    rows = find_places(warehouse, {row for row, _, _ in origins})
    wanted: dict[SourceFile, set[tuple[int, int]]] = {}
    before: dict[SourceFile, set[tuple[int, int]]] = {}
    for row, start, end in origins:
        if start is not None and end is not None:
            source = source_of(held[row >> CONTEXT_BITS], row)
            wanted.setdefault(source, set()).add((start, end))
            before.setdefault(source, set()).add((rows[row][1] or 0, start))
    read = {source: read_spans(source, parts) for source, parts in wanted.items()}
    feeds = {source: feeds_between(source, parts) for source, parts in before.items()}
    return [span(held[row >> CONTEXT_BITS], row, start, end, rows[row], read, feeds) for row, start, end in origins]


def source_of(context: Context, row: int) -> SourceFile:
    return context.sources[(row >> SOURCE_BITS) & ((1 << (CONTEXT_BITS - SOURCE_BITS)) - 1)]


def span(
    context: Context,
    row: int,
    start: int | None,
    end: int | None,
    place: tuple[int, int | None, str],
    read: Mapping[SourceFile, Mapping[tuple[int, int], bytes]],
    feeds: Mapping[SourceFile, Mapping[tuple[int, int], int]],
) -> Span:
    """One place; `place` is the row's first line, first byte and, where it has none, its text."""
    source = source_of(context, row)
    line, own, text = place
    if start is None or end is None or own is None:
        return Span(context.name, source.name, line, line, None, None, None, text)
    held = read[source][start, end]
    first = line + feeds[source][own, start]
    shown = shown_text(held, source)
    last = first + shown.rstrip("\n").count("\n")
    digest = hashlib.sha256(held).hexdigest()
    return Span(context.name, source.name, first, last, start, end, digest, shown)
