"""The evidence of an answer: the first places that each part rests on, and how many there are.

In: evidence. Out: text. Law: parts that rest on the same places tell them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlm_dsl.common.counted import counted
from rlm_dsl.explore.view import cut

if TYPE_CHECKING:
    from rlm_dsl.engine.evidence import Evidence

EVIDENCE_SHOWN = 6
"""Places of a part that are shown."""


def evidence_text(evidence: Sequence[Evidence]) -> str:
    """The first places that each part of the answer rests on, and how many there are."""
    lines = []
    before: dict[tuple[object, ...], str] = {}
    for one in evidence:
        part = ".".join(one.path)
        label = f" of {part}" if part else ""
        if (same := before.setdefault(one.spans, part)) != part:
            lines.append(f"\nevidence{label}: {same_places(one.count)} of {same}")
            continue
        lines.append(f"\nevidence{label}: {places_words(one.count, len(one.spans))}")
        for span in one.spans[:EVIDENCE_SHOWN]:
            text = cut(" ".join(span.text.split()), 90)
            lines.append(f"  {place(span.source, span.first_line, span.last_line)}  {text}".rstrip())
        if one.count > EVIDENCE_SHOWN:
            lines.append(f"  ... {one.count - min(len(one.spans), EVIDENCE_SHOWN):,} more")
        for quoted in one.quotes[:EVIDENCE_SHOWN]:
            where = place(quoted.span.source, quoted.span.first_line, quoted.span.last_line)
            part_of = f" bytes {quoted.span.start}-{quoted.span.end}" if quoted.exact else ", spelled otherwise there"
            lines.append(f"  quote {quoted.at} of row {quoted.row}: {where}{part_of}")
    return "\n".join(line.replace("\n\n", "\n") if not line.startswith("\n") else line for line in lines) + "\n"


def same_places(count: int) -> str:
    return "the place" if count == 1 else f"the {counted(count, 'place')}"


def places_words(count: int, stored: int) -> str:
    """How many places there are, and how many of them are stored where that is not all."""
    if stored < count:
        return f"{stored:,} of {counted(count, 'place')} stored"
    return counted(count, "place")


def place(source: str, first: int, last: int) -> str:
    return f"{source}:{first}" if first == last else f"{source}:{first}-{last}"
