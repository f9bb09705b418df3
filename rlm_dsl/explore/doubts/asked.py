"""A question and the program that is to answer it, as doubts look at them.

In: a question, an answer's statement, its program, its value. Out: the words and numbers of the question; the names,
constants and calls of the program. Law: nothing is run here; labels that a model is offered are no choice of rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

from rlm_dsl.explore.session import Session
from rlm_dsl.language.program import Node, Step, children, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.literals import spell_number

OFFERED = frozenset({"labels", "examples", "guide", "types", "returns", "into", "using", "on_error", "categories"})
"""Arguments that offer a model something, or name what is made: they choose no rows."""
NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w]*\w)|(?<=[A-Za-z])\d+\b")


@dataclass(frozen=True)
class Asked:
    """An answer beside its question; `tree` is the program that gives it alone."""

    question: str
    session: Session
    node: Node
    tree: t.Tree
    value: Any

    @cached_property
    def nodes(self) -> list[Node]:
        """Every node that the answer rests on, itself first."""
        found: dict[int, Node] = {}
        stack = [resolved(self.node)]
        while stack:
            inner = resolved(stack.pop())
            if id(inner) not in found:
                found[id(inner)] = inner
                stack += children(inner)
        return list(found.values())

    @cached_property
    def steps(self) -> list[Step]:
        return [node for node in self.nodes if isinstance(node, Step)]

    @cached_property
    def parts(self) -> list[Any]:
        """The nodes of the program's text, but for what its contexts are declared as and what models are offered."""
        statements = [each for each in self.tree.statements if not isinstance(each, t.ContextStatement)]
        return [part for statement in statements for part in parts_of(statement)]

    @cached_property
    def texts(self) -> list[str]:
        """The texts that the program holds, patterns and dates among them."""
        return [
            part.value if isinstance(part, t.Text) else part.text
            for part in self.parts
            if isinstance(part, t.Text | t.Moment)
        ]

    @cached_property
    def numbers(self) -> set[str]:
        """The numbers that the program holds, and those in its texts, as they are spelled."""
        found = {spell_number(part.value) for part in self.parts if isinstance(part, t.Number)}
        percent = {spell_number(part.value * 100) for part in self.parts if isinstance(part, t.Number)}
        return found | {each.removesuffix(".0") for each in percent} | {n for text in self.texts for n in digits(text)}

    @cached_property
    def names(self) -> set[str]:
        return {part.name for part in self.parts if isinstance(part, t.Name)} | {
            part.name for part in self.parts if isinstance(part, t.Dot)
        }

    @cached_property
    def calls(self) -> set[str]:
        """The operators and functions that are applied, signs among them."""
        named = {part.operator for part in self.parts if isinstance(part, t.Call)}
        return named | {part.operator for part in self.parts if isinstance(part, t.Binary | t.Unary)}

    @cached_property
    def asks(self) -> bool:
        """Whether a model is asked for more than which rows are meant: then it may have done what no operator did."""
        return bool(self.calls & {"ask", "reduce", "recurse", "match"})

    @cached_property
    def leaves(self) -> list[Any]:
        """The values that the answer is made of."""
        return list(leaves_of(self.value))


def parts_of(node: Any) -> Iterator[Any]:
    """A text's nodes, without arguments that offer a model something."""
    if isinstance(node, tuple):
        for item in node:
            yield from parts_of(item)
    elif is_dataclass(node) and not isinstance(node, type):
        if isinstance(node, t.Argument) and node.name in OFFERED:
            return
        yield node
        for each in fields(node):
            if "span" not in each.name:
                yield from parts_of(getattr(node, each.name))


def leaves_of(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves_of(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves_of(inner)
    else:
        yield value


def digits(text: str) -> Iterator[str]:
    """The runs of digits of a text, without zeros before them."""
    for found in re.findall(r"\d+", text):
        yield found.lstrip("0") or "0"


def numbers_of(question: str) -> set[str]:
    """The numbers that a question holds, as a program would spell them."""
    found: set[str] = set()
    for number in NUMBER.findall(question):
        plain = number.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number) else number
        found.add(plain.lstrip("0") or "0")
    return found


def holds(question: str, words: str) -> bool:
    """Whether a question holds words as they are, whatever their case, in the singular or plural."""
    return re.search(rf"(?<!\w){re.escape(words)}(?:s|es|'s|’s)?(?!\w)", question, re.IGNORECASE) is not None
