"""Tokens: the words and symbols that a program's text is made of.

In: nothing. Out: the token as a value, and the kinds of tokens that parser, its errors and editors ask about.
Law: a kind's name is that of a terminal in `grammar/rlm.lark`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.tree import Moment, Number, Text

CLOSER = {"LPAR": ")", "LSQB": "]", "LBRACE": "}"}
OPENER = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
CLOSED_BY = {opener: closer for closer, opener in OPENER.items()}
STATEMENT_WORDS = frozenset({"CONTEXT", "PARAM", "SHOW", "ANSWER"})
VALUE_WORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", "IS", "MATCHES", "TRUE", "FALSE", "NULL"})
NAMES = frozenset({"NAME", "QUOTED_NAME"})
LITERALS = frozenset({"NUMBER", "TEXT", "RAW", "MOMENT", "TRUE", "FALSE", "NULL"})
OPERAND_ENDS = NAMES | LITERALS | frozenset({"RPAR", "RSQB", "RBRACE", "QUESTION"})
NEVER_BEHIND_A_STATEMENT_WORD = frozenset({"BAR", "DOT", "COMPARISON"})
OPERAND_STARTS = NAMES | LITERALS | frozenset({"LPAR", "LSQB", "LBRACE", "NOT"})


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


def with_names(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with the words of statements as names where only a name can stand: where a statement is under way and
    wants an operand, or behind a dot. One that begins a statement keeps its type, also where the one before it breaks
    off. The grammar takes either; this is for whoever reads tokens without it."""
    read = list(tokens)
    for at, token in enumerate(read):
        if token.type in STATEMENT_WORDS and _is_name(read, at):
            read[at] = token._replace(type="NAME")
    return read


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    before = tokens[at - 1].type if at else "$START"
    after, next_after = (tokens[place].type if place < len(tokens) else "" for place in (at + 1, at + 2))
    if before == "DOT" or after in NEVER_BEHIND_A_STATEMENT_WORD:
        return True
    wants_none = before in OPERAND_ENDS or before in ("$START", "BAR", "MATCHES")
    if wants_none or (at > 1 and tokens[at - 2].type == "DOT"):  # `MATCHES` may be a name itself, and so may a member
        return False
    return after not in OPERAND_STARTS or (after in NAMES and next_after == "EQUAL")


def open_brackets(tokens: Iterable[Token]) -> list[Token]:
    """The brackets opened and not closed; a closer closes whatever stands open last."""
    standing: list[Token] = []
    for token in tokens:
        if token.type in CLOSER:
            standing.append(token)
        elif token.type in OPENER and standing:
            standing.pop()
    return standing
