"""Evidence: from an answer to the places in the sources that it rests on.

In: a plan's leaf, the warehouse, the contexts. Out: spans with source, lines, bytes and digest.
Law: a span's digest is that of the very bytes; counts are of all evidence, however few spans are listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.context import Context
from rlm_dsl.context.reading import read_span
from rlm_dsl.operators.operator import SOURCE_BITS
from rlm_dsl.plan.stages import Leaf
from rlm_dsl.runtime.warehouse import CONTEXT_BITS, Warehouse
from rlm_dsl.types import TEXT

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
    return Evidence(leaf.path, count, tuple(spans(sorted(found, key=repr_key)[:listed], contexts)))


def repr_key(origin: tuple[int, int | None, int | None]) -> tuple[int, int, int]:
    row, start, end = origin
    return row, start or 0, end or 0


def spans(origins: Sequence[tuple[int, int | None, int | None]], contexts: Mapping[str, Context]) -> list[Span]:
    held = list(contexts.values())
    return [span(held[row >> CONTEXT_BITS], row, start, end) for row, start, end in origins]


def span(context: Context, row: int, start: int | None, end: int | None) -> Span:
    """The place of a row's bytes; the lines are counted in the source itself where the bytes were narrowed."""
    source = context.sources[(row >> SOURCE_BITS) & ((1 << (CONTEXT_BITS - SOURCE_BITS)) - 1)]
    index = (row & ((1 << SOURCE_BITS) - 1)) - context.rows["#row"][0].as_py()
    line = context.rows["#line"][index].as_py()
    if start is None or end is None:
        shown = context.rows["text"][index].as_py() if context.schema.column("text") == TEXT else ""
        return Span(context.name, source.path, line, line, None, None, None, shown)
    own = context.rows["#lo"][index].as_py()
    before = read_span(context, source.index, own, start) if start > own else b""
    held = read_span(context, source.index, start, end)
    first = line + before.count(b"\n")
    last = first + held.rstrip(b"\n").count(b"\n")
    digest = hashlib.sha256(held).hexdigest()
    return Span(context.name, source.path, first, last, start, end, digest, held.decode("utf-8", "replace"))
