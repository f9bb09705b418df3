"""The kinds of parameters: what may be written for an operator's argument.

In: nothing. Out: a value for each kind, which operators name and the checker, the manual and editors match on.
Law: a kind says what is written and what it means to the checker; how it becomes SQL is the operator's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rlm_dsl.language.types import Type


@dataclass(frozen=True, slots=True)
class Rows:
    """Another table."""


@dataclass(frozen=True, slots=True)
class Each:
    """An expression evaluated for each row. `of` is text, bool or any."""

    of: Literal["text", "bool", "any"] = "any"


@dataclass(frozen=True, slots=True)
class Shown:
    """The columns that a model is shown: one text expression, or a list of columns shown by name."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Any number of columns, and `new=expression` among them where `named` is true."""

    named: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """A column, or a list of columns and of `name=expression`, to make groups by."""


@dataclass(frozen=True, slots=True)
class SortKeys:
    """Any number of expressions to sort by, `-x` for descending."""


@dataclass(frozen=True, slots=True)
class Constant:
    """An expression over no row: a literal, param or earlier value, of type `of`."""

    of: Type


@dataclass(frozen=True, slots=True)
class Flag:
    """`true` or `false`, written out."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A text, written out."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An RE2 pattern: a literal, or a name bound to one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few texts, or, where `pattern` is true, an RE2 pattern."""

    values: tuple[str, ...]
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class ResultType:
    """A type expression; where `record` is true, a record of column types."""

    record: bool = False


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """A record `{column: type}` for columns that a pattern names."""


@dataclass(frozen=True, slots=True)
class Words:
    """An instruction to a model; `{name}` inserts an earlier value."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A closed set of at least two texts: a list literal, a param or an earlier list."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A positive number for each of some labels: `{label: number}`, written out."""


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """A list of records, each a `text` as it is shown and its right answer's fields, written out."""


@dataclass(frozen=True, slots=True)
class NewName:
    """The name of a column to be made."""


@dataclass(frozen=True, slots=True)
class OfBoth:
    """Text columns of the piped table and of the other one, at least one of each; a name that both have means both."""


@dataclass(frozen=True, slots=True)
class JoinCondition:
    """A column, a list of columns, or a condition over `left.` and `right.` columns."""


@dataclass(frozen=True, slots=True)
class Derived:
    """Any number of `name=expression`; later ones may use earlier ones."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Any number of `name=aggregate(...)`."""


Kind: TypeAlias = (
    Rows
    | Each
    | Shown
    | Columns
    | Keys
    | SortKeys
    | Constant
    | Flag
    | Plain
    | Pattern
    | Choice
    | ResultType
    | ColumnTypes
    | Words
    | Labels
    | Demonstrations
    | Numbers
    | NewName
    | JoinCondition
    | OfBoth
    | Derived
    | Aggregates
)
