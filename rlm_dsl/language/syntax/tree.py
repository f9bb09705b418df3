"""The syntax tree: what was written, with its places and comments, before any name has a meaning.

In: nothing. Out: immutable nodes. Law: nodes that differ only in places are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from rlm_dsl.common.source import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class Number:
    """An int or float literal; a number of more digits than its float prints is kept as it is written."""

    value: int | float | Decimal
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal. `raw` is true for r"..." (a pattern's usual form)."""

    value: str
    raw: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """`true`, `false` or `null` (None)."""

    value: bool | None
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or timestamp literal: ISO text without the `@`, such as 2024-03-01 or 2024-03-01T10:00:00."""

    text: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A bare or backticked name."""

    name: str
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Items:
    """A list `[a, b]`; an item may be named, as in `by=[month=month(sent)]`."""

    items: tuple[Argument, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One `name: value` of a record or of a `table(...)` type."""

    name: str
    value: Expression
    span: Span = field(default=NOWHERE, compare=False)
    name_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Entries:
    """A record `{name: value}`, as value or type."""

    entries: tuple[Entry, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument (name None) or a keyword argument `name=value`."""

    name: str | None
    value: Expression
    span: Span = field(default=NOWHERE, compare=False)
    name_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`operator(arguments)`. In `table(id: int)` the arguments are Entries' entries, kept in `entries`."""

    operator: str
    arguments: tuple[Argument, ...]
    entries: tuple[Entry, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    operator_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Pipe:
    """`head | f(x) | g(y)`; each call takes what stands before it as its first argument."""

    head: Expression
    calls: tuple[Call, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    operator: str
    operand: Expression
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`a op b`; op is one of + - * / // % == != < <= > >= and or in `not in` matches."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(default=NOWHERE, compare=False)
    operator_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Between:
    """`x between low and high`, both ends included; `negated` for `x not between`."""

    value: Expression
    low: Expression
    high: Expression
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class IsNull:
    """`x is null`, `x is not null`."""

    value: Expression
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Dot:
    """`record.field`, `left.column`."""

    value: Expression
    name: str
    span: Span = field(default=NOWHERE, compare=False)
    name_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """A type with parts in brackets: `list[text]`, `enum["a", "b"]`."""

    name: str
    items: tuple[Expression, ...]
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Maybe:
    """`T?`."""

    of: Expression
    span: Span = field(default=NOWHERE, compare=False)


Expression: TypeAlias = (
    Number | Text | Constant | Moment | Name | Items | Entries | Call | Pipe
    | Unary | Binary | Between | IsNull | Dot | Applied | Maybe
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#` comment: its text without `#` and outer blanks. `offset` is where the `#` stands."""

    text: str
    own_line: bool
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ContextStatement:
    """`context name: type`."""

    name: str
    type: Expression
    span: Span = field(default=NOWHERE, compare=False)
    name_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ParamStatement:
    """`param name: type = value`; without a value it must be given at run time."""

    name: str
    type: Expression
    value: Expression | None
    span: Span = field(default=NOWHERE, compare=False)
    name_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """`name = expression`."""

    name: str
    value: Expression
    span: Span = field(default=NOWHERE, compare=False)
    name_span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Show:
    """`show expression`."""

    value: Expression
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """`answer expression`."""

    value: Expression
    span: Span = field(default=NOWHERE, compare=False)


Statement: TypeAlias = ContextStatement | ParamStatement | Binding | Show | Answer


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole program. Comments stand in the order of their offsets and take no part in equality.

    `blank_lines` holds an offset within each run of blank lines, so that the formatter can keep one of them.
    """

    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)
    blank_lines: tuple[int, ...] = field(default=(), compare=False)
