"""Where in a program a cursor stands: in which brackets, of which call, in which argument, over which row.

In: a text, an offset, what is bound before the text. Out: a cursor, or None inside a text or comment.
Law: only what stands before the offset counts, so that a program need not be whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rlm_dsl.integrations.editor.reading import EMPTY, environment_after, last_start, plain_name, scanned, type_of
from rlm_dsl.language.check import Environment
from rlm_dsl.language.check.scope import NO_ROW, Scope
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.operators.core.registry import aggregates, table_operators
from rlm_dsl.language.syntax.tokens import CLOSER, OPENER, OPERAND_ENDS, STATEMENT_WORDS, Token
from rlm_dsl.language.types import Table, Type

SEPARATORS = frozenset({"COMMA", "EQUAL", "COLON"}) | STATEMENT_WORDS
OF_ROW = kinds.Each | kinds.Shown | kinds.Columns | kinds.Keys | kinds.SortKeys | kinds.Derived


@dataclass(frozen=True, slots=True)
class Given:
    """An argument as far as it is written: its name, if it has one, and its words."""

    name: str | None
    words: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A bracket that is open: its kind, the name of the call it belongs to, and what stands inside so far."""

    bracket: str
    call: str | None
    at: int
    given: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A frame with its meaning: the operator and its piped table, what a name means in the last argument, whose
    parameter it is, and which parameters have theirs."""

    frame: Frame
    scope: Scope
    operator: Operator | None = None
    table: Table | None = None
    parameter: Parameter | None = None
    used: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cursor:
    """The part of a word before the offset begins at `start`; `words` stand before it in its statement."""

    start: int
    words: tuple[Token, ...]
    places: tuple[Place, ...]
    environment: Environment
    text: str

    @property
    def before(self) -> Token | None:
        return self.words[-1] if self.words else None

    @property
    def inside(self) -> Place | None:
        return self.places[-1] if self.places else None

    @property
    def scope(self) -> Scope:
        return self.places[-1].scope if self.places else NO_ROW

    def type_before(self, at: int) -> Type | None:
        """The type of the expression that ends before word `at`."""
        return type_of(expression_before(self.words, at, self.text), self.environment, self.scope)


def cursor(text: str, offset: int, environment: Environment = EMPTY) -> Cursor | None:
    """The cursor at an offset; None where nothing of the language can be written."""
    head = text[:offset]
    found = scanned(head)
    if any("\n" not in head[comment.offset :] for comment in found.comments[-1:]):
        return None
    words, start = found.tokens, offset
    if words and words[-1].end == offset and (words[-1].text[0].isalpha() or words[-1].text[0] in "_`"):
        last = words[-1]
        if last.type in ("TEXT", "RAW"):
            return None
        words, start = words[:-1], last.start
    elif any(flaw.problem.code == "S02" and flaw.problem.span.end >= offset for flaw in found.flaws):
        return None
    words = words[last_start(words, head) :]
    if words and words[-1].type in OPERAND_ENDS and "\n" in head[words[-1].end : start] and not frames(words):
        words = ()
    bound = environment_after(head[: words[0].start if words else start], environment)
    return Cursor(start, words, places(words, head, bound), bound, head)


def text_start(text: str, offset: int) -> int | None:
    """Where the text in quotes begins that an offset stands in, whole or still open; None elsewhere."""
    found = scanned(text[:offset])
    broken = [f.problem.span for f in found.flaws if f.problem.code == "S02" and f.problem.span.end >= offset]
    if broken:
        return broken[-1].start
    last = found.tokens[-1] if found.tokens else None
    return last.start if last is not None and last.type in ("TEXT", "RAW") and last.end > offset else None


def frames(words: Sequence[Token]) -> tuple[Frame, ...]:
    """The open brackets, outermost first."""
    standing: list[int] = []
    for at, word in enumerate(words):
        if word.type in CLOSER:
            standing.append(at)
        elif word.type in OPENER and standing:
            standing.pop()
    return tuple(frame(words, at) for at in standing)


def frame(words: Sequence[Token], at: int) -> Frame:
    name = words[at - 1] if at and words[at].type == "LPAR" and words[at - 1].type == "NAME" else None
    return Frame(words[at].type, name.text if name else None, at, tuple(map(given, parted(words[at + 1 :]))))


def parted(words: Sequence[Token]) -> list[tuple[Token, ...]]:
    """Words parted at the commas that are in no further bracket; behind a comma there is always a part."""
    depths = accumulate((word.type in CLOSER) - (word.type in OPENER) for word in words)
    parts: list[list[Token]] = [[]]
    for word, depth in zip(words, depths, strict=True):
        if word.type == "COMMA" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [tuple(part) for part in parts]


def given(words: tuple[Token, ...]) -> Given:
    named = len(words) > 1 and words[1].type == "EQUAL"
    return Given(plain_name(words[0].text) if named else None, words[2:] if named else words)


def places(words: tuple[Token, ...], text: str, environment: Environment) -> tuple[Place, ...]:
    """Each open bracket with its meaning, from the outermost in."""
    found: list[Place] = []
    scope = NO_ROW
    for one in frames(words):
        found.append(place(one, words, text, environment, scope))
        scope = found[-1].scope
    return tuple(found)


def place(one: Frame, words: tuple[Token, ...], text: str, environment: Environment, scope: Scope) -> Place:
    """What an open bracket means, given what names mean around it."""
    operator = table_operators().get(one.call or "")
    piped = one.at >= 2 and words[one.at - 2].type == "BAR"
    if operator is None:
        return Place(one, scope)
    if not piped and scope.row is not None and one.call in aggregates():
        return Place(one, Scope(row=scope.row))
    if piped:
        type_ = type_of(expression_before(words, one.at - 2, text), environment, scope)
        arguments = one.given
    else:
        first = one.given[0] if one.given and one.given[0].name is None else None
        type_ = type_of(written(first.words, text), environment, scope) if first and first.words else None
        if len(one.given) == 1:
            return Place(one, scope)
        arguments = one.given[1:]
    table = type_ if isinstance(type_, Table) else None
    if type_ is not None and table is None:
        return Place(one, scope)
    *before, parameter = parameters_of(operator, arguments)
    used = frozenset(p.name for p in before if p is not None)
    return Place(one, row_scope(parameter, table, one, text, environment), operator, table, parameter, used)


def parameters_of(operator: Operator, given_so_far: Sequence[Given]) -> list[Parameter | None]:
    """The parameter that each of the arguments belongs to."""
    named = {argument.name for argument in given_so_far}
    free = [
        p
        for p in operator.parameters
        if not isinstance(p.kind, kinds.Derived | kinds.Aggregates) and p.name not in named
    ]
    found: list[Parameter | None] = []
    for argument in given_so_far:
        if argument.name is not None:
            own = [p for p in operator.parameters if p.name == argument.name and not p.variadic]
            found.append(next(iter(own or [p for p in operator.parameters if takes_names(p)]), None))
        else:
            found.append(free[0] if free else None)
            if free and not free[0].variadic:
                del free[0]
    return found


def takes_names(parameter: Parameter) -> bool:
    """Whether any `name=` may stand for this parameter."""
    kind = parameter.kind
    return isinstance(kind, kinds.Derived | kinds.Aggregates) or (isinstance(kind, kinds.Columns) and kind.named)


def row_scope(
    parameter: Parameter | None, table: Table | None, one: Frame, text: str, environment: Environment
) -> Scope:
    """What a bare name means in an argument of this parameter, beside what is bound."""
    if parameter is None or table is None:
        return NO_ROW
    if isinstance(parameter.kind, kinds.Aggregates):
        return Scope(row=table, grouped=True)
    if isinstance(parameter.kind, kinds.JoinCondition):
        others = (type_of(written(g.words, text), environment) for g in one.given if g.words)
        other = next((type_ for type_ in others if isinstance(type_, Table)), None)
        return Scope(row=table, left=table, right=other)
    return Scope(row=table) if isinstance(parameter.kind, OF_ROW) else NO_ROW


def expression_before(words: Sequence[Token], at: int, text: str) -> str:
    """The text of the expression that ends before word `at`."""
    depth, start = 0, at
    while start > 0:
        word = words[start - 1]
        if depth == 0 and (word.type in SEPARATORS or word.type in CLOSER):
            break
        depth += (word.type in OPENER) - (word.type in CLOSER)
        start -= 1
    return written(words[start:at], text)


def written(words: Sequence[Token], text: str) -> str:
    return text[words[0].start : words[-1].end] if words else ""
