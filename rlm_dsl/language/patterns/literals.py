"""The literals of a pattern: texts that it matches exactly, and texts of which every match holds one.

In: a pattern's tree. Out: its literals, in sets of texts that stand for one another.
Law: every match of the tree is one of the exact texts, if there are any, and holds a text of each required set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from rlm_dsl.language.patterns.costs import Way, held, one_of, rarest_end
from rlm_dsl.language.patterns.tree import Choice, Many, One, Place, Sequence, Tree

MOST_TEXTS = 24
"""Texts that stand for one another at most; a set that grows past them is cut."""
LONGEST = 64
"""Characters of a text that is put together at most."""

Texts: TypeAlias = frozenset[str]
NOTHING: Texts = frozenset({""})


@dataclass(frozen=True, slots=True)
class Literals:
    """All texts that a tree matches, if they are few; and sets of texts, one of each of which stands in every match."""

    exact: Texts | None
    required: tuple[Texts, ...] = ()

    @property
    def sets(self) -> tuple[Texts, ...]:
        whole = () if self.exact is None or "" in self.exact else (self.exact,)
        return tuple(dict.fromkeys((*self.required, *whole)))


def literals_of(tree: Tree) -> Literals:
    match tree:
        case One(chars):
            return Literals(chars)
        case Place():
            return Literals(NOTHING)
        case Many():
            return in_turn(repeated(tree))
        case Sequence(parts):
            return in_turn(
                piece for part in parts for piece in (repeated(part) if isinstance(part, Many) else [literals_of(part)])
            )
        case Choice(parts):
            return either([literals_of(part) for part in parts])


CUT = Literals(None)


def repeated(tree: Many) -> Iterator[Literals]:
    """A repetition as pieces one after the other: what must be there, and a cut where more may stand."""
    inner = literals_of(tree.part)
    if tree.least == 0:
        yield Literals(inner.exact | NOTHING) if inner.exact is not None and tree.most == 1 else CUT
        return
    copies = min(tree.least, LONGEST)
    yield from [inner] * copies
    if tree.most != tree.least or copies < tree.least:
        yield CUT
        yield Literals(inner.exact) if inner.exact is not None else CUT


def in_turn(pieces: Iterable[Literals]) -> Literals:
    """Pieces one after the other: texts grow as long as all are known and few."""
    run, required, whole = NOTHING, list[Texts](), True
    for piece in pieces:
        if piece.exact is not None:
            grown = {a + b for a in run for b in piece.exact}
            if len(grown) <= MOST_TEXTS and max(map(len, grown)) <= LONGEST:
                required += [run] if len(grown) > len(run) else []
                run = frozenset(grown)
                continue
        required += [run, *piece.required]
        run, whole = piece.exact or NOTHING, False
    sets = dict.fromkeys(texts for texts in [*required, run] if "" not in texts)
    return Literals(run if whole else None, tuple(sets))


def either(branches: list[Literals]) -> Literals:
    """One of several: all their texts if these are few; else one required set of each."""
    exact = {text for branch in branches for text in branch.exact or ()}
    if all(branch.exact is not None for branch in branches) and len(exact) <= MOST_TEXTS:
        return Literals(frozenset(exact))
    if not all(branch.sets for branch in branches):
        return CUT
    best = [min(branch.sets, key=lambda texts: looking_first(texts).cost) for branch in branches]
    every = frozenset(text for texts in best for text in texts)
    return Literals(None, (every,)) if len(every) <= MOST_TEXTS else CUT


def run_at(parts: tuple[Tree, ...], *, behind: bool = False) -> Texts | None:
    """The texts that the parts begin with, or end with: as far as all are known and few."""
    run = NOTHING
    for part in reversed(parts) if behind else parts:
        exact = literals_of(part).exact
        grown = {b + a if behind else a + b for a in run for b in exact or ()}
        if not grown or len(grown) > MOST_TEXTS or max(map(len, grown)) > LONGEST:
            break
        run = frozenset(grown)
    return None if "" in run else run


INSIDE: dict[str, Callable[[str, str], bool]] = {
    "whole": lambda text, other: text == other,
    "begin": str.startswith,
    "end": str.endswith,
    "anywhere": lambda text, other: other in text,
}
"""Whether a text that stands there holds another one that is looked for there too."""


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
