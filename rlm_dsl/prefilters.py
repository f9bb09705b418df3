"""Patterns made cheaper to look for: idle ends taken off, and texts that every match must hold looked for first.

In: a valid RE2 pattern. Out: a condition on a text. Law: the condition holds for exactly the texts that the pattern
matches in; what is not understood here is left as it is.

The engine looks for a plain text several times faster than RE2 runs a pattern (benchmarks/grep.py has the figures): a
pattern that needs `failed` somewhere is tried on the rows that hold `failed` alone. Where RE2 is as fast by itself, for
plain texts and patterns that begin with `^`, nothing is put before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from rlm_dsl.sql import Sql, bound, joined, sql

SHORTEST = 4
"""Characters that a text must have to be worth looking for first."""
MOST = 2
"""Texts that are looked for first at most."""
FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")
IDLE_HEAD = re.compile(r"(?:\.\*\??)+")
IDLE_TAIL = re.compile(r"(?<!\\)(?:\\\\)*(?P<idle>(?:\.\*\??)+)\Z")


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a pattern is looked for: the pattern to run, the texts to look for before it, and what was done, in words."""

    pattern: str
    first: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@cache
def lookup(pattern: str) -> Lookup:
    """The cheapest known way to see whether a pattern matches."""
    short = without_idle_ends(pattern)
    told = (f"the idle .* of {pattern} is taken off",) if short != pattern else ()
    texts = required(short)
    anchored = FLAGS.sub("", short, count=1).startswith(("^", r"\A"))
    if anchored or not texts or texts == (plain(short),):
        return Lookup(short, (), told)
    first = tuple(sorted(set(texts), key=lambda text: (-len(text), text))[:MOST])
    return Lookup(short, first, (*told, f"rows without {' and '.join(map(repr, first))} are passed over first"))


def matching(text: Sql, pattern: str, hint: str = "pattern") -> Sql:
    """The condition that a pattern matches somewhere in a text; null where the text is null."""
    found = lookup(pattern)
    whole = sql("regexp_matches({t}, {p})", t=text, p=bound(found.pattern, hint))
    if not found.first:
        return whole
    parts = [sql("contains({t}, {w})", t=text, w=bound(first, f"{hint}_text")) for first in found.first]
    return sql("({parts} AND {whole})", parts=joined(" AND ", parts), whole=whole)


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


def plain(pattern: str) -> str | None:
    """The text that a pattern is, if it is nothing but a text."""
    found = re.sub(r"\\([^\w\s])", r"\1", pattern)
    return found if not re.search(r"[.^$*+?{}\[\]()|\\]", re.sub(r"\\[^\w\s]", "", pattern)) else None


def required(pattern: str) -> tuple[str, ...]:
    """Texts that stand in every match of a pattern, in its order; none where that is not clear."""
    scan = _Scan(pattern)
    try:
        scan.sequence()
    except _Unclear:
        return ()
    if scan.at < len(pattern):
        return ()
    return tuple(run for run in scan.runs if len(run) >= SHORTEST)


class _Unclear(Exception):
    """Something here that this module does not read."""


class _Scan:
    """Reads a pattern from left to right; `runs` are the texts found so far, `run` the one that is going on."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.runs: list[str] = []
        self.run = ""

    def peek(self) -> str:
        return self.pattern[self.at] if self.at < len(self.pattern) else ""

    def close(self) -> None:
        if self.run:
            self.runs.append(self.run)
        self.run = ""

    def sequence(self) -> None:
        """Pieces one after the other, up to the end or a closing bracket."""
        while (c := self.peek()) and c != ")":
            if c == "|":
                raise _Unclear
            if c == "(":
                self.group()
            elif c == "[":
                self.close()
                self.skip_class()
                self.times()
            elif c in ".^$":
                self.at += 1
                self.close()
                self.times()
            else:
                self.letter()
        self.close()

    def letter(self) -> None:
        """One character as itself, taken into the run if it must be there."""
        c = self.peek()
        self.at += 1
        if c == "\\":
            c = self.peek()
            self.at += 1
            if c in ("", "Q", "E", "C"):
                raise _Unclear
            if c.isalnum() or c == "_":
                self.escape(c)
                self.close()
                self.times()
                return
        least, more = self.times()
        if least == 0:
            self.close()
            return
        self.run += c
        if more:
            self.close()

    def escape(self, c: str) -> None:
        """Past the rest of an escape that stands for a class, a place or a character by its number."""
        if c in "pP":
            self.at = self.pattern.index("}", self.at) + 1 if self.peek() == "{" else self.at + 1
        elif c == "x":
            self.at = self.pattern.index("}", self.at) + 1 if self.peek() == "{" else self.at + 2
        elif c.isdigit():
            raise _Unclear

    def group(self) -> None:
        """A group: its texts count if it must be there and has no choice inside."""
        start = self.at
        if found := re.compile(r"\((?:\?P<\w+>|\?:)?(?!\?)").match(self.pattern, self.at):
            self.at = found.end()
        elif (flags := FLAGS.match(self.pattern, self.at)) and set(flags[1]) <= set("ms"):
            self.at = flags.end()
            return
        else:
            raise _Unclear
        self.close()
        held = list(self.runs)
        try:
            self.sequence()
        except _Unclear:
            self.runs, self.run = held, ""
            self.at = closing(self.pattern, start)
        if self.peek() != ")":
            raise _Unclear
        self.at += 1
        least, _ = self.times()
        if least == 0:
            self.runs = held

    def skip_class(self) -> None:
        """Past a class in brackets."""
        self.at += 1
        if self.peek() == "^":
            self.at += 1
        if self.peek() == "]":
            self.at += 1
        while self.peek() != "]":
            if self.pattern.startswith("[:", self.at):
                self.at = self.pattern.index(":]", self.at) + 2
            elif self.peek() == "\\":
                self.at += 2
            elif self.peek() == "":
                raise _Unclear
            else:
                self.at += 1
        self.at += 1

    def times(self) -> tuple[int, bool]:
        """How often the last piece stands at least, and whether it may stand more often."""
        least, more = 1, False
        while found := re.compile(r"[*+?]\??|\{(\d+)(?:,(\d*))?\}\??").match(self.pattern, self.at):
            self.at = found.end()
            more = True
            least = min(least, int(found[1]) if found[1] else 1 if found[0][0] == "+" else 0)
        return least, more


def closing(pattern: str, start: int) -> int:
    """Where the group that opens at `start` closes."""
    depth, at = 0, start
    while at < len(pattern):
        c = pattern[at]
        if c == "\\":
            if pattern[at + 1 : at + 2] == "Q":
                raise _Unclear
            at += 1
        elif c == "[":
            inner = _Scan(pattern)
            inner.at = at
            inner.skip_class()
            at = inner.at - 1
        elif c in "()":
            depth += 1 if c == "(" else -1
            if depth == 0:
                return at
        at += 1
    raise _Unclear
