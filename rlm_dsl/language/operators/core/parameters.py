"""Parameters of an operator, and the checked arguments of one use of it.

In: kinds. Out: the parameter with its default, the arguments by name, a refusal of arguments that do not go together.
Law: what a parameter takes is its kind's matter; what arguments mean together is the operator's, which refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.language.operators.core.kinds import Aggregates, Columns, Derived, Kind, SortKeys
from rlm_dsl.language.program import Instruction
from rlm_dsl.language.types import Table

VARIADIC = Columns | SortKeys | Derived | Aggregates

REQUIRED: Any = object()
"""The default of a parameter that has none."""
ONLY_TEXT: Any = object()
"""The default of `on`: the table's only text column, or of several the one called `text`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an operator; `shown` is how the card writes it, if not by its name and default. One that is
    `optional` is no part of a step that does not name it: such a step is what it was before there was the argument."""

    name: str
    kind: Kind
    default: Any = REQUIRED
    shown: str = ""
    optional: bool = False

    @property
    def variadic(self) -> bool:
        return isinstance(self.kind, VARIADIC)

    @property
    def signature(self) -> str:
        """How the card writes it: `pattern`, `on=`, `invert=false`."""
        if self.shown:
            return self.shown
        if self.default is REQUIRED:
            return self.name
        if self.default in (ONLY_TEXT, None) or isinstance(self.default, tuple | Instruction):
            return f"{self.name}="
        shown = {True: "true", False: "false"}.get(self.default, self.default)
        return (
            f'{self.name}="{shown}"'
            if isinstance(shown, str) and shown not in ("true", "false")
            else (f"{self.name}={shown}")
        )


class Refused(Exception):
    """Arguments that fit one by one but not together: which argument, what is wrong, what to do instead."""

    def __init__(self, argument: str, message: str, *hints: str, code: str = "C20") -> None:
        self.argument, self.message, self.hints, self.code = argument, message, hints, code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The checked arguments of one use: `table` is the piped table's type, `values` the rest by name."""

    table: Table
    values: Mapping[str, Any]
    tables: Mapping[str, Table] = field(default_factory=dict)

    def __getitem__(self, argument: str) -> Any:
        return self.values[argument]
