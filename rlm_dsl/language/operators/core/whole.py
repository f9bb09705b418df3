"""An aggregate over a whole table: the operator that every aggregate gives for nothing."""

from __future__ import annotations

from rlm_dsl.language.operators.core.operator import (
    REQUIRED,
    VALUE,
    AggregateFunction,
    Arguments,
    Each,
    Lowering,
    Operator,
    Parameter,
    Plain,
)
from rlm_dsl.language.program import Node
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import Type, nullable


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
        examples=aggregate.examples,
        version=aggregate.version,
    )
