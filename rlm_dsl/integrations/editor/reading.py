"""Reading a text that somebody is still writing.

In: a text, right or wrong. Out: its right statements, what is wrong with the others, and the names those would bind.
Law: never raises on any text; a statement that is wrong takes nothing away from the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.check.expressions import check_expression
from rlm_dsl.language.check.scope import NO_ROW, Names, Scope
from rlm_dsl.language.syntax.grammar import language
from rlm_dsl.language.syntax.parse import parse, parse_prefix
from rlm_dsl.language.syntax.scan import Scan, scan
from rlm_dsl.language.syntax.tokens import CLOSER, NAMES, OPENER, STATEMENT_WORDS, Token
from rlm_dsl.language.syntax.tree import Show, Tree
from rlm_dsl.language.types import Type

EMPTY = Environment()

MOST_BROKEN = 50
"""Past so many wrong statements the rest of the text is not read."""

NAME = r"(?:[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\r\n]|``)+`)"
NEXT_STATEMENT = re.compile(rf"^(?:(?:context|param|show|answer)\b|{NAME}[ \t]*=(?!=))", re.MULTILINE)
BOUND_NAME = re.compile(rf"\s*(?:(?:context|param)\s+({NAME})|({NAME})\s*=(?!=))")
WORDS_AND_GAPS = re.compile(r"[^\r\n]")
LONG_TEXT = re.compile(r"""r?(?:"{3}|'{3})""")
INFIX = re.compile(r"\||(?:and|or|in|between|is|matches)\b|[+*/%.<>]|[=!]=")


@dataclass(frozen=True, slots=True)
class Reading:
    """`tree` holds the right statements at their places; `broken` the names that wrong ones bind."""

    tree: Tree
    problems: tuple[Diagnostic, ...]
    broken: frozenset[str]


def read(text: str) -> Reading:
    """All that can be read of a text."""
    try:
        return Reading(parse(Source("", text)), (), frozenset())
    except ProgramError as failure:
        problems = failure.diagnostics
    rest, broken = text, set[str]()
    for _ in range(MOST_BROKEN):
        prefix = parse_prefix(Source("", rest))
        if not prefix.problems and not prefix.unfinished:
            return Reading(prefix.tree, problems, frozenset(broken))
        start, stop = wrong_statement(rest, prefix.end)
        if match := BOUND_NAME.match(rest, start):
            broken.add(plain_name(match[1] or match[2]))
        rest = rest[:start] + WORDS_AND_GAPS.sub(" ", rest[start:stop]) + rest[stop:]
    return Reading(parse_prefix(Source("", rest)).tree, problems, frozenset(broken))


def wrong_statement(text: str, after: int) -> tuple[int, int]:
    """From where to where the statement stands that could not be read: up to the next line that begins one."""
    found = scan(text[after:], language())
    first = after + min((word.start for word in found.tokens), default=0)
    match = NEXT_STATEMENT.search(text, first + 1)
    return (first if first > after else after), match.start() if match else len(text)


def plain_name(written: str) -> str:
    return written[1:-1].replace("``", "`") if written.startswith("`") else written


def environment_after(text: str, before: Environment) -> Environment:
    """What is bound after the right statements of a text."""
    return check(read(text).tree, before).environment


def type_of(expression: str, environment: Environment, scope: Scope = NO_ROW) -> Type | None:
    """The type of an expression as written, or None if it has none yet."""
    try:
        statements = parse(Source("", f"show {expression}")).statements
    except ProgramError:
        return None
    if len(statements) != 1 or not isinstance(statements[0], Show):
        return None
    names = Names(dict(environment.bindings), dict(environment.contexts), environment.params)
    node = check_expression(names, statements[0].value, scope)
    return None if node is None else node.type


def scanned(text: str) -> Scan:
    return scan(text, language())


def last_start(words: tuple[Token, ...], text: str) -> int:
    """The index of the word that begins the last statement, as far as words and lines tell."""
    start, depth = 0, 0
    for at, word in enumerate(words):
        unindented = word.start == 0 or text[word.start - 1] in "\r\n"
        if at and (depth == 0 or unindented) and begins_statement(words, at):
            start, depth = at, 0
        depth = max(0, depth + (word.type in CLOSER) - (word.type in OPENER))
    return start


def begins_statement(words: tuple[Token, ...], at: int) -> bool:
    word, before = words[at], words[at - 1].type if at else ""
    after = words[at + 1].type if at + 1 < len(words) else ""
    if word.type in STATEMENT_WORDS:
        return before not in ("DOT", "COMMA") and after not in ("EQUAL", "COLON", "COMMA", "DOT")
    return word.type in NAMES and after == "EQUAL" and before not in ("COLON", "COMMA", "PARAM", "CONTEXT", *CLOSER)


def is_bare(text: str) -> bool:
    """Whether a text begins with an expression instead of a statement."""
    words = scanned(text).tokens
    return bool(words) and words[0].type not in STATEMENT_WORDS and not begins_statement(words, 0)


def as_statements(text: str) -> str:
    """What a person types into a shell as statements: a bare expression is shown."""
    return f"show {text.strip()}" if is_bare(text) else text


def goes_on(text: str) -> bool:
    """Whether a text breaks off inside a statement: an open bracket, a trailing pipe, nothing behind `=`."""
    statements = as_statements(text)
    broken = (flaw.problem.span for flaw in scanned(statements).flaws if flaw.problem.code == "S02")
    if any(LONG_TEXT.match(statements, span.start) is None for span in broken):
        return False
    return parse_prefix(Source("", statements)).unfinished


def continues(line: str) -> bool:
    """Whether a line can only go on with the statement before it, as one that begins with a pipe."""
    return INFIX.match(line.lstrip()) is not None
