"""A part of an answer as a page shows it: a value, or columns and rows.

In: a part of an answer, the evidence that the page has. Out: texts with links to it. Law: a page stays small however
many rows there are, and says how many it left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.report.evidence_view import evidence_id
from rlm_dsl.report.values import as_text, cell
from rlm_dsl.review.corrected import Corrected
from rlm_dsl.review.estimates.estimate import Estimate
from rlm_dsl.review.reviewed import Reviewed, beside, short

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
    told: tuple[str, ...] = ()
    """What reviewed rows say of a value, or of its fields."""
    reviewed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What they say of each row's number, by column; empty where they say nothing."""


def part_view(part: Mapping[str, Any], known: set[str], reviews: Reviewed | None = None) -> PartView:
    path = tuple(part["part"])
    own = evidence_id(path)
    name, linked = ".".join(path), own if own in known else ""
    if "columns" not in part:
        return PartView(name, part["type"], as_text(part["value"]), linked, told=told_of(path, reviews))
    rows = tuple(
        (link if (link := evidence_id(path, n)) in known else linked, tuple(map(cell, row)))
        for n, row in enumerate(part["value"][:ROWS], 1)
    )
    columns, more = tuple(part["columns"]), max(0, len(part["value"]) - ROWS)
    return PartView(name, part["type"], "", linked, columns, rows, more, reviewed=by_column(part, reviews))


def told_of(path: tuple[str, ...], reviews: Reviewed | None) -> tuple[str, ...]:
    """What reviews say of a value; of a record's fields each by its name."""
    if reviews is None or not reviews.known:
        return ()
    held = [each for each in reviews.numbers if each.part[: len(path)] == path and short(each.estimate)]
    return tuple(f"{'.'.join(each.part[len(path) :])} {beside(each.estimate)}".strip() for each in held)


def by_column(part: Mapping[str, Any], reviews: Reviewed | None) -> dict[str, tuple[str, ...]]:
    """Of a table's rows what reviews say of each, by column; columns of which they say nothing are left out."""
    numbers = reviews.of(part["part"]) if reviews is not None and reviews.known else ()
    found: dict[str, tuple[str, ...]] = {}
    for column in dict.fromkeys(each.column for each in numbers if short(each.estimate)):
        own = estimates_of(part, numbers, column)
        found[column] = tuple("" if each is None else short(each) for each in own[:ROWS])
    return found


def estimates_of(part: Mapping[str, Any], numbers: Sequence[Corrected], column: str) -> list[Estimate | None]:
    """The estimate of one column's number in each row of a table, by the row's group."""
    keys = next((tuple(each.group) for each in numbers if each.column == column), ())
    own = {by_text(each.group.values()): each.estimate for each in numbers if each.column == column}
    places = [part["columns"].index(key) for key in keys if key in part["columns"]]
    return [own.get(by_text(row[place] for place in places)) for row in part["value"]]


def by_text(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))
