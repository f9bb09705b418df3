"""From the grammar's rules to nodes.

In: the parts of one rule, tokens and nodes, in order. Out: the node, with its exact place.
Law: a node's span runs from its first token to its last; parentheses around it count to its parent only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lark import Transformer

from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.tokens import Token
from rlm_dsl.language.syntax.tree import (
    Answer,
    Applied,
    Argument,
    Between,
    Binary,
    Binding,
    Call,
    Constant,
    ContextStatement,
    Dot,
    Entries,
    Entry,
    Expression,
    IsNull,
    Items,
    Maybe,
    Name,
    ParamStatement,
    Pipe,
    Show,
    Statement,
    Text,
    Unary,
)


@dataclass(frozen=True, slots=True)
class Grouped:
    """An expression in parentheses; it lives only until its parent is built."""

    inner: Expression
    span: Span


Part: TypeAlias = Any  # a Word, a node or Grouped: Lark hands them over untyped
Parts: TypeAlias = list[Any]

_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


def _span(part: Part) -> Span:
    return Span(part.start, part.end) if isinstance(part, Token) else part.span


def _bare(part: Part) -> Any:
    return part.inner if isinstance(part, Grouped) else part


def _over(parts: Parts) -> Span:
    return Span(_span(parts[0]).start, _span(parts[-1]).end)


def _nodes(parts: Iterable[Part]) -> tuple[Any, ...]:
    """The nodes between commas and brackets."""
    return tuple(_bare(part) for part in parts if not isinstance(part, Token))


class Build(Transformer[Any, tuple[Statement, ...]]):
    """One method a rule, named as the rule or its alias."""

    # ---- statements ----

    def start(self, parts: Parts) -> tuple[Statement, ...]:
        return tuple(parts)

    def context_statement(self, parts: Parts) -> ContextStatement:
        _, name, _, type_ = parts
        return ContextStatement(name.name, _bare(type_), _over(parts), name.span)

    def param_statement(self, parts: Parts) -> ParamStatement:
        _, name, _, type_, *rest = parts
        value = _bare(rest[1]) if rest else None
        return ParamStatement(name.name, _bare(type_), value, _over(parts), name.span)

    def binding(self, parts: Parts) -> Binding:
        name, _, value = parts
        return Binding(name.name, _bare(value), _over(parts), name.span)

    def show(self, parts: Parts) -> Show:
        return Show(_bare(parts[1]), _over(parts))

    def answer(self, parts: Parts) -> Answer:
        return Answer(_bare(parts[1]), _over(parts))

    # ---- operators ----

    def pipe(self, parts: Parts) -> Pipe:
        head, *rest = parts
        return Pipe(_bare(head), _nodes(rest), _over(parts))

    def binary(self, parts: Parts) -> Binary:
        left, operator, right = parts
        return Binary(operator.text, _bare(left), _bare(right), _over(parts), _span(operator))

    def not_in(self, parts: Parts) -> Binary:
        left, *operator, right = parts
        return Binary("not in", _bare(left), _bare(right), _over(parts), _over(operator))

    def unary(self, parts: Parts) -> Unary:
        return Unary(parts[0].text, _bare(parts[1]), _over(parts))

    def between(self, parts: Parts) -> Between:
        value, low, high = _nodes_and_groups(parts)
        return Between(_bare(value), _bare(low), _bare(high), False, _over(parts))

    def not_between(self, parts: Parts) -> Between:
        value, low, high = _nodes_and_groups(parts)
        return Between(_bare(value), _bare(low), _bare(high), True, _over(parts))

    def is_null(self, parts: Parts) -> IsNull:
        return IsNull(_bare(parts[0]), False, _over(parts))

    def is_not_null(self, parts: Parts) -> IsNull:
        return IsNull(_bare(parts[0]), True, _over(parts))

    def dot(self, parts: Parts) -> Dot:
        value, _, name = parts
        return Dot(_bare(value), name.name, _over(parts), name.span)

    def maybe(self, parts: Parts) -> Maybe:
        return Maybe(_bare(parts[0]), _over(parts))

    def grouped(self, parts: Parts) -> Grouped:
        return Grouped(_bare(parts[1]), _over(parts))

    # ---- calls and what stands between brackets ----

    def call(self, parts: Parts) -> Call:
        operator, inside = parts[0], _nodes(parts)
        arguments = tuple(part for part in inside if isinstance(part, Argument))
        entries = tuple(part for part in inside if isinstance(part, Entry))
        return Call(operator.text, arguments, entries, _over(parts), _span(operator))

    def applied(self, parts: Parts) -> Applied:
        return Applied(parts[0].text, _nodes(parts), _over(parts))

    def items(self, parts: Parts) -> Items:
        return Items(_nodes(parts), _over(parts))

    def entries(self, parts: Parts) -> Entries:
        return Entries(_nodes(parts), _over(parts))

    def argument(self, parts: Parts) -> Argument:
        value = _bare(parts[-1])
        if len(parts) == 1:
            return Argument(None, value, _over(parts))
        return Argument(parts[0].name, value, _over(parts), parts[0].span)

    def entry(self, parts: Parts) -> Entry:
        key, _, value = parts
        return Entry(key.name, _bare(value), _over(parts), key.span)

    # ---- names and literals ----

    def name(self, parts: Parts) -> Name:
        (token,) = parts
        quoted = token.type == "QUOTED_NAME"
        return Name(token.text[1:-1].replace("``", "`") if quoted else token.text, _span(token))

    def text_key(self, parts: Parts) -> Name:
        text: Text = parts[0].literal
        return Name(text.value, text.span)

    def literal(self, parts: Parts) -> Expression:
        literal: Expression = parts[0].literal
        return literal

    def constant(self, parts: Parts) -> Constant:
        return Constant(_CONSTANTS[parts[0].type], _span(parts[0]))


def _nodes_and_groups(parts: Parts) -> Parts:
    return [part for part in parts if not isinstance(part, Token)]
