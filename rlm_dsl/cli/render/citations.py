"""Where an answer comes from, told: each part or row with its places and their text.

In: citations. Out: text. Law: a place that is not as it was recorded is marked and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rlm_dsl.cli.output import indent
from rlm_dsl.cli.render.evidence import place
from rlm_dsl.common.counted import counted
from rlm_dsl.engine.evidence import Span
from rlm_dsl.explore.view import cut
from rlm_dsl.replay.cite import Citation, Cited
from rlm_dsl.review.corrected import Corrected
from rlm_dsl.review.reviewed import LINES, Reviewed, name_of

SHOWN = 6
"""Places of a part that are shown unless all are asked for."""
VALUE, TEXT = 200, 400
"""Characters of a value, and of a place's text, that are shown."""
MARKS = {True: "✓", False: "✗", None: "-"}


def citations_text(citations: Sequence[Citation], reviews: Reviewed | None = None) -> str:
    lines = [line for citation in citations for line in citation_lines(citation, reviews)]
    by_hand = dict.fromkeys(told for citation in citations for told in citation.corrected)
    notes = [] if reviews is None else reviews.lines() if not reviews.steps else reviews.notes
    return "\n".join([*lines, *by_hand, *notes, *verdict(citations)])


def numbers_of(citation: Citation, reviews: Reviewed | None) -> list[Corrected]:
    """What reviews say of the numbers of a part, or of one of its rows."""
    if reviews is None:
        return []
    own = [each for each in reviews.numbers if each.part[: len(citation.path)] == citation.path]
    if citation.row is None:
        return own
    values = citation.value.values() if isinstance(citation.value, dict) else citation.value
    row = list(map(str, values)) if isinstance(values, Iterable) else []
    return [each for each in own if each.group and all(str(value) in row for value in each.group.values())]


def cited_json(citation: Citation, reviews: Reviewed) -> dict[str, Any]:
    """A citation for programs, with what reviews say of its numbers."""
    told = [each.as_json() for each in numbers_of(citation, reviews)]
    return {**citation.as_json(), **({"reviews": told} if told else {})}


def citation_lines(citation: Citation, reviews: Reviewed | None = None) -> Iterator[str]:
    """A part with its value and what reviews say of it, then its places, then its quotes'."""
    value = cut(json.dumps(citation.value, ensure_ascii=False), VALUE)
    yield f"{citation.name or 'answer'} = {value}"
    told = [f"  {name_of(each)}: {each.told()}" for each in numbers_of(citation, reviews) if each.estimate.known]
    yield from told[:LINES]
    if len(told) > LINES:
        yield f"  ... {counted(len(told) - LINES, 'more number')}: --json has all"
    yield f"rests on {counted(citation.count, 'place')}"
    for cited in citation.places:
        yield from place_lines(cited)
    if citation.count > len(citation.places):
        yield f"  ... {citation.count - len(citation.places):,} more: cite --all"
    for at, cited in citation.quotes:
        yield f"  quote {at}"
        yield from place_lines(cited)
    yield ""


def place_lines(cited: Cited) -> Iterator[str]:
    problem = f"  {cited.problem}" if cited.problem else ""
    yield f"{MARKS[cited.holds]} {whole_place(cited.span)}{problem}"
    if cited.span.text:
        yield indent(cut(cited.span.text.rstrip("\n"), TEXT), "    ")


def whole_place(span: Span) -> str:
    """Source, lines, bytes, digest."""
    where = place(span.source, span.first_line, span.last_line)
    held = "" if span.start is None else f"  bytes {span.start}-{span.end}"
    return where + held + (f"  sha256 {span.sha256[:16]}" if span.sha256 else "")


def verdict(citations: Sequence[Citation]) -> list[str]:
    places = [p for citation in citations for p in (*citation.places, *(quote for _, quote in citation.quotes))]
    bad, unsure = (sum(place.holds is known for place in places) for known in (False, None))
    if bad:
        how = "place is NOT as it was" if len(places) == 1 else "places are NOT as they were"
        return [f"{bad:,} of {len(places):,} {how} recorded"]
    rest = f"; {unsure:,} have no bytes of their own, and their file is as it was" if unsure else ""
    return [f"{counted(len(places), 'place')} read from the sources, all as recorded{rest}"]
