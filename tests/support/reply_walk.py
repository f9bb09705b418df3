"""A random walk over a reply's grammar: texts that it takes, each choice drawn evenly.

In: a grammar in Lark's notation, chance. Out: one text of it. Law: it knows the notation and nothing of the language.
Signs inside texts are letters mostly, so that patterns are patterns; repetition is short more often than long.
"""

from __future__ import annotations

import json
import random
import re
import string
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rlm_dsl.language.reply_grammar.notation import PIECE

Node = tuple[str, Any]


def grammar_of(text: str) -> dict[str, Node]:
    """The rules and terminals of a grammar as trees."""
    found = {}
    for line in filter(None, text.splitlines()):
        name, _, body = line.partition(": ")
        found[name] = alternatives(PIECE.findall(body), [0])
    return found


def alternatives(pieces: list[str], at: list[int]) -> Node:
    choices: list[Node] = []
    sequence: list[Node] = []
    while at[0] < len(pieces) and pieces[at[0]] != ")":
        piece = pieces[at[0]]
        at[0] += 1
        if piece == "|":
            choices.append(("all", sequence))
            sequence = []
        elif piece == "(":
            sequence.append(alternatives(pieces, at))
            at[0] += 1
        elif piece == "?":
            sequence[-1] = ("times", (0, 1, sequence[-1]))
        elif piece.startswith("{"):
            low, high = map(int, piece[1:-1].split(","))
            sequence[-1] = ("times", (low, high, sequence[-1]))
        elif piece.startswith("/"):
            sequence.append(("regex", piece[1:-1].replace("\\/", "/")))
        elif piece.startswith('"'):
            sequence.append(("text", json.loads(piece)))
        else:
            sequence.append(("rule", piece))
    return ("one", [*choices, ("all", sequence)])


SELDOM = (
    "new",
    "fresh",
    "known_table",
    "made",
    "t_name",
    "i_name",
    "a_table",
    "a_same_of",
    "a_others_of",
    "a_joined_of",
    "a_value_of",
    "a_number_of",
    "a_record_of",
)
"""Rules of names that nothing may have bound yet."""


@dataclass
class Walk:
    """Draws texts of one grammar. The more that is drawn, the shorter the way that is taken."""

    grammar: dict[str, Node]
    chance: random.Random
    most: int = 25
    drawn: int = 0
    least: dict[int, int] = field(default_factory=dict)
    seldom: dict[str, bool] = field(default_factory=dict)

    def text(self) -> str:
        self.drawn = 0
        return self.walk(("rule", "start"))

    def walk(self, node: Node) -> str:
        sort, held = node
        match sort:
            case "rule":
                self.drawn += held[0].islower()
                return self.walk(self.grammar[held])
            case "one":
                return self.walk(self.one_of(held))
            case "all":
                return "".join(map(self.walk, held))
            case "times":
                low, high, inner = held
                return "".join(self.walk(inner) for _ in range(min(high, low + few(self.chance) * self.is_young())))
            case "text":
                return str(held)
            case _:
                return from_regex(parsed(held), self.chance)

    def is_young(self) -> bool:
        return self.drawn < self.most

    def one_of(self, choices: list[Node]) -> Node:
        if not self.is_young():
            least = min(map(self.length, choices))
            choices = [each for each in choices if self.length(each) <= least]
        return self.chance.choices(choices, [0.01 if self.is_seldom(each) else 1.0 for each in choices])[0]

    def is_seldom(self, node: Node) -> bool:
        names = [name for sort, name in node[1] if sort == "rule"] if node[0] == "all" else []
        names += [r for sort, inner in node[1] if sort == "one" and node[0] == "all" for r in self.single(inner)]
        if "EQUAL" in names and "PARAM" not in names:
            return False
        return any(map(self.is_seldom_rule, names)) or "PARAM" in names

    def is_seldom_rule(self, name: str) -> bool:
        """Whether a rule stands for names that nothing may have bound, and for nothing else."""
        if name not in self.seldom:
            self.seldom[name] = name in SELDOM or name.endswith(("_other", "_u0"))
            self.seldom[name] |= name.islower() and all(map(self.is_seldom, self.grammar[name][1]))
        return self.seldom[name]

    def single(self, choices: list[Node]) -> list[str]:
        """The rule that stands for a group in brackets, where its every choice is a name that is seldom drawn."""
        names = [name for each in choices for sort, name in each[1] if sort == "rule"]
        return names[:1] if names and all(map(self.is_seldom_rule, names)) else []

    def length(self, node: Node) -> int:
        """The least number of rules that a node leads through."""
        if id(node) not in self.least:
            self.least[id(node)] = self.measured(node)
        return self.least[id(node)]

    def measured(self, node: Node) -> int:
        sort, held = node
        match sort:
            case "rule":
                return held[0].islower() + self.length(self.grammar[held])
            case "one":
                return min(map(self.length, held))
            case "all":
                return sum(map(self.length, held))
            case "times":
                return int(held[0]) * self.length(held[2])
            case _:
                return 1


def few(chance: random.Random) -> int:
    return chance.choice((0, 0, 0, 0, 0, 1, 1, 2))


@cache
def parsed(pattern: str) -> Any:
    return re._parser.parse(pattern)  # type: ignore[attr-defined]


LETTERS = string.ascii_lowercase + string.digits


def from_regex(parts: Any, chance: random.Random) -> str:
    told = ""
    for sort, held in parts:
        match str(sort):
            case "LITERAL":
                told += chr(held)
            case "NOT_LITERAL":
                told += chance.choice([c for c in LETTERS if ord(c) != held])
            case "IN":
                told += chance.choice("dws") if told.endswith("\\") and wide(held) else from_class(held, chance)
            case "MAX_REPEAT":
                low, high, inner = held
                told += "".join(from_regex(inner, chance) for _ in range(min(high, low + few(chance) * 2)))
            case "SUBPATTERN":
                told += from_regex(held[3], chance)
            case "BRANCH":
                told += from_regex(chance.choice(held[1]), chance)
            case other:
                raise ValueError(other)
    return told


def wide(held: Any) -> bool:
    """Whether a class takes nearly anything: what stands behind a backslash in a pattern."""
    return str(held[0][0]) == "NEGATE"


def from_class(held: Any, chance: random.Random) -> str:
    if wide(held):
        return chance.choice(LETTERS)
    found: list[str] = []
    for sort, value in held:
        found += [chr(value)] if str(sort) == "LITERAL" else map(chr, range(value[0], value[1] + 1))
    return chance.choice(found)
