"""Where an answer comes from, told: each part or row with its places and their text.

In: citations. Out: text. Law: a place that is not as it was recorded is marked and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rlm_dsl.cli.output import indent
from rlm_dsl.cli.render.evidence import place
from rlm_dsl.common.counted import counted
from rlm_dsl.engine.evidence import Span
from rlm_dsl.explore.view import cut
from rlm_dsl.replay.cite import Citation, Cited

SHOWN = 6
"""Places of a part that are shown unless all are asked for."""
VALUE, TEXT = 200, 400
"""Characters of a value, and of a place's text, that are shown."""
MARKS = {True: "✓", False: "✗", None: "-"}


def citations_text(citations: Sequence[Citation]) -> str:
    lines = [line for citation in citations for line in citation_lines(citation)]
    by_hand = dict.fromkeys(told for citation in citations for told in citation.corrected)
    return "\n".join([*lines, *by_hand, *verdict(citations)])


def citation_lines(citation: Citation) -> Iterator[str]:
    """A part with its value, then its places, then its quotes'."""
    value = cut(json.dumps(citation.value, ensure_ascii=False), VALUE)
    yield f"{citation.name or 'answer'} = {value}"
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
