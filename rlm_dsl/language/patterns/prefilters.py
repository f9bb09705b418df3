"""Patterns made cheaper to look for: plain texts in their place, and texts that every match holds looked for first.

In: a valid RE2 pattern. Out: a condition on a text. Law: the condition holds for exactly the texts that the pattern
matches in; what is not understood here is left as it is.

The engine looks for a plain text in about 0.4 ns a byte where RE2 takes 4, and RE2 has a cost of its own for every row
(benchmarks/grep.py has the figures). Which way is cheapest is chosen by what each is expected to cost on a line of 100
bytes, from how common its first letters are in texts at large: no data is looked at, so that plans stay the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations
from typing import TypeAlias

from rlm_dsl.language.patterns.tree import Choice, Many, One, Place, Sequence, Tree, Unclear, places, tree_of
from rlm_dsl.language.sql import Sql, bound, joined, sql

MOST_TEXTS = 24
"""Texts that stand for one another at most; a set that grows past them is cut."""
LONGEST = 64
"""Characters of a text that is put together at most."""
SHORTEST = 3
"""Characters that a text is not cut below to begin with a rarer letter."""
PASSING = 0.3
"""A filter that is expected to let more of the rows pass is none: the guess is too rough for it."""
FILTERS = 8
"""Filters that are thought about."""
GAIN = 0.85
"""A way is taken if it costs at most this share of running the pattern alone."""
FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")
IDLE_HEAD = re.compile(r"(?:\.\*\??)+")
IDLE_TAIL = re.compile(r"(?<!\\)(?:\\\\)*(?P<idle>(?:\.\*\??)+)\Z")


# Conditions


@dataclass(frozen=True, slots=True)
class Holds:
    """The text holds another: anywhere, or `at` its begin, its end, or as the whole."""

    text: str
    at: str = "anywhere"


@dataclass(frozen=True, slots=True)
class Matches:
    """The pattern matches."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Condition, ...]


Condition: TypeAlias = Holds | Matches | Every | Some


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a pattern is looked for, and what was done, in words."""

    condition: Condition
    told: tuple[str, ...] = ()


@cache
def lookup(pattern: str) -> Lookup:
    """The cheapest known way to see whether a pattern matches."""
    short = without_idle_ends(pattern)
    told = (f"the idle .* of {pattern} is taken off",) if short != pattern else ()
    try:
        way = cheapest(short, tree_of(short))
    except Unclear:
        return Lookup(Matches(short), told)
    return Lookup(way.condition, (*told, *way.told))


@cache
def needed_texts(pattern: str) -> tuple[Texts, ...]:
    """Sets of texts of three bytes and more, one of each of which stands in every text that the pattern matches in."""
    try:
        found = known(tree_of(without_idle_ends(pattern)))
    except Unclear:
        return ()
    return tuple(texts for texts in found.sets if all(len(text.encode("utf-8")) >= 3 for text in texts))


def matching(text: Sql, pattern: str, hint: str = "pattern") -> Sql:
    """The condition that a pattern matches somewhere in a text; null where the text is null."""
    return written(lookup(pattern).condition, text, hint)


HELD = {
    "anywhere": "contains({t}, {w})",
    "begin": "starts_with({t}, {w})",
    "end": "ends_with({t}, {w})",
    "whole": "({t} = {w})",
}


def written(condition: Condition, text: Sql, hint: str) -> Sql:
    match condition:
        case Holds(wanted, at):
            return sql(HELD[at], t=text, w=bound(wanted, f"{hint}_text"))
        case Matches(pattern):
            return sql("regexp_matches({t}, {p})", t=text, p=bound(pattern, hint))
        case Every(parts) | Some(parts):
            between = " AND " if isinstance(condition, Every) else " OR "
            return sql("({parts})", parts=joined(between, (written(part, text, hint) for part in parts)))


# What each costs: nanoseconds on a line of LINE bytes, as measured, in round numbers

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
    told: tuple[str, ...] = ()


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


# What every match of a tree holds

Texts: TypeAlias = frozenset[str]
NOTHING: Texts = frozenset({""})


@dataclass(frozen=True, slots=True)
class Known:
    """All texts that a tree matches, if they are few; and sets of texts, one of each of which stands in every match."""

    exact: Texts | None
    needed: tuple[Texts, ...] = ()

    @property
    def sets(self) -> tuple[Texts, ...]:
        whole = () if self.exact is None or "" in self.exact else (self.exact,)
        return tuple(dict.fromkeys((*self.needed, *whole)))


def known(tree: Tree) -> Known:
    match tree:
        case One(chars):
            return Known(chars)
        case Place():
            return Known(NOTHING)
        case Many():
            return in_turn(repeated(tree))
        case Sequence(parts):
            return in_turn(
                piece for part in parts for piece in (repeated(part) if isinstance(part, Many) else [known(part)])
            )
        case Choice(parts):
            return either([known(part) for part in parts])


CUT = Known(None)


def repeated(tree: Many) -> Iterator[Known]:
    """A repetition as pieces one after the other: what must be there, and a cut where more may stand."""
    inner = known(tree.part)
    if tree.least == 0:
        yield Known(inner.exact | NOTHING) if inner.exact is not None and tree.most == 1 else CUT
        return
    copies = min(tree.least, LONGEST)
    yield from [inner] * copies
    if tree.most != tree.least or copies < tree.least:
        yield CUT
        yield Known(inner.exact) if inner.exact is not None else CUT


def in_turn(pieces: Iterable[Known]) -> Known:
    """Pieces one after the other: texts grow as long as all are known and few."""
    run, needed, whole = NOTHING, list[Texts](), True
    for piece in pieces:
        if piece.exact is not None:
            grown = {a + b for a in run for b in piece.exact}
            if len(grown) <= MOST_TEXTS and max(map(len, grown)) <= LONGEST:
                needed += [run] if len(grown) > len(run) else []
                run = frozenset(grown)
                continue
        needed += [run, *piece.needed]
        run, whole = piece.exact or NOTHING, False
    sets = dict.fromkeys(texts for texts in [*needed, run] if "" not in texts)
    return Known(run if whole else None, tuple(sets))


def either(branches: list[Known]) -> Known:
    """One of several: all their texts if these are few; else one needed set of each."""
    exact = {text for branch in branches for text in branch.exact or ()}
    if all(branch.exact is not None for branch in branches) and len(exact) <= MOST_TEXTS:
        return Known(frozenset(exact))
    if not all(branch.sets for branch in branches):
        return CUT
    best = [min(branch.sets, key=lambda texts: looking_first(texts).cost) for branch in branches]
    every = frozenset(text for texts in best for text in texts)
    return Known(None, (every,)) if len(every) <= MOST_TEXTS else CUT


def without_longer(texts: Texts, inside: Callable[[str, str], bool]) -> list[str]:
    """The texts without those that hold another of them."""
    if len({len(text) for text in texts}) == 1:
        return sorted(texts)
    return sorted(text for text in texts if not any(other != text and inside(text, other) for other in texts))


def looking_first(texts: Texts) -> Way:
    """One of these texts is there: each is looked for by its cheapest end."""
    short = without_longer(texts, INSIDE["anywhere"])
    ends = without_longer(frozenset(map(rarest_end, short)), INSIDE["anywhere"])
    return one_of(held(end) for end in ends)


# Choosing


def cheapest(pattern: str, tree: Tree) -> Way:
    """The way that costs least, if it is clearly cheaper than the pattern alone."""
    alone = Way(Matches(pattern), running(tree), 0.1)
    texts = as_texts(tree)
    if texts is not None and not isinstance(texts.condition, Some):
        return texts
    ways = [way for way in (texts, branch_by_branch(tree), *filtered(tree, alone)) if way is not None]
    best = min(ways, key=lambda way: way.cost, default=alone)
    return best if best.cost < GAIN * alone.cost else alone


def running(tree: Tree) -> float:
    """What RE2 costs: it stops at once where the pattern is held to an end, and jumps to a letter that comes first."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    if held_to(parts, "begin") or held_to(parts, "end"):
        return RE2_ROW
    first = parts[0] if parts else Place("edge")
    if isinstance(first, One) and first.chars is not None and (first.folded or len(first.chars) == 1):
        letter = min(first.chars, key=share)
        return RE2_ROW + RE2_AHEAD * LINE * looked_through(letter)
    return RE2_ROW + RE2_BYTE * LINE


def held_to(parts: tuple[Tree, ...], kind: str) -> bool:
    return bool(parts) and parts[0 if kind == "begin" else -1] == Place(kind)


INSIDE: dict[str, Callable[[str, str], bool]] = {
    "whole": lambda text, other: text == other,
    "begin": str.startswith,
    "end": str.endswith,
    "anywhere": lambda text, other: other in text,
}
"""Whether a text that stands there holds another one that is looked for there too."""


def as_texts(tree: Tree) -> Way | None:
    """Plain texts alone, where the pattern is nothing but a few of them."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    begin, end = held_to(parts, "begin"), held_to(parts, "end")
    inner = parts[begin : len(parts) - end]
    if any(map(places, inner)):
        return None
    exact = in_turn(map(known, inner)).exact
    if exact is None or "" in exact:
        return None
    at = "whole" if begin and end else "begin" if begin else "end" if end else "anywhere"
    inside = INSIDE[at]
    texts = without_longer(exact, inside)
    way = one_of(exactly(text) if at == "anywhere" else held(text, at) for text in texts)
    where = {"whole": "as the whole text", "begin": "at the begin", "end": "at the end", "anywhere": "as plain text"}
    told = f"{either_of(texts)} is looked for {where[at]}: no pattern is run"
    return Way(
        way.condition, way.cost, way.passed, () if isinstance(way.condition, Holds) and at == "anywhere" else (told,)
    )


def branch_by_branch(tree: Tree) -> Way | None:
    """Each branch of a choice by its own cheapest way."""
    if not isinstance(tree, Choice) or len(tree.parts) > MOST_TEXTS or any(part == Sequence(()) for part in tree.parts):
        return None
    ways = [cheapest(text, part) for text, part in zip(tree.texts, tree.parts, strict=True)]
    way = one_of(ways)
    told = dict.fromkeys(told for part in ways for told in part.told)
    return Way(way.condition, way.cost, way.passed, (f"its {len(ways)} choices are looked for one by one", *told))


def filtered(tree: Tree, alone: Way) -> Iterator[Way]:
    """The pattern behind a filter that lets every match pass, or behind two where the second is worth it."""
    sets = [texts for texts in known(tree).sets if len(texts) * CONTAINS < alone.cost]
    first = [*ends_first(tree), *map(looking_first, sets)]
    worth = (way for way in first if way.passed < PASSING)
    filters = sorted(worth, key=lambda way: all_of([way, alone]).cost)[:FILTERS]
    single = [behind((way,), alone) for way in filters]
    yield from single
    for two in combinations(filters, 2):
        both = behind(sorted(two, key=lambda way: way.cost / (1 - min(way.passed, 0.99))), alone)
        if both.cost < GAIN * single[0].cost and not overlapping(two[0].condition, two[1].condition):
            yield both


def behind(filters: Iterable[Way], alone: Way) -> Way:
    filters = list(filters)
    way = all_of([*filters, alone])
    return Way(way.condition, way.cost, way.passed, tuple(told_first(part.condition) for part in filters))


def overlapping(a: Condition, b: Condition) -> bool:
    """Whether a row that passes one filter is likely to pass the other: their texts stand in one another."""
    return any(x in y or y in x for x in texts_of(a) for y in texts_of(b))


def texts_of(condition: Condition) -> list[str]:
    parts = condition.parts if isinstance(condition, Some) else (condition,)
    return [part.text for part in parts if isinstance(part, Holds)]


def ends_first(tree: Tree) -> Iterator[Way]:
    """What a text must begin or end with."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    if held_to(parts, "begin") and (texts := run_at(parts[1:])):
        yield one_of(held(text, "begin") for text in without_longer(texts, INSIDE["begin"]))
    if held_to(parts, "end") and (texts := run_at(parts[:-1], behind=True)):
        yield one_of(held(text, "end") for text in without_longer(texts, INSIDE["end"]))


def run_at(parts: tuple[Tree, ...], *, behind: bool = False) -> Texts | None:
    """The texts that the parts begin with, or end with: as far as all are known and few."""
    run = NOTHING
    for part in reversed(parts) if behind else parts:
        exact = known(part).exact
        grown = {b + a if behind else a + b for a in run for b in exact or ()}
        if not grown or len(grown) > MOST_TEXTS or max(map(len, grown)) > LONGEST:
            break
        run = frozenset(grown)
    return None if "" in run else run


def told_first(condition: Condition) -> str:
    """A filter in words."""
    where = {"begin": "that do not begin with", "end": "that do not end with"}
    first = condition.parts[0] if isinstance(condition, Some) else condition
    how = where.get(first.at, "without") if isinstance(first, Holds) else "without"
    return f"rows {how} {either_of(texts_of(condition))} are passed over first"


def either_of(texts: list[str]) -> str:
    quoted = [repr(text) for text in texts]
    shown = quoted if len(quoted) <= 4 else [*quoted[:3], f"{len(quoted) - 3} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def without_idle_ends(pattern: str) -> str:
    """The pattern without `.*` at its ends, where it does nothing: whether there is a match does not depend on it."""
    head = FLAGS.match(pattern)
    flags, body = (head[0], pattern[head.end() :]) if head else ("", pattern)
    if "|" in body or "(?" in body or "U" in flags:
        return pattern
    if idle := IDLE_HEAD.match(body):
        body = body[idle.end() :]
    if (idle := IDLE_TAIL.search(body)) and "[" not in body and r"\Q" not in body:
        body = body[: idle.start("idle")]
    return flags + body if not body.startswith(("*", "+", "?", "{")) else pattern
