r"""RE2 patterns as trees: as much of them as is needed to know texts that every match holds.

In: a valid RE2 pattern. Out: its tree. Raises Unclear for what is not read here.
Law: a tree matches whatever its pattern matches; characters that are many, or that fold in ways not known here, are
`ANY`, so that a tree may match more, never less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

FEW = 6
"""Characters that a set is kept with; a larger one is any character."""
DEEPEST = 40
"""Groups in groups that are read."""
ALSO = {"k": "\u212a", "s": "\u017f"}
"""The letters beyond ASCII that fold to one of ASCII: the Kelvin sign and the long s."""


class Unclear(Exception):
    """Something in a pattern that is not read here."""


@dataclass(frozen=True, slots=True)
class One:
    """One character: of these, or any where they are None. `folded` if they are one letter in its cases."""

    chars: frozenset[str] | None
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """No character: the text's `begin` or `end`, or another `edge`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Many:
    """A part repeated; `most` is None for any number."""

    part: Tree
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several; `texts` are these as patterns of their own."""

    parts: tuple[Tree, ...]
    texts: tuple[str, ...]


Tree: TypeAlias = One | Place | Many | Sequence | Choice

ANY = One(None)
TIMES = re.compile(r"(?:[*+?]|\{(\d+)(,(\d*))?\})\??")
GROUP = re.compile(r"\((?:\?P<\w+>|\?:)?(?!\?)")
FLAGS = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
CONTROL = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
NUMBERED = re.compile(r"x(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{2}))")
NAMED = re.compile(r"[pP](?:\{\^?\w+\}|\w)")


def tree_of(pattern: str) -> Tree:
    """The tree of a valid pattern."""
    reader = _Reader(pattern)
    found = reader.choice(0)
    if reader.at < len(pattern):
        raise Unclear
    return found


def places(tree: Tree) -> bool:
    """Whether anything in a tree asks for a place, so that a match depends on what stands around it."""
    match tree:
        case One():
            return False
        case Place():
            return True
        case Many(part):
            return places(part)
        case Sequence(parts) | Choice(parts):
            return any(map(places, parts))


def anchored(parts: tuple[Tree, ...], kind: str) -> bool:
    """Whether a pattern of these parts is held to the `begin` or the `end` of the text."""
    return bool(parts) and parts[0 if kind == "begin" else -1] == Place(kind)


def stands_alone(pattern: str) -> bool:
    """Whether what a pattern matches is a matter of the matched text alone: that text is then matched wherever it first
    stands. False where it is not clear."""
    try:
        return not places(tree_of(pattern))
    except Unclear:
        return False


def begins_text(pattern: str) -> bool:
    """Whether a match can only stand where the text begins. False where it is not clear."""
    try:
        tree = tree_of(pattern)
    except Unclear:
        return False
    while isinstance(tree, Sequence) and tree.parts:
        tree = tree.parts[0]
    return tree == Place("begin")


class _Reader:
    """Reads a pattern from left to right; `flags` are those in force."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.flags = pattern, 0, frozenset[str]()

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def choice(self, depth: int) -> Tree:
        """Sequences with `|` between them, up to the end or a closing bracket."""
        if depth > DEEPEST:
            raise Unclear
        parts, texts = [], []
        while True:
            start, flags = self.at, self.flags
            parts.append(self.sequence(depth))
            texts.append(flagged(flags, self.pattern[start : self.at]))
            if self.peek() != "|":
                return parts[0] if len(parts) == 1 else Choice(tuple(parts), tuple(texts))
            self.at += 1

    def sequence(self, depth: int) -> Tree:
        parts: list[Tree] = []
        while (c := self.peek()) and c not in "|)":
            part = self.piece(c, depth)
            if part is not None:
                parts.append(self.repeated(part))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def piece(self, c: str, depth: int) -> Tree | None:
        """What stands here; None for flags."""
        if c == "(":
            return self.group(depth)
        if c == "[":
            return self.set_of()
        self.at += 1
        if c == "\\":
            return self.escape()
        if c == ".":
            return ANY
        if c in "^$":
            return Place("edge" if "m" in self.flags else "begin" if c == "^" else "end")
        if c in "*+?":
            raise Unclear
        return self.letters(frozenset(c))

    def letters(self, chars: frozenset[str]) -> One:
        """These characters, in both cases where that is ignored."""
        if "i" in self.flags:
            folded = [cases(c) for c in chars]
            if any(found is None for found in folded):
                return ANY
            every = frozenset(c for found in folded for c in found or ())
            return One(every, len(chars) == 1) if len(every) <= FEW else ANY
        return One(chars) if len(chars) <= FEW else ANY

    def repeated(self, part: Tree) -> Tree:
        while found := TIMES.match(self.pattern, self.at):
            self.at = found.end()
            if found[1]:
                least = int(found[1])
                most = least if found[2] is None else int(found[3]) if found[3] else None
            else:
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[0][0]]
            part = Many(part, least, most)
        return part

    def group(self, depth: int) -> Tree | None:
        held = self.flags
        if flags := FLAGS.match(self.pattern, self.at):
            self.at = flags.end()
            self.flags = (self.flags | set(flags[1])) - set(flags[2] or "")
            if flags[3] == ")":
                return None
        elif opened := GROUP.match(self.pattern, self.at):
            self.at = opened.end()
        else:
            raise Unclear
        inner = self.choice(depth + 1)
        if self.peek() != ")":
            raise Unclear
        self.at += 1
        self.flags = held
        return inner

    def escape(self) -> Tree:
        """What stands behind a backslash."""
        c = self.peek()
        if c in "dDwWsS" and c:
            self.at += 1
            return ANY
        if named := NAMED.match(self.pattern, self.at):
            self.at = named.end()
            return ANY
        if c in "bBAz" and c:
            self.at += 1
            return Place({"A": "begin", "z": "end"}.get(c, "edge"))
        return self.letters(frozenset(self.escaped_letter()))

    def escaped_letter(self) -> str:
        c = self.peek()
        if numbered := NUMBERED.match(self.pattern, self.at):
            self.at = numbered.end()
            return chr(int(numbered[1] or numbered[2], 16))
        self.at += 1
        if c in CONTROL and c:
            return CONTROL[c]
        if not c or not c.isascii() or c.isalnum() or c == "_":
            raise Unclear
        return c

    def set_of(self) -> One:
        """A set in brackets."""
        self.at += 1
        negated = self.peek() == "^"
        self.at += negated
        chars: set[str] | None = set()
        first = True
        while first or self.peek() != "]":
            first = False
            found = self.member()
            chars = None if chars is None or found is None else chars | found
        self.at += 1
        return ANY if negated or not chars or len(chars) > FEW else self.letters(frozenset(chars))

    def member(self) -> set[str] | None:
        """One member of a set or one range; None for many characters."""
        c = self.peek()
        if not c:
            raise Unclear
        if named := re.compile(r"\[:\^?\w+:\]").match(self.pattern, self.at):
            self.at = named.end()
            return None
        if many := re.compile(r"\\(?:[dDwWsS]|[pP](?:\{\^?\w+\}|\w))").match(self.pattern, self.at):
            self.at = many.end()
            return None
        low = self.member_letter()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return {low}
        self.at += 1
        high = self.member_letter()
        return {chr(n) for n in range(ord(low), ord(high) + 1)} if ord(high) - ord(low) < FEW else None

    def member_letter(self) -> str:
        c = self.peek()
        self.at += 1
        return self.escaped_letter() if c == "\\" else c


def flagged(flags: frozenset[str], text: str) -> str:
    """A part of a pattern as a pattern of its own, with the flags that are in force where it stands."""
    return f"(?{''.join(sorted(flags))}){text}" if flags else text


def cases(c: str) -> frozenset[str] | None:
    """A character in every case; None where these are not known here."""
    if not c.isascii():
        return None
    return frozenset({c.lower(), c.upper(), *ALSO.get(c.lower(), "")}) if c.isalpha() else frozenset(c)
