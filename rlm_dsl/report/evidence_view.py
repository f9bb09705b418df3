"""The places behind an answer as a page shows them.

In: citations, what the program looks for. Out: places with their texts, marked. Law: a page stays small however much
evidence there is; a place whose bytes are not the recorded ones says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.replay.cite import Citation, Cited
from rlm_dsl.report.highlight import Piece, highlight
from rlm_dsl.report.values import LONGEST, as_text, cell


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source with its text in pieces; `problem` where its bytes are not the recorded ones."""

    source: str
    lines: str
    bytes: str
    pieces: tuple[Piece, ...]
    cut: int
    problem: str


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The places behind a part of the answer or a row of it; `id` is where it stands on the page."""

    id: str
    name: str
    value: str
    count: int
    places: tuple[Place, ...]
    quotes: tuple[tuple[str, Place], ...]


def evidence_id(path: Sequence[str], row: int | None = None) -> str:
    name = "-".join(re.sub(r"\W", "_", each) for each in path) or "answer"
    return f"e-{name}" + ("" if row is None else f"-{row}")


def evidence_view(citation: Citation, patterns: Sequence[Any], budget: list[int]) -> EvidenceView:
    places = []
    for cited in citation.places:
        if budget[0] <= 0:
            break
        places.append(place_view(cited, patterns))
        budget[0] -= sum(len(piece) for piece, _ in places[-1].pieces)
    return EvidenceView(
        evidence_id(citation.path, citation.row),
        citation.name or "the answer",
        as_text(citation.value) if citation.row is None else ", ".join(map(cell, citation.value)),
        citation.count,
        tuple(places),
        tuple((at, place_view(each, patterns)) for at, each in citation.quotes),
    )


def place_view(cited: Cited, patterns: Sequence[Any]) -> Place:
    span = cited.span
    lines = (
        f"line {span.first_line:,}"
        if span.first_line == span.last_line
        else f"lines {span.first_line:,}-{span.last_line:,}"
    )
    place = "" if span.start is None or span.end is None else f"bytes {span.start:,}-{span.end:,}"
    text = span.text[:LONGEST].rstrip("\r\n")
    return Place(
        span.source, lines, place, tuple(highlight(text, patterns)), max(0, len(span.text) - LONGEST), cited.problem
    )


def is_cut(each: EvidenceView) -> bool:
    return each.count > len(each.places) and not re.search(r"-\d+$", each.id)
