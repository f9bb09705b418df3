"""The names that a program binds: where each is bound and read, what it would be to call it otherwise.

In: a text, right or wrong, an offset, what is bound in it. Out: places. Law: a name that means a column where it stands
is no place of the binding of that name; a rename is refused where another name could be meant by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Span
from rlm_dsl.integrations.editor.cursor import cursor
from rlm_dsl.integrations.editor.reading import begins_statement, plain_name, read, scanned
from rlm_dsl.language.check import Environment
from rlm_dsl.language.names import check_name
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.tokens import CLOSER, NAMES, OPENER, Token
from rlm_dsl.language.types import Table

NEW = kinds.NewName | kinds.ResultType | kinds.ColumnTypes
"""What takes words that are no names of anything bound."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A statement by what it binds: `kind` is context, param, binding, show or answer."""

    name: str
    kind: str
    detail: str
    span: Span
    name_span: Span


@dataclass(frozen=True, slots=True)
class Word:
    """A name as it stands in a text: `at` is its place among the words of its statement, `depth` its brackets."""

    token: Token
    statement: tuple[Token, ...]
    at: int
    depth: int

    @property
    def name(self) -> str:
        return plain_name(self.token.text)

    @property
    def before(self) -> str:
        return self.statement[self.at - 1].type if self.at else ""

    @property
    def after(self) -> str:
        return self.statement[self.at + 1].type if self.at + 1 < len(self.statement) else ""

    @property
    def binds(self) -> bool:
        """Whether its statement binds it."""
        return self.before in ("CONTEXT", "PARAM") or (self.depth == 0 and self.at == 0 and self.after == "EQUAL")


def symbols(text: str, environment: Environment) -> Iterator[Symbol]:
    """Every statement that can be read, in the order of the text."""
    types = {**environment.contexts, **{name: node.type for name, node in environment.bindings.items()}}
    for statement in read(text).tree.statements:
        match statement:
            case t.ContextStatement(name) | t.ParamStatement(name) | t.Binding(name):
                kind = {t.ContextStatement: "context", t.ParamStatement: "param"}.get(type(statement), "binding")
                yield Symbol(name, kind, str(types.get(name, "")), statement.span, statement.name_span)
            case t.Show() | t.Answer():
                kind = "show" if isinstance(statement, t.Show) else "answer"
                start = statement.span.start
                yield Symbol(kind, kind, "", statement.span, Span(start, start + len(kind)))


def definition(text: str, offset: int, environment: Environment) -> Span | None:
    """Where the name at an offset is bound; of a column, where it is made or declared."""
    words = list(names_in(text))
    here = word_at(words, offset)
    if here is None:
        return None
    if here.binds or means_bound(here, text, environment):
        return next((each.token.span for each in words if each.binds and each.name == here.name), None)
    earlier = [each for each in words if each.name == here.name and each.token.start <= offset and makes_column(each)]
    return earlier[-1].token.span if earlier else None


def references(text: str, offset: int, environment: Environment) -> list[Span]:
    """Every place of the bound name at an offset, that where it is bound among them."""
    words = list(names_in(text))
    here = word_at(words, offset)
    if here is None or not (here.binds or means_bound(here, text, environment)):
        return []
    same = [each for each in words if each.name == here.name]
    return [each.token.span for each in same if each.binds or means_bound(each, text, environment)]


def rename(text: str, offset: int, new: str, environment: Environment) -> list[Span]:
    """The places to write another name to. Raises UserError where that could not be, or would mean something else."""
    found = references(text, offset, environment)
    if not found:
        raise UserError("this is no name that a statement binds", "columns are renamed with select or derive")
    check_name(new)
    if any(each.binds and each.name == new for each in names_in(text)) or new in environment.contexts:
        raise UserError(f"`{new}` is bound already", "choose another name")
    tables = [*environment.contexts.values(), *(node.type for node in environment.bindings.values())]
    if any(isinstance(table, Table) and table.column(new) is not None for table in tables):
        raise UserError(f"a column is called `{new}`, and would be meant before it", "choose another name")
    return found


def names_in(text: str) -> Iterator[Word]:
    """Every name of a text that is no call."""
    for statement in statements(scanned(text).tokens):
        depth = 0
        for at, token in enumerate(statement):
            depth = max(0, depth + (token.type in CLOSER) - (token.type in OPENER))
            called = at + 1 < len(statement) and statement[at + 1].type == "LPAR"
            if token.type in NAMES and not called:
                yield Word(token, statement, at, depth)


def statements(words: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """The words of each statement."""
    start, depth, held = 0, 0, tuple(words)
    for at, word in enumerate(held):
        if at > start and (depth == 0 or word.fresh) and begins_statement(held, at):
            yield held[start:at]
            start, depth = at, 0
        depth = max(0, depth + (word.type in CLOSER) - (word.type in OPENER))
    if start < len(held):
        yield held[start:]


def word_at(words: Sequence[Word], offset: int) -> Word | None:
    touching = [each for each in words if each.token.start <= offset <= each.token.end]
    return touching[-1] if touching else None


def means_bound(word: Word, text: str, environment: Environment) -> bool:
    """Whether a name stands for what a statement binds, and for no column, argument or field."""
    first = word.statement[0].type
    equals = next((at for at, each in enumerate(word.statement) if each.type == "EQUAL"), len(word.statement))
    if first in ("CONTEXT", "PARAM") and (first == "CONTEXT" or word.at < equals):
        return False
    if word.before == "DOT" or (word.depth and word.after in ("EQUAL", "COLON")):
        return False
    if word.depth == 0:
        return True
    start, end = word.statement[0].start, word.statement[-1].end
    place = cursor(text[start:end], word.token.start - start, environment)
    if place is None:
        return False
    if any(each.parameter is not None and isinstance(each.parameter.kind, NEW) for each in place.places):
        return False
    return place.scope.row is None or place.scope.row.column(word.name) is None


def makes_column(word: Word) -> bool:
    """Whether a column of this name is declared or made here: `name: type`, `into=name`, `derive(name=...)`."""
    if word.depth == 0:
        return False
    if word.after == "COLON":
        return True
    if word.before == "EQUAL" and word.at > 1:
        return word.statement[word.at - 2].text == "into"
    return word.after == "EQUAL" and not is_argument(word)


def is_argument(word: Word) -> bool:
    """Whether a name before `=` is that of one of the call's parameters."""
    depth = 0
    for at in range(word.at - 1, 0, -1):
        each = word.statement[at]
        depth += (each.type in OPENER) - (each.type in CLOSER)
        if depth < 0:
            operator = table_operators().get(word.statement[at - 1].text)
            return operator is not None and any(p.name == word.name and not p.variadic for p in operator.parameters)
    return False
