"""A slot: one parameter of one call, with what is written for it.

In: what a call says, and how expressions are checked. Out: values in the slot's scopes. Law: whoever finds something
wrong reports it once and raises Failed, so that the other arguments are checked all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlm_dsl.common.source import Span
from rlm_dsl.language.check.scope import NO_ROW, ExpressionChecker, Names, Scope
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.program import Node
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Table


class Failed(Exception):
    """An argument is wrong and has been reported."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter of one call, on its way from what is written to what is meant.

    `tables` are the further tables of the call by parameter. `spans` says where arguments and new columns stand;
    columns that are found add to it.
    """

    names: Names
    operator: Operator
    parameter: Parameter
    table: Table
    written: list[t.Argument]
    call: t.Call
    tables: dict[str, Table]
    spans: dict[str, Span]
    check: ExpressionChecker

    def fail(self, code: str, message: str, span: Span, *hints: str) -> Failed:
        """The exception to raise, once the problem is reported."""
        self.names.report(code, message, span, *hints)
        return Failed()

    def value(self, expression: t.Expression, scope: Scope) -> Node:
        node = self.check(self.names, expression, scope)
        if node is None:
            raise Failed
        return node

    def in_row(self, expression: t.Expression, row: Table | None = None) -> Node:
        """A value for each row of the piped table."""
        return self.value(expression, Scope(row=row or self.table))

    def constant(self, expression: t.Expression) -> Node:
        """A value over no row, the same for all."""
        return self.value(expression, NO_ROW)

    def single(self, node: Node, span: Span) -> Node:
        """A value that a column can hold."""
        if isinstance(node.type, Table):
            raise self.fail(
                "C03",
                "a table stands where a value per row is needed",
                span,
                "reduce it to a value: count(t), first(t, col)",
            )
        return node
