"""Aggregate functions, and the operator over a whole table that each gives for nothing.

In: nothing. Out: the value that an aggregate's file fills in; `sum(t, x)` from `sum(x)`.
Law: over a whole table an aggregate is null where there are no rows, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlm_dsl.language.operators.core.kinds import Each, Plain
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import REQUIRED, Arguments, Parameter
from rlm_dsl.language.operators.core.relation import VALUE
from rlm_dsl.language.program import Node
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import Type, nullable


@dataclass(frozen=True, slots=True)
class Partial:
    """An aggregate in two steps: what is kept of each part of a group, and the whole group's value from what was kept
    of its parts, given by names. The value is the same in whatever order the parts come, to the last bit."""

    kept: tuple[Sql, ...]
    whole: Callable[[tuple[Sql, ...]], Sql]


def not_in_parts(values: tuple[Sql, ...], types: tuple[Type, ...]) -> Partial | None:
    """All of a group's rows have to be there."""
    return None


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """An aggregate: over a group's rows inside `group`, and over a whole table as an operator of the same name.

    `parameters` name its expressions (`any`, `number`, `measure`, `bool`, `text`, `ordered`, or `fraction` for a
    constant from 0 to 1); `result` gives the type over a group with at least one row; over a whole table, which may be
    empty, it is nullable unless `never_null`. `lower` writes it from its arguments' SQL, the argument types, and what
    follows each of the engine's aggregates in it: nothing in a group, ` OVER (...)` for the rows so far.
    """

    name: str
    summary: str
    parameters: tuple[tuple[str, str], ...]
    result: Callable[[tuple[Type, ...]], Type]
    lower: Callable[[tuple[Sql, ...], tuple[Type, ...], Sql], Sql]
    never_null: bool = False
    optional: int = 0
    words: str = ""
    """What it gives, as a phrase for `explain`."""
    partial: Callable[[tuple[Sql, ...], tuple[Type, ...]], Partial | None] = not_in_parts
    """How it is made of the parts of a group; None where all of its rows have to be there."""
    examples: tuple[Example, ...] = ()
    version: int = 1

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(parameter for parameter, _ in self.parameters)})"


def whole_table(aggregate: AggregateFunction) -> Operator:
    """`sum(t, x)` from `sum(x)`: one value over all rows, null for an empty table unless the aggregate says other."""
    last = len(aggregate.parameters) - aggregate.optional

    def given(arguments: Arguments) -> tuple[Node, ...]:
        return tuple(arguments[p] for p, _ in aggregate.parameters if arguments[p] is not None)

    def result(arguments: Arguments) -> Type:
        type_ = aggregate.result(tuple(node.type for node in given(arguments)))
        return type_ if aggregate.never_null else nullable(type_)

    def lower(lowering: Lowering) -> Sql:
        nodes = [lowering[p] for p, _ in aggregate.parameters if lowering[p] is not None]
        written = tuple(lowering.expression(node, hint=aggregate.name) for node in nodes)
        value = aggregate.lower(written, tuple(node.type for node in nodes), sql(""))
        return sql("SELECT {value} AS {v} FROM {t}", value=value, v=name(VALUE), t=lowering.t.sql)

    return Operator(
        name=aggregate.name,
        summary=f"to a value: {aggregate.summary}",
        parameters=tuple(
            Parameter(parameter, Plain() if kind == "plain" else Each(), REQUIRED if index < last else None)
            for index, (parameter, kind) in enumerate(aggregate.parameters)
        ),
        result=result,
        lower=lower,
        order="a value",
        origin="the rows of the table",
        reads_named=True,
        words=f"gives {aggregate.words}",
        examples=aggregate.examples,
        version=aggregate.version,
    )
