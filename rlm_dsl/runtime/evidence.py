"""Evidence: from an answer to the places in the sources that it rests on.

In: a plan's leaf, the warehouse, the contexts. Out: spans with source, lines, bytes and digest.
Law: a span's digest is that of the very bytes; counts are of all evidence, however few spans are listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.context.reading import feeds_between, read_spans
from rlm_dsl.operators.operator import SOURCE_BITS
from rlm_dsl.plan.stages import Leaf
from rlm_dsl.runtime.warehouse import CONTEXT_BITS, Warehouse

LISTED = 100
"""How many spans of evidence an answer lists; the count beside them is of all."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a source: lines from 1, bytes half-open (None for sources without a byte order, such as Parquet)."""

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
class Evidence:
    """What one part of an answer rests on."""

    path: tuple[str, ...]
    count: int
    spans: tuple[Span, ...]

    def as_json(self) -> dict[str, Any]:
        return {"part": list(self.path), "count": self.count, "spans": [span.as_json() for span in self.spans]}


def evidence(leaf: Leaf, warehouse: Warehouse, contexts: Mapping[str, Context], listed: int = LISTED) -> Evidence:
    """The places that a leaf's value comes from: each once, in the sources' order, at most `listed` in full."""
    found: dict[tuple[int, int | None, int | None], None] = {}
    count = 0
    for relation in leaf.evidence:
        count += warehouse.origin_count(relation, leaf.chosen)
        found |= dict.fromkeys(warehouse.origins(relation, leaf.chosen, listed))
    return Evidence(leaf.path, count, tuple(spans(sorted(found, key=repr_key)[:listed], warehouse, contexts)))


def repr_key(origin: tuple[int, int | None, int | None]) -> tuple[int, int, int]:
    row, start, end = origin
    return row, start or 0, end or 0


def spans(
    origins: Sequence[tuple[int, int | None, int | None]], warehouse: Warehouse, contexts: Mapping[str, Context]
) -> list[Span]:
    """The places of rows' bytes; lines are counted in the source itself where the bytes were narrowed."""
    held = list(contexts.values())
    rows = warehouse.places({row for row, _, _ in origins})
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
    place: tuple[int, int | None],
    read: Mapping[SourceFile, Mapping[tuple[int, int], bytes]],
    feeds: Mapping[SourceFile, Mapping[tuple[int, int], int]],
) -> Span:
    """One place; `place` is the row's first line and first byte."""
    source = source_of(context, row)
    line, own = place
    if start is None or end is None or own is None:
        return Span(context.name, source.path, line, line, None, None, None, "")
    held = read[source][start, end]
    first = line + feeds[source][own, start]
    last = first + held.rstrip(b"\n").count(b"\n")
    digest = hashlib.sha256(held).hexdigest()
    return Span(context.name, source.path, first, last, start, end, digest, held.decode("utf-8", "replace"))
