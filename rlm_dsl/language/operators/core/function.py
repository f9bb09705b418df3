"""What a scalar function is: signature, one line of manual, SQL and examples in one value.

In: nothing. Out: `Function`, and reading its signature.
Law: the signature is both what people read and what the checker checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    TEXT,
    TIMESTAMP,
    ListOf,
    Type,
    bare,
    is_numeric,
    is_scalar,
    is_text,
)

Gives = Callable[[tuple[Type, ...]], Type | None]
"""The type of a result by those of the arguments; None where they have none in common."""


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter: `kind` is one of KINDS, `default` its SQL-free default, `rest` whether it repeats."""

    name: str
    kind: str
    default: Any = ...
    rest: bool = False


KINDS: Mapping[str, Callable[[Type], bool]] = {
    "text": is_text,
    "int": lambda t: bare(t) == INT,
    "float": is_numeric,
    "number": is_numeric,
    "bool": lambda t: bare(t) == BOOL,
    "date": lambda t: bare(t) == DATE,
    "moment": lambda t: bare(t) in (DATE, TIMESTAMP),
    "timestamp": lambda t: bare(t) == TIMESTAMP,
    "scalar": is_scalar,
    "countable": lambda t: is_text(t) or is_numeric(t) or bare(t) == BOOL,
    "any": lambda t: True,
    "list": lambda t: isinstance(bare(t), ListOf),
    "sized": lambda t: is_text(t) or isinstance(bare(t), ListOf),
    "pattern": is_text,
    "fixed": is_text,
}
"""What a parameter's kind admits. `fixed` must be a literal text, `pattern` a literal RE2 pattern."""

RESULTS: Mapping[str, Type] = {
    "text": TEXT,
    "int": INT,
    "float": FLOAT,
    "bool": BOOL,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "list[text]": ListOf(TEXT),
}

ARGUMENT = re.compile(r"(?P<name>\w+)(?P<rest>\.\.\.)?: (?P<kind>\w+)(?: = (?P<default>.+))?$")


@dataclass(frozen=True)
class Function:
    """A scalar function, written `name(argument: kind = default, rest...: kind) -> result`.

    `sql` is a template over the arguments' names, or a function from their SQL (and literal values) to SQL. A result
    written `T` is the arguments' common type and `?` adds null; otherwise a null argument gives null unless
    `takes_null`. `gives` overrides the result type where it depends on the arguments. `earlier` is the SQL of
    version 1, with which runs that were recorded by it go on.
    """

    signature: str
    summary: str
    sql: str | Callable[[Mapping[str, Any]], Sql]
    takes_null: bool = False
    gives: Gives | None = None
    examples: tuple[tuple[str, Any], ...] = ()
    symbol: str = ""
    version: int = 1
    earlier: Callable[[Mapping[str, Any]], Sql] | None = None

    @cached_property
    def name(self) -> str:
        return self.symbol or self.signature.split("(", 1)[0]

    @cached_property
    def result(self) -> str:
        return self.signature.rsplit("-> ", 1)[1]

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        inner = self.signature.split("(", 1)[1].rsplit(")", 1)[0]
        return tuple(read_input(part) for part in inner.split(", ") if part)


def read_input(text: str) -> Input:
    found = ARGUMENT.match(text)
    assert found, f"no parameter: {text!r}"
    default: Any = ...
    if found["default"]:
        default = {"null": None}.get(found["default"], found["default"].strip('"'))
        default = int(default) if isinstance(default, str) and default.lstrip("-").isdigit() else default
    return Input(found["name"], found["kind"], default, bool(found["rest"]))
