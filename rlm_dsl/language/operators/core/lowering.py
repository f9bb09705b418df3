"""Lowering: what an operator writes its SQL from, and the clauses that several operators write.

In: a checked step with its inputs as relations. Out: SQL of its arguments, of keys, windows and orders.
Law: every ORDER BY ends in the table's own order, so that results depend on no thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rlm_dsl.language.operators.core.provenance import origin_list
from rlm_dsl.language.operators.core.relation import ORD, Relation
from rlm_dsl.language.program import Column, Node, SortKey, Step
from rlm_dsl.language.sql import Sql, joined, name, sql


class Expressions(Protocol):
    """Writes values as SQL, their bound names headed by `prefix`; `over_rows` gives one whose aggregates are followed
    by a window."""

    @property
    def prefix(self) -> str: ...
    def __call__(self, node: Node, hint: str = "value") -> Sql: ...
    def over_rows(self, over: Sql) -> Expressions: ...


@dataclass(frozen=True, slots=True)
class Lowering:
    """What an operator's lowering works from: its step, its inputs, and how to write a value as SQL."""

    step: Step
    inputs: tuple[Relation, ...]
    expression: Expressions
    united: bool = False

    @property
    def t(self) -> Relation:
        return self.inputs[0]

    def __getitem__(self, argument: str) -> Any:
        return self.step.arguments[argument]

    def value(self, argument: str) -> Sql:
        """The SQL of an argument that is one value."""
        return self.expression(self.step.arguments[argument], hint=argument)

    def united_origin(self, of: str = "", *, grouped: bool) -> Sql:
        """`#from` for a row made of a whole group (`grouped`) or of one row."""
        return origin_list(self.t, of, grouped=grouped)


def key_list(keys: tuple[tuple[str, Node], ...], lowering: Lowering) -> Sql:
    """The SQL of grouping keys, without names."""
    return joined(", ", (lowering.expression(node, hint=key) for key, node in keys))


def is_own(lowering: Lowering) -> bool:
    """Whether `on` is the column that holds the rows' own bytes, so that places in it are places in the source."""
    on = lowering["on"]
    return isinstance(on, Column) and on.name == lowering.t.own != ""


def partition_by(lowering: Lowering) -> Sql:
    """The head of a window over each group of `by`, empty without one."""
    by = lowering["by"]
    return sql("PARTITION BY {by} ", by=key_list(by, lowering)) if by else sql("")


def sort_list(keys: tuple[SortKey, ...], lowering: Lowering) -> Sql:
    """An ORDER BY list that ends in the table's own order, so that it is total; nulls come last either way."""
    parts = [
        sql(
            "{e} DESC NULLS LAST" if key.descending else "{e} ASC NULLS LAST",
            e=lowering.expression(key.value, hint="sort"),
        )
        for key in keys
    ]
    return joined(", ", [*parts, name(ORD)])
