"""What names mean at a place of a program, and the problems found so far.

In: contexts, params and bindings. Out: look-ups; a list of diagnostics that only grows.
Law: a name that failed to check is known as broken, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.source import Span
from rlm_dsl.language.program import Node
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Table


@dataclass(frozen=True, slots=True)
class Environment:
    """What stands before a program's first line: contexts' types, bound names, given values of params. `versions` are
    those of the operators by which a recorded program is read again; None for today's."""

    contexts: Mapping[str, Table] = field(default_factory=dict)
    bindings: Mapping[str, Node] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a bare name may mean here beside bindings: columns of `row`, `left.` and `right.` of a join.

    In `grouped` a column must stand inside an aggregate.
    """

    row: Table | None = None
    left: Table | None = None
    right: Table | None = None
    grouped: bool = False


NO_ROW = Scope()


class ExpressionChecker(Protocol):
    """Checks an expression: handed down to whatever checks a part of the language that holds expressions."""

    def __call__(self, names: Names, expression: t.Expression, scope: Scope = NO_ROW) -> Node | None: ...


@dataclass(slots=True)
class Names:
    """The names bound so far. A broken one is bound to None."""

    bindings: dict[str, Node | None]
    contexts: Mapping[str, Table]
    params: Mapping[str, Any]
    versions: Mapping[str, int] | None = None
    problems: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, span: Span, *hints: str) -> None:
        """Note a problem; whoever reports gives up on what was wrong."""
        self.problems.append(Diagnostic(code, message, span, hints))

    def hidden(self, name: str, span: Span) -> bool:
        """Whether a name is of the kind that hidden columns and tables have, which is then reported."""
        if name.startswith("#"):
            self.report("C23", f"`{name}` begins with #, as names of the engine's own do", span, "leave the # out")
        return name.startswith("#")

    def warn(self, code: str, message: str, span: Span, *hints: str) -> None:
        """Note what is allowed and may surprise."""
        self.warnings.append(Diagnostic(code, message, span, hints, "warning"))

    def known(self) -> list[str]:
        return [*self.bindings, *(name for name in self.contexts if name not in self.bindings)]
