"""Highlighting for Pygments: the language's words without its parser.

In: a text. Out: Pygments' tokens. Law: the tokens put together are the text; a right program has no Error among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from re import Match
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, default, include, words
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
    _TokenType,
)

from rlm_dsl.language.operators.core.registry import aggregates, function_names, table_operators
from rlm_dsl.language.types import SCALARS

PLAIN = r"[A-Za-z_][A-Za-z0-9_]*"
QUOTED = r"`(?:[^`\r\n]|``)+`"
SCALAR = f"(?:{'|'.join(SCALARS)}|decimal)"
STATEMENT_WORD = r"(?:context|param|show|answer)\b"
INFIX_WORD = r"(?:and|or|in|is|between|matches)\b"
NO_OPERAND = rf"(?=\s*(?:\Z|[-|=<>!+*/%.,:?)\]}}#]|{INFIX_WORD}|{STATEMENT_WORD}|(?:{PLAIN}|{QUOTED})\s*=(?!=)))"
"""What follows a word of statements that is a name."""


@cache
def kinds() -> dict[str, _TokenType]:
    """What each name of the registry is shown as, where it is called."""
    known = dict.fromkeys([*aggregates(), *function_names()], Name.Function)
    return known | dict.fromkeys(table_operators(), Name.Builtin)


def called(lexer: RegexLexer, match: Match[str]) -> Iterator[tuple[int, _TokenType, str]]:
    """A name before a bracket: an operator, a function, or a name that there is none of."""
    yield match.start(), kinds().get(match[0], Name), match[0]


def in_text(quote: str, kind: _TokenType) -> list[tuple[str, _TokenType]]:
    """What stands in a text: escapes, values that an instruction inserts, all else."""
    return [
        (r"\\[\s\S]", String.Escape),
        (r"\{\{|\}\}", String.Escape),
        (rf"\{{{PLAIN}\}}", String.Interpol),
        (rf"[^{quote}\\{{}}]+", kind),
        (r"[\s\S]", kind),
    ]


class RlmLexer(RegexLexer):
    """rlm-dsl programs."""

    name = "rlm-dsl"
    aliases: ClassVar[list[str]] = ["rlm"]
    filenames: ClassVar[list[str]] = ["*.rlm"]
    mimetypes: ClassVar[list[str]] = ["text/x-rlm"]

    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (words(("context", "param"), suffix=r"\b(?!\s*[=:,.)|<>!])"), Keyword.Declaration, "declared"),
            (words(("show", "answer"), suffix=r"\b(?!\s*[=:,.)|<>!])"), Keyword, "due"),
            (rf"(?:{PLAIN}|{QUOTED})(?=\s*=(?!=))", Name.Variable),
            (r"==|!=|<=|>=|<|>|//|[-+*/%=]", Operator, "due"),
            (words(("and", "or", "not", "in", "between", "matches"), suffix=r"\b"), Operator.Word, "due"),
            include("anything"),
        ],
        "declared": [
            (r"\s+", Whitespace),
            (rf"{PLAIN}|{QUOTED}", Name.Variable, "#pop"),
            default("#pop"),
        ],
        "due": [
            (r"\s+", Whitespace),
            (r"#[^\r\n]*", Comment.Single),
            (STATEMENT_WORD + NO_OPERAND, Name, "#pop"),
            default("#pop"),
        ],
        "inside": [
            (r"[)\]}]", Punctuation, "#pop"),
            (rf"(?:{PLAIN}|{QUOTED})(?=\s*=(?!=))", Name.Attribute),
            (rf"(?:{PLAIN}|{QUOTED})(?=\s*:)", Name.Property),
            include("anything"),
        ],
        "anything": [
            (r"\ufeff|\s+", Whitespace),
            (r"#[^\r\n]*", Comment.Single),
            (r'r"""(?:[^"\\]|\\[\s\S]|"{1,2}(?:[^"\\]|\\[\s\S]))*"""', String.Regex),
            (r"r'''(?:[^'\\]|\\[\s\S]|'{1,2}(?:[^'\\]|\\[\s\S]))*'''", String.Regex),
            (r'r"(?:[^"\\\n]|\\[^\n])*"', String.Regex),
            (r"r'(?:[^'\\\n]|\\[^\n])*'", String.Regex),
            (r'"""', String.Double, "long double"),
            (r"'''", String.Single, "long single"),
            (r'"(?=(?:[^"\\\n]|\\[^\n])*")', String.Double, "double"),
            (r"'(?=(?:[^'\\\n]|\\[^\n])*')", String.Single, "single"),
            (QUOTED, Name.Variable),
            (r"[\"'`][^\r\n]*", Error),
            (r"@[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)?", Literal.Date),
            (r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)(?!\w)", Number.Float),
            (r"[0-9]+(?:_[0-9]+)*(?!\w)", Number.Integer),
            (rf"(\.)(\s*)({PLAIN})(?!\w)", bygroups(Punctuation, Whitespace, Name.Attribute)),  # type: ignore[no-untyped-call]
            (r"(:)(\s*)(decimal)(?=\s*\(\s*[0-9])", bygroups(Punctuation, Whitespace, Keyword.Type)),  # type: ignore[no-untyped-call]
            (rf"(:)(\s*)({SCALAR})\b(?!\s*[(.])", bygroups(Punctuation, Whitespace, Keyword.Type)),  # type: ignore[no-untyped-call]
            (rf"(?:list|enum)(?=\[)|table(?=\s*\()|(?<=list\[){SCALAR}\b", Keyword.Type),
            (words(("and", "or", "not", "in", "between", "is", "matches"), suffix=r"\b"), Operator.Word),
            (words(("true", "false", "null"), suffix=r"\b"), Keyword.Constant),
            (rf"{PLAIN}(?=\s*\()", called),
            (rf"{PLAIN}(?!\w)", Name),
            (r"\|", Operator),
            (r"==|!=|<=|>=|<|>|//|[-+*/%?=]", Operator),
            (r"[(\[{]", Punctuation, "inside"),
            (r"[)\]},:.]", Punctuation),
            (r"[\s\S]", Error),
        ],
        "double": [(r'"', String.Double, "#pop"), *in_text('"', String.Double)],
        "single": [(r"'", String.Single, "#pop"), *in_text("'", String.Single)],
        "long double": [(r'"""', String.Double, "#pop"), *in_text('"', String.Double)],
        "long single": [(r"'''", String.Single, "#pop"), *in_text("'", String.Single)],
    }
