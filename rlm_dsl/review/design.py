"""Draws: which rows a person looks at, with known probabilities, so that what they find holds for all rows.

In: rows' digests and strata, a seed. Out: an order of rows in each stratum, and how many of each are asked next. Law:
a row's place in its stratum follows from the seed and its own content alone (a permanent random number; Ohlsson, 1995):
not from the order of rows, nor from what was reviewed; the first rows of a stratum are at any time a simple random
sample of it, so that asking for more later changes nothing of what was drawn.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from rlm_dsl.common.diagnostics import UserError

SIMPLE, ANSWER, DOUBT = "simple", "answer", "doubt"
LEAST = 4
"""Rows of each stratum that are asked before all others."""


@dataclass(frozen=True, slots=True)
class Design:
    """How rows are drawn. `by` is `simple`, `answer`, `doubt`, or the name of a column; rows of each stratum are drawn
    by permanent random numbers of the seed."""

    by: str = SIMPLE
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"by": self.by, "seed": self.seed}


def random_number(seed: int, digest: str, copy: int) -> int:
    """A row's permanent random number: of 64 bits, the same wherever the row stands."""
    told = f"draw-v1\0{seed}\0{digest}\0{copy}".encode()
    return int.from_bytes(hashlib.sha256(told).digest()[:8], "big")


def copies(digests: Sequence[str], contents: Sequence[str]) -> list[int]:
    """For each row how many that show the same come before it, by all that the rows hold and not by where they stand:
    rows that show the same are drawn one by one."""
    seen: Counter[str] = Counter()
    held = Counter(digests)
    alike = [row for row, digest in enumerate(digests) if held[digest] > 1]
    found = [0] * len(digests)
    for row in sorted(alike, key=lambda row: contents[row]):
        found[row] = seen[digests[row]]
        seen[digests[row]] += 1
    return found


@dataclass(frozen=True)
class Draw:
    """The order of rows in each stratum, and how large it is; the strata in the order of their names."""

    design: Design
    strata: Mapping[str, tuple[int, ...]]

    @property
    def rows(self) -> int:
        return sum(map(len, self.strata.values()))

    def sizes(self, count: int) -> dict[str, int]:
        """How many rows of each stratum are drawn where `count` are in all: some of each first, then by the square
        root of how many there are, which tells of small strata too; never fewer for a larger count."""
        found = dict.fromkeys(self.strata, 0)
        for name in self.order(count):
            found[name] += 1
        return found

    def order(self, count: int) -> list[str]:
        """The stratum of each row that is drawn, first to last: where the next one is worth most."""
        sizes = {name: len(rows) for name, rows in self.strata.items()}
        if len(sizes) == 1:
            return list(sizes)[:1] * min(count, self.rows)
        queue = [(rank(0, size), name) for name, size in sizes.items() if size]
        heapq.heapify(queue)
        taken: Counter[str] = Counter()
        found: list[str] = []
        while queue and len(found) < count:
            _, name = heapq.heappop(queue)
            found.append(name)
            taken[name] += 1
            if taken[name] < sizes[name]:
                heapq.heappush(queue, (rank(taken[name], sizes[name]), name))
        return found

    def first(self, count: int) -> list[tuple[str, int]]:
        """The rows that are asked, in their order: the stratum and the row of each."""
        taken: Counter[str] = Counter()
        found = []
        for name in self.order(count):
            found.append((name, self.strata[name][taken[name]]))
            taken[name] += 1
        return found

    def sampled(self, reviewed: Sequence[bool] | Any, drawn: Sequence[bool] | Any) -> dict[str, tuple[int, ...]]:
        """Of each stratum the rows that were drawn and reviewed without a gap: a simple random sample of it. Rows that
        were reviewed for another reason count in it where the draw has come past them, and do not lengthen it."""
        found = {}
        for name, rows in self.strata.items():
            last = 0
            for place, row in enumerate(rows, 1):
                if not reviewed[row]:
                    break
                last = place if drawn[row] else last
            found[name] = rows[:last]
        return found


def rank(taken: int, size: int) -> tuple[int, float]:
    """Strata of which few rows were taken first, then those that have most rows by row taken."""
    return (0, taken) if taken < LEAST else (1, taken / sqrt(size))


def draw(design: Design, digests: Sequence[str], strata: Sequence[str], contents: Sequence[str] = ()) -> Draw:
    """Every row in its stratum, by its permanent random number. `digests` are of what rows show, `contents` of all they
    hold."""
    held: dict[str, list[tuple[int, int]]] = {}
    for row, (digest, copy, stratum) in enumerate(
        zip(digests, copies(digests, contents or digests), strata, strict=True)
    ):
        held.setdefault(stratum, []).append((random_number(design.seed, digest, copy), row))
    return Draw(design, {name: tuple(row for _, row in sorted(held[name])) for name in sorted(held)})


def require_known(by: str, columns: Sequence[str]) -> None:
    if by not in (SIMPLE, ANSWER, DOUBT, *columns):
        known = ", ".join((SIMPLE, ANSWER, DOUBT, *columns))
        raise UserError(f"rows cannot be drawn by {by!r}", f"draw them by one of: {known}", code="name")
