"""Patterns made cheaper to look for: plain texts in their place, and texts that every match holds looked for first.

In: a valid RE2 pattern. Out: a condition on a text. Law: the condition holds for exactly the texts that the pattern
matches in; what is not understood here is left as it is.

The engine looks for a plain text in about 0.4 ns a byte where RE2 takes 4, and RE2 has a cost of its own for every row
(benchmarks/grep.py has the figures). Which way is cheapest is chosen by what each is expected to cost on a line of 100
bytes, from how common its first letters are in texts at large: no data is looked at, so that plans stay the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from rlm_dsl.language.patterns.conditions import Condition, Holds, Matches, Some, condition_sql
from rlm_dsl.language.patterns.costs import CONTAINS, GAIN, Way, all_of, exactly, held, one_of, running_cost
from rlm_dsl.language.patterns.literals import (
    INSIDE,
    MOST_TEXTS,
    Texts,
    in_turn,
    literals_of,
    looking_first,
    run_at,
    without_longer,
)
from rlm_dsl.language.patterns.tree import Choice, Sequence, Tree, Unclear, anchored, places, tree_of
from rlm_dsl.language.sql import Sql

PASSING = 0.3
"""A filter that is expected to let more of the rows pass is none: the guess is too rough for it."""
FILTERS = 8
"""Filters that are thought about."""
FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")
IDLE_HEAD = re.compile(r"(?:\.\*\??)+")
IDLE_TAIL = re.compile(r"(?<!\\)(?:\\\\)*(?P<idle>(?:\.\*\??)+)\Z")


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a pattern is looked for, and what was done, in words."""

    condition: Condition
    rewrites: tuple[str, ...] = ()


@cache
def lookup(pattern: str) -> Lookup:
    """The cheapest known way to see whether a pattern matches."""
    short = without_idle_ends(pattern)
    rewrites = (f"the idle .* of {pattern} is taken off",) if short != pattern else ()
    try:
        way = cheapest(short, tree_of(short))
    except Unclear:
        return Lookup(Matches(short), rewrites)
    return Lookup(way.condition, (*rewrites, *way.rewrites))


@cache
def required_texts(pattern: str) -> tuple[Texts, ...]:
    """Sets of texts of three bytes and more, one of each of which stands in every text that the pattern matches in."""
    try:
        found = literals_of(tree_of(without_idle_ends(pattern)))
    except Unclear:
        return ()
    return tuple(texts for texts in found.sets if all(len(text.encode("utf-8")) >= 3 for text in texts))


def matching(text: Sql, pattern: str, hint: str = "pattern") -> Sql:
    """The condition that a pattern matches somewhere in a text; null where the text is null."""
    return condition_sql(lookup(pattern).condition, text, hint)


def cheapest(pattern: str, tree: Tree) -> Way:
    """The way that costs least, if it is clearly cheaper than the pattern alone."""
    alone = Way(Matches(pattern), running_cost(tree), 0.1)
    texts = as_texts(tree)
    if texts is not None and not isinstance(texts.condition, Some):
        return texts
    ways = [way for way in (texts, branch_by_branch(tree), *filtered(tree, alone)) if way is not None]
    best = min(ways, key=lambda way: way.cost, default=alone)
    return best if best.cost < GAIN * alone.cost else alone


def as_texts(tree: Tree) -> Way | None:
    """Plain texts alone, where the pattern is nothing but a few of them."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    begin, end = anchored(parts, "begin"), anchored(parts, "end")
    inner = parts[begin : len(parts) - end]
    if any(map(places, inner)):
        return None
    exact = in_turn(map(literals_of, inner)).exact
    if exact is None or "" in exact:
        return None
    at = "whole" if begin and end else "begin" if begin else "end" if end else "anywhere"
    inside = INSIDE[at]
    texts = without_longer(exact, inside)
    way = one_of(exactly(text) if at == "anywhere" else held(text, at) for text in texts)
    where = {"whole": "as the whole text", "begin": "at the begin", "end": "at the end", "anywhere": "as plain text"}
    rewrite = f"{either_of(texts)} is looked for {where[at]}: no pattern is run"
    return Way(
        way.condition, way.cost, way.passed, () if isinstance(way.condition, Holds) and at == "anywhere" else (rewrite,)
    )


def branch_by_branch(tree: Tree) -> Way | None:
    """Each branch of a choice by its own cheapest way."""
    if not isinstance(tree, Choice) or len(tree.parts) > MOST_TEXTS or any(part == Sequence(()) for part in tree.parts):
        return None
    ways = [cheapest(text, part) for text, part in zip(tree.texts, tree.parts, strict=True)]
    way = one_of(ways)
    inner = dict.fromkeys(rewrite for part in ways for rewrite in part.rewrites)
    return Way(way.condition, way.cost, way.passed, (f"its {len(ways)} choices are looked for one by one", *inner))


def filtered(tree: Tree, alone: Way) -> Iterator[Way]:
    """The pattern behind a filter that lets every match pass, or behind two where the second is worth it."""
    sets = [texts for texts in literals_of(tree).sets if len(texts) * CONTAINS < alone.cost]
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
    return Way(way.condition, way.cost, way.passed, tuple(filter_words(part.condition) for part in filters))


def overlapping(a: Condition, b: Condition) -> bool:
    """Whether a row that passes one filter is likely to pass the other: their texts stand in one another."""
    return any(x in y or y in x for x in texts_of(a) for y in texts_of(b))


def texts_of(condition: Condition) -> list[str]:
    parts = condition.parts if isinstance(condition, Some) else (condition,)
    return [part.text for part in parts if isinstance(part, Holds)]


def ends_first(tree: Tree) -> Iterator[Way]:
    """What a text must begin or end with."""
    parts = tree.parts if isinstance(tree, Sequence) else (tree,)
    if anchored(parts, "begin") and (texts := run_at(parts[1:])):
        yield one_of(held(text, "begin") for text in without_longer(texts, INSIDE["begin"]))
    if anchored(parts, "end") and (texts := run_at(parts[:-1], behind=True)):
        yield one_of(held(text, "end") for text in without_longer(texts, INSIDE["end"]))


def filter_words(condition: Condition) -> str:
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
