"""From program text to tree.

In: a source. Out: its tree, or every problem with its form that could be told apart.
Law: any text whatever gives a tree or a ProgramError; statements that are right are read whatever stands between them.

| code | what is wrong |
|---|---|
| S01 | a word stands where something else is due |
| S02 | a text or a name in backticks does not end |
| S03 | an escape means nothing |
| S04 | a number is malformed or out of range |
| S05 | a date is malformed or not in the calendar |
| S06 | a character or quote starts no word |
| S07 | a symbol, constant, prefix or comment of another language |
| S08 | a reserved word or an odd name without backticks |
| S09 | a bracket is not closed, closes nothing, or closes another kind |
| S10 | nesting is deeper than LIMIT |
| S11 | a statement or the program ends too early, or is a bare expression |
| S12 | comparisons chain |
| S13 | a pipe leads into something that is no call, or is used as an operand |
| S14 | `=`, `:` or `==` in each other's place |
| S15 | indexing, slicing or a method call |
| S16 | a statement or word of another language |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError
from rlm_dsl.common.source import Source, Span
from rlm_dsl.language.syntax.grammar import language
from rlm_dsl.language.syntax.parse_errors import INDEX_HINT, Trouble, explain, nesting_problem
from rlm_dsl.language.syntax.scan import Flaw, Scan, scan
from rlm_dsl.language.syntax.tokens import CLOSER, NAMES, OPENER, STATEMENT_WORDS, Token
from rlm_dsl.language.syntax.tree import Applied, Call, Entry, Statement, Tree
from rlm_dsl.language.syntax.walk import walk

LIMIT = 100
MOST_PROBLEMS = 20

_TYPES_WITH_PARTS = ("list", "enum")


@dataclass(frozen=True, slots=True)
class Prefix:
    """The whole statements at the head of a text that may have been cut off.

    `end` is where the last of them ends. `unfinished` if what follows merely breaks off at the end of the text;
    otherwise `problems` holds what is wrong with it, and is empty if nothing follows.
    """

    tree: Tree
    problems: tuple[Diagnostic, ...]
    unfinished: bool
    end: int


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Where the parser stopped: the index of the token it refused, and what it would have taken."""

    at: int
    expected: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What became of one statement's tokens; `breaks_off` if they are right as far as they go."""

    statements: tuple[Statement, ...]
    problems: tuple[Diagnostic, ...]
    breaks_off: bool


def parse(source: Source) -> Tree:
    """The tree of a program; ProgramError with all its problems if its form is wrong."""
    found = scan(source.text, language())
    statements = None if found.flaws else _whole(found)
    if statements is None:
        raise ProgramError(_report(found, source.text), source)
    return _tree(found, statements)


def parse_prefix(source: Source) -> Prefix:
    """The longest run of whole statements, for a reply that was cut off in the middle of one."""
    found = scan(source.text, language())
    if not found.flaws and (whole := _whole(found)) is not None:
        return _prefix(found, [*whole], (), False)
    statements: list[Statement] = []
    for piece in _pieces(found, source.text):
        if piece.problems:
            statements += piece.statements if piece.breaks_off else ()
            problems = () if piece.breaks_off else _report(found, source.text)
            return _prefix(found, statements, problems, piece.breaks_off)
        statements += piece.statements
    return _prefix(found, statements, (), False)


def _prefix(found: Scan, good: list[Statement], problems: tuple[Diagnostic, ...], unfinished: bool) -> Prefix:
    end = good[-1].span.end if good else 0
    tree = _tree(found, tuple(good))
    if problems or unfinished:
        tree = replace(tree, comments=tuple(comment for comment in tree.comments if comment.offset < end))
    return Prefix(tree, problems, unfinished, end)


def _tree(found: Scan, statements: tuple[Statement, ...]) -> Tree:
    return Tree(statements, found.comments, found.blank_lines)


# ---- the straight way ----


def _whole(found: Scan) -> tuple[Statement, ...] | None:
    """All statements at once; None if anything is wrong with any."""
    if _too_many_brackets(found.tokens):
        return None
    read = _feed(found.tokens)
    if isinstance(read, _Refusal) or any(True for statement in read for _ in _misuse(statement)):
        return None
    return read


def _feed(tokens: Sequence[Token]) -> tuple[Statement, ...] | _Refusal:
    """What the grammar makes of the tokens, or where it stops."""
    from lark.exceptions import UnexpectedToken

    cursor: Any = language().parser.parse_interactive("")
    read = None
    for at, token in enumerate((*tokens, Token("$END", "", 0, 0))):
        try:
            read = cursor.feed_token(token)
        except UnexpectedToken:
            return _Refusal(at, frozenset(cursor.accepts()))
    return cast("tuple[Statement, ...]", read)


def _misuse(statement: Statement) -> Iterator[Diagnostic]:
    """What the grammar takes and the language does not."""
    for node, depth in walk(statement):
        if depth > LIMIT:
            yield nesting_problem(node.span, LIMIT)
            return
        match node:
            case Applied(name) if name not in _TYPES_WITH_PARTS:
                yield _no_brackets(name, node.span)
            case Call(operator, _, (entry, *_)) if operator != "table":
                hint = f"write `{entry.name}=...`"
                yield Diagnostic("S14", "an argument is `name=value`", entry.name_span, (hint,))
            case Entry(name) if not name or any(character < " " for character in name):
                yield Diagnostic("S08", "a name has letters, and no line ends", node.name_span)


def _no_brackets(name: str, span: Span) -> Diagnostic:
    """`x[0]` or the spelling of a type elsewhere."""
    if name.lower() in _TYPES_WITH_PARTS:
        return Diagnostic("S15", f"`{name}` is not a type", span, (f"write `{name.lower()}[...]`",))
    if name == "Optional":
        return Diagnostic("S15", "`Optional` is not a type", span, ("a type that may be null is written T?",))
    return Diagnostic("S15", "there is no indexing", span, (INDEX_HINT,))


# ---- the way around faults: statement by statement ----


def _report(found: Scan, text: str) -> tuple[Diagnostic, ...]:
    """Every problem in the order of the text, up to as many as anyone reads."""
    problems: list[Diagnostic] = []
    for piece in _pieces(found, text):
        problems += sorted(piece.problems, key=lambda problem: problem.span.start)
        if len(problems) > MOST_PROBLEMS:
            last = problems[MOST_PROBLEMS - 1]
            return (*problems[: MOST_PROBLEMS - 1], replace(last, hints=(*last.hints, "more problems follow this one")))
    return tuple(problems) or (_refused_as_a_whole(found, text),)


def _refused_as_a_whole(found: Scan, text: str) -> Diagnostic:
    """The parser's own verdict, should the statements be right one by one and wrong together."""
    read = _feed(found.tokens)
    at, expected = (read.at, read.expected) if isinstance(read, _Refusal) else (len(found.tokens), frozenset({"$END"}))
    return explain(Trouble((*found.tokens, _end(text)), at, expected, at == len(found.tokens)))


def _end(text: str) -> Token:
    return Token("$END", "", len(text), len(text))


def _pieces(found: Scan, text: str) -> Iterator[_Piece]:
    """The statements one by one; a fault in one leaves the others whole."""
    starts = [*_starts(found.tokens, text), len(found.tokens)]
    flaws = deque(sorted(found.flaws, key=lambda flaw: flaw.problem.span.start))
    for start, stop in pairwise(starts):
        after = found.tokens[stop] if stop < len(found.tokens) else _end(text)
        mine = []
        while flaws and (after.type == "$END" or flaws[0].problem.span.start < after.start):
            mine.append(flaws.popleft())
        yield _piece(found.tokens[start:stop], after, mine, text)


def _piece(tokens: Sequence[Token], after: Token, flaws: Sequence[Flaw], text: str) -> _Piece:
    """One statement: its flaws, then what the grammar says as far as the flaws leave it something to say."""
    if (deep := _too_many_brackets(tokens)) is not None:
        return _Piece((), (*(flaw.problem for flaw in flaws), deep), False)
    read = _feed(tokens)
    problems = [flaw.problem for flaw in flaws]
    if not isinstance(read, _Refusal):
        problems += [problem for statement in read for problem in _misuse(statement)]
        cut = bool(problems) and _is_cut(problems, after, text)
        return _Piece(() if problems else read, tuple(problems), cut)
    trouble = Trouble((*tokens, after), read.at, read.expected, read.at == len(tokens))
    cut = (trouble.early or _may_grow(trouble, text) or bool(problems)) and _is_cut(problems, after, text)
    if all(flaw.mended or flaw.problem.span.start > trouble.refused.start for flaw in flaws):
        problems.append(explain(trouble))
    return _Piece(_before_a_lone_name(tokens, trouble), tuple(problems), cut)


def _before_a_lone_name(tokens: Sequence[Token], trouble: Trouble) -> tuple[Statement, ...]:
    """The whole statements before a last token that may have become the name of a binding."""
    read = _feed(tokens[:-1]) if trouble.early and trouble.heads_statement else ()
    return () if isinstance(read, _Refusal) else read


def _is_cut(flaws: Sequence[Diagnostic], after: Token, text: str) -> bool:
    """Whether the text just breaks off: its one broken token, if it has any, is the last."""
    end = len(text.rstrip())
    return after.type == "$END" and all(
        flaw.span.end >= end and (flaw.code in _CUT_WORDS or text.endswith("!")) for flaw in flaws
    )


def _may_grow(trouble: Trouble, text: str) -> bool:
    """Whether the refused token is the text's last and may be the beginning of another: `=` of `==`, `betw`."""
    token = trouble.refused
    return token.end == len(text) and (token.type in ("EQUAL", "COMPARISON") or token.text.isalpha())


_CUT_WORDS = frozenset({"S02", "S04", "S05"})


def _too_many_brackets(tokens: Sequence[Token]) -> Diagnostic | None:
    depth = 0
    for token in tokens:
        depth += (token.type in CLOSER) - (token.type in OPENER)
        if depth > LIMIT:
            return nesting_problem(token.span, LIMIT)
    return None


def _starts(tokens: Sequence[Token], text: str) -> list[int]:
    """Where statements begin, as far as can be told from tokens and lines alone."""
    starts, depth = [0], 0
    for at, token in enumerate(tokens):
        if at and _begins(tokens, at, depth, text):
            starts.append(at)
            depth = 0
        depth = max(0, depth + (token.type in CLOSER) - (token.type in OPENER))
    return starts


def _begins(tokens: Sequence[Token], at: int, depth: int, text: str) -> bool:
    """Inside brackets only a line's first token can begin a statement: then a bracket was left open."""
    token, before = tokens[at], tokens[at - 1].type
    after = tokens[at + 1].type if at + 1 < len(tokens) else ""
    if token.type in STATEMENT_WORDS:
        return before != "DOT" and (depth == 0 or (token.fresh and after not in _NOT_BEHIND_STATEMENT_WORDS))
    if token.type not in NAMES or after != "EQUAL" or before in ("COLON", "PARAM", "CONTEXT"):
        return False
    unindented = text[token.start - 1] == "\n"
    return depth == 0 or (unindented and before not in CLOSER and before != "COMMA")


_NOT_BEHIND_STATEMENT_WORDS = frozenset({"EQUAL", "COLON", "COMMA", "RPAR", "RSQB", "RBRACE", "DOT", "COMPARISON"})
