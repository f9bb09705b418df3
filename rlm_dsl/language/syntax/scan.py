"""From text to tokens.

In: a program's text and the language. Out: tokens, comments, blank lines, and what is wrong with single tokens.
Law: scanning never fails. A wrong token is mended as it was most likely meant, so that one fault is one problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.foreign import CAPITALS, Mend, capital, mend
from rlm_dsl.language.syntax.grammar import Language
from rlm_dsl.language.syntax.literals import read_moment, read_number, read_text
from rlm_dsl.language.syntax.tokens import Token, with_names
from rlm_dsl.language.syntax.tree import Comment, Moment, Number, Text


class Flaw(NamedTuple):
    """A problem with one token. Unless `mended`, what the parser says behind it is not worth hearing."""

    problem: Diagnostic
    mended: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """All that stands in a program's text."""

    tokens: tuple[Token, ...]
    comments: tuple[Comment, ...]
    blank_lines: tuple[int, ...]
    flaws: tuple[Flaw, ...]


class _Find(NamedTuple):
    kind: str
    text: str
    start: int
    end: int
    fresh: bool

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


_READERS: dict[str, Callable[[str, Span], tuple[Number | Text | Moment, Diagnostic | None]]] = {
    "NUMBER": read_number,
    "TEXT": read_text,
    "RAW": read_text,
    "MOMENT": read_moment,
}
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def scan(text: str, language: Language) -> Scan:
    """The tokens of `text`, literals read, foreign forms mended."""
    tokens: list[Token] = []
    comments: list[Comment] = []
    blank_lines: list[int] = []
    flaws = list(_unfit(text))
    for find in _finds(text, language.pattern):
        if find.kind == "BLANK":
            blank_lines += _blank_line(find)
        elif find.kind == "COMMENT":
            comments.append(Comment(find.text[1:].strip(), find.fresh, find.start))
        else:
            token, flaw = _token(find, language)
            tokens += [token] if token else []
            flaws += [flaw] if flaw else []
    spelled, more = _capitals(tokens)
    return Scan(tuple(with_names(spelled)), tuple(comments), tuple(blank_lines), (*flaws, *more))


def _finds(text: str, pattern: re.Pattern[str]) -> Iterator[_Find]:
    """The pieces of the text, one after the other, without gaps."""
    at, fresh = int(text.startswith("\ufeff")), True
    while match := pattern.match(text, at):
        kind, piece, end = match.lastgroup or "", match[0], match.end()
        if fresh and piece == "//":
            kind, end = "REMARK", _line_end(text, at)
        yield _Find(kind, text[at:end], at, end, fresh)
        fresh = ("\n" in piece or "\r" in piece) if kind == "BLANK" else fresh and kind == "COMMENT"
        at = end


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _blank_line(find: _Find) -> tuple[int, ...]:
    """Where a blank line stands in the blanks, if one does."""
    return (find.start + find.text.index("\n") + 1,) if find.text.count("\n") > 1 else ()


def _token(find: _Find, language: Language) -> tuple[Token | None, Flaw | None]:
    if find.kind == "NAME":
        return Token(language.keywords.get(find.text, "NAME"), *find[1:]), None
    if reader := _READERS.get(find.kind):
        literal, problem = reader(find.text, find.span)
        return Token(find.kind, *find[1:], literal), Flaw(problem, True) if problem else None
    mended = mend(find.kind, find.text, find.span)
    return (Token(*find), None) if mended is None else _mended(find, mended)


def _mended(find: _Find, mended: Mend) -> tuple[Token | None, Flaw | None]:
    """The token that was meant, and what to say of the one that was written."""
    problem = Diagnostic(mended.code, mended.message, find.span, mended.hints) if mended.message else None
    token = Token(mended.type, mended.text or find.text, *find[2:], mended.literal) if mended.type else None
    return token, Flaw(problem, mended.sure) if problem else None


def _capitals(tokens: list[Token]) -> tuple[list[Token], list[Flaw]]:
    """`True`, `NULL` and their like as the language spells them, where they stand for a value."""
    spelled, flaws = list(tokens), []
    for at, token in enumerate(tokens):
        if token.type == "NAME" and token.text in CAPITALS and _is_value(tokens, at):
            type_, problem = capital(token.text, token.span)
            spelled[at] = token._replace(type=type_)
            flaws.append(Flaw(problem, True))
    return spelled, flaws


def _is_value(tokens: list[Token], at: int) -> bool:
    before = tokens[at - 1].type if at else ""
    after = tokens[at + 1].type if at + 1 < len(tokens) else ""
    return before != "DOT" and after not in ("EQUAL", "COLON", "LPAR", "LSQB")


def _unfit(text: str) -> Iterator[Flaw]:
    """Characters that no UTF-8 text of ours may hold, even inside quotes."""
    for match in _UNFIT.finditer(text):
        what = "a NUL character" if match[0] == "\0" else "half a surrogate pair"
        hint = r"in a text write \0" if match[0] == "\0" else "a program is valid UTF-8; read the text anew"
        yield Flaw(Diagnostic("S06", f"the program holds {what}", Span(*match.span()), (hint,)), True)
