"""A part of an answer as a page shows it: a value, or columns and rows.

In: a part of an answer, the evidence that the page has. Out: texts with links to it. Law: a page stays small however
many rows there are, and says how many it left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.report.evidence_view import evidence_id
from rlm_dsl.report.values import as_text, cell

ROWS = 1_000


@dataclass(frozen=True, slots=True)
class PartView:
    """A part of the answer: a value, or columns and rows, each with the id of its evidence."""

    name: str
    type: str
    value: str
    evidence: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    more: int = 0


def part_view(part: Mapping[str, Any], known: set[str]) -> PartView:
    path = tuple(part["part"])
    own = evidence_id(path)
    name, linked = ".".join(path), own if own in known else ""
    if "columns" not in part:
        return PartView(name, part["type"], as_text(part["value"]), linked)
    rows = tuple(
        (link if (link := evidence_id(path, n)) in known else linked, tuple(map(cell, row)))
        for n, row in enumerate(part["value"][:ROWS], 1)
    )
    return PartView(name, part["type"], "", linked, tuple(part["columns"]), rows, max(0, len(part["value"]) - ROWS))
