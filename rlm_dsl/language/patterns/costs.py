"""What it costs to look for a text or a pattern, and how many rows let themselves be passed over.

In: texts and pattern trees. Out: ways to look, each a condition with its cost and the share of rows that it lets pass.
Law: no data is looked at; costs are nanoseconds on a line of LINE bytes, as measured, in round numbers
(benchmarks/grep.py has the figures), and letters are as common as in texts at large.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from rlm_dsl.language.patterns.conditions import Condition, Every, Holds, Some
from rlm_dsl.language.patterns.tree import One, Place, Sequence, Tree, anchored

SHORTEST = 3
"""Characters that a text is not cut below to begin with a rarer letter."""
GAIN = 0.85
"""A way is taken if it costs at most this share of running the pattern alone."""

LINE = 100
CONTAINS, A_BYTE = 20.0, 0.45
ANCHORED = 6.0
RE2_ROW, RE2_BYTE, RE2_AHEAD = 100.0, 3.3, 0.3
"""What RE2 costs for a row, for a byte that it reads, and for one that it jumps over to the pattern's first letters."""
RAREST = 0.02
"""No text is taken to be in fewer rows than this share."""


def shares(letters: str, *each: float) -> dict[str, float]:
    return dict(zip(letters, each, strict=True))


COMMON = {
    **shares("etaoinsr", 0.085, 0.06, 0.055, 0.05, 0.05, 0.05, 0.05, 0.05),
    **shares("hlducmpfgy", 0.025, 0.03, 0.03, 0.025, 0.025, 0.02, 0.02, 0.015, 0.015, 0.01),
    **shares("wbvkxjqz", 0.01, 0.01, 0.008, 0.006, 0.003, 0.002, 0.001, 0.001),
    **dict.fromkeys("345678", 0.018),
    **dict.fromkeys("0129", 0.025),
    **dict.fromkeys(".:-", 0.02),
    **dict.fromkeys("=,/", 0.014),
    **dict.fromkeys("_[]\"'", 0.008),
    **dict.fromkeys("ACDEINORST()", 0.004),
    **shares(" @", 0.13, 0.0005),
}
"""How common characters are in texts and logs at large, roughly; others are RARE."""
RARE = 0.002


def share(c: str) -> float:
    return COMMON.get(c, RARE)


def passed(text: str, at: str = "anywhere") -> float:
    """The share of rows that hold a text, as a guess: letters that go together are likelier than each by itself, and
    the name of a field (`user=`) may stand in every row."""
    if "=" in text:
        at, text = "field", text.rpartition("=")[2]
    if at == "anywhere":
        return max(RAREST, min(1.0, LINE * share(text[0]) * math.prod(math.sqrt(share(c)) for c in text[1:])))
    return max(RAREST, math.prod(math.sqrt(share(c)) for c in text))


@cache
def looked_through(first: str) -> float:
    """The share of a line that is gone through byte by byte: what stands behind the first place of its first letter."""
    often = LINE * share(first)
    return 1 - (1 - math.exp(-often)) / often


@dataclass(frozen=True, slots=True)
class Way:
    """A condition with what it costs and the share of rows that it lets pass."""

    condition: Condition
    cost: float
    passed: float
    rewrites: tuple[str, ...] = ()


@lru_cache(10_000)
def held(text: str, at: str = "anywhere") -> Way:
    if at != "anywhere":
        return Way(Holds(text, at), ANCHORED, passed(text, at))
    return Way(Holds(text), CONTAINS + A_BYTE * LINE * looked_through(text[0]), passed(text))


def one_of(ways: Iterable[Way]) -> Way:
    """Any of several: each is tried on the rows that those before it did not take."""
    ordered = sorted(ways, key=lambda way: way.cost)
    if len(ordered) == 1:
        return ordered[0]
    cost, left = 0.0, 1.0
    for way in ordered:
        cost += left * way.cost
        left *= 1 - way.passed
    return Way(Some(tuple(way.condition for way in ordered)), cost, 1 - left)


def all_of(ways: Iterable[Way]) -> Way:
    """All of several, in this order."""
    parts: list[Condition] = []
    cost, left = 0.0, 1.0
    for way in ways:
        parts += way.condition.parts if isinstance(way.condition, Every) else [way.condition]
        cost += left * way.cost
        left *= way.passed
    return Way(Every(tuple(parts)), cost, left) if len(parts) > 1 else Way(parts[0], cost, left)


@lru_cache(10_000)
def rarest_end(text: str) -> str:
    """The end of a text that is cheapest to look for: it begins with a rare letter."""
    ends = [text[at:] for at in range(max(1, len(text) - SHORTEST + 1))]
    again = held(text).cost
    return min(ends, key=lambda end: held(end).cost + held(end).passed * again)


def exactly(text: str) -> Way:
    """A text looked for by an end of it first, where the text itself begins with a common letter."""
    plain = held(text)
    end = rarest_end(text)
    if end == text:
        return plain
    both = all_of([held(end), plain])
    return both if both.cost < GAIN * plain.cost else plain


def running_cost(tree: Tree) -> float:
    """What RE2 costs: it stops at once where the pattern is held to an end, and jumps to a letter that comes first."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    if anchored(parts, "begin") or anchored(parts, "end"):
        return RE2_ROW
    first = parts[0] if parts else Place("edge")
    if isinstance(first, One) and first.chars is not None and (first.folded or len(first.chars) == 1):
        letter = min(first.chars, key=share)
        return RE2_ROW + RE2_AHEAD * LINE * looked_through(letter)
    return RE2_ROW + RE2_BYTE * LINE
