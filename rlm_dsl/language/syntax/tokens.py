"""Tokens: the words and symbols that a program's text is made of.

In: nothing. Out: the token as a value, and the kinds of tokens that parser, its errors and editors ask about.
Law: a kind's name is that of a terminal in `grammar/rlm.lark`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.tree import Moment, Number, Text

CLOSER = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
OPENER = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
CLOSED_BY = {opener: closer for closer, opener in OPENER.items()}
STATEMENT_WORDS = frozenset({"CONTEXT", "PARAM", "SHOW", "ANSWER"})
VALUE_WORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "IS", "MATCHES", "TRUE", "FALSE", "NULL"})
NAMES = frozenset({"NAME", "QUOTED_NAME"})


class Token(NamedTuple):
    """A token with its place: `type` is the grammar's name for its kind, `fresh` says that it begins a line."""

    type: str
    text: str
    start: int
    end: int
    fresh: bool = False
    literal: Number | Text | Moment | None = None

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


def open_brackets(tokens: Iterable[Token]) -> list[Token]:
    """The brackets opened and not closed; a closer closes whatever stands open last."""
    standing: list[Token] = []
    for token in tokens:
        if token.type in CLOSER:
            standing.append(token)
        elif token.type in OPENER and standing:
            standing.pop()
    return standing
