"""Calls and pipes: which operator, aggregate or function a call means, and an operator's step.

In: a call or pipe and its scope. Out: a node, or None after saying what is wrong.
Law: `x | f(y)` means `f(x, y)`.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.arguments import checked_arguments, placed_arguments
from rlm_dsl.language.check.scope import NO_ROW, Names, Scope
from rlm_dsl.language.check.values import (
    Given,
    aggregate,
    applied,
    apply_function,
    checked_operands,
    unknown_function,
    value,
)
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Refused
from rlm_dsl.language.operators.core.registry import aggregates, functions, table_operators
from rlm_dsl.language.program import Node, Step
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Table, Type, quoted_name

LONGEST_CHAIN = 200
"""Steps that may stand one on the other without a name between."""


def called(names: Names, expression: t.Pipe | t.Call, scope: Scope) -> Node | None:
    """A pipe from left to right, or a single call."""
    if isinstance(expression, t.Call):
        return _call(names, expression, scope)
    node = value(names, expression.head, scope)
    for call in expression.calls:
        if node is None:
            return None
        node = _piped(names, node, expression.head.span, call, scope)
    return node


def _call(names: Names, call: t.Call, scope: Scope) -> Node | None:
    name, first = call.operator, call.arguments[0] if call.arguments else None
    if first is not None and first.name is None and name in table_operators() and _tabular(names, first.value, scope):
        node = value(names, first.value, NO_ROW)
        rest = t.Call(name, call.arguments[1:], call.entries, call.span, call.operator_span)
        return None if node is None else operated(names, node, rest, scope)
    if scope.grouped and name in aggregates():
        return aggregate(names, call, scope)
    if name in functions():
        return applied(names, name, [(a.value, a.name) for a in call.arguments], call.span, scope)
    if name == "table" and call.entries:
        names.report("C03", "a type stands where a value is needed", call.span)
        return None
    if scope.row is None and name in table_operators():
        of_values = (f"of values: {habits.FUNCTIONS[name]}",) if name in habits.FUNCTIONS else ()
        names.report(
            "C11", f"`{name}` works on a table", call.operator_span, f"pipe one into it: t | {name}(...)", *of_values
        )
        return None
    unknown_function(names, call, scope)
    return None


def _tabular(names: Names, expression: t.Expression, scope: Scope) -> bool:
    """Whether an expression is a table by its look: a table's name, or a pipe or operator call that begins with one."""
    match expression:
        case t.Name(name):
            if scope.row is not None and scope.row.column(name) is not None:
                return False
            if name in names.bindings and names.bindings[name] is None:
                return True
            bound = names.bindings.get(name)
            return (name in names.contexts and name not in names.bindings) or (
                bound is not None and isinstance(bound.type, Table)
            )
        case t.Pipe(head):
            return _tabular(names, head, scope)
        case t.Call(operator, arguments):
            return operator in table_operators() and bool(arguments) and _tabular(names, arguments[0].value, scope)
        case _:
            return False


def _piped(names: Names, node: Node, head: Span, call: t.Call, scope: Scope) -> Node | None:
    if isinstance(node.type, Table):
        return operated(names, node, call, scope)
    if call.operator in functions():
        return _function_of(names, node, head, call, scope)
    if call.operator in table_operators():
        names.report(
            "C11", f"`{call.operator}` works on a table, and what is piped into it is {node.type}", call.operator_span
        )
        return None
    unknown_function(names, call, scope)
    return None


def _function_of(names: Names, node: Node, head: Span, call: t.Call, scope: Scope) -> Node | None:
    """A value piped into a scalar function becomes its first argument."""
    more = checked_operands(names, [(a.value, a.name) for a in call.arguments], scope)
    return None if more is None else apply_function(names, call.operator, [Given(node, head, None), *more], call.span)


def operated(names: Names, table: Node, call: t.Call, scope: Scope) -> Node | None:
    """An operator's step over a table."""
    assert isinstance(table.type, Table)
    operator = table_operators().get(call.operator)
    if operator is None:
        _unknown_operator(names, call, table.type)
        return None
    placed = placed_arguments(names, operator, table.type, call)
    if placed is None:
        return None
    arguments = checked_arguments(names, operator, table.type, placed, call)
    if arguments is None:
        return None
    inputs = (table, *arguments.inputs)
    result = _result(names, operator, arguments.values, call, arguments.spans)
    if result is None:
        return None
    step = Step(operator.name, operator.version, inputs, arguments.values.values, result, call.span)
    if step.depth > LONGEST_CHAIN:
        told = f"more than {LONGEST_CHAIN} steps stand one on the other here"
        names.report("C22", told, call.operator_span, "bind some to names")
        return None
    step.identity  # noqa: B018 - computed while its inputs' are known, so that no recursion runs deep
    return step if operator.expand is None else operator.expand(arguments.values, step)


def _result(
    names: Names, operator: Operator, arguments: Arguments, call: t.Call, spans: dict[str, Span]
) -> Type | None:
    """The operator's own last word on its arguments, and no two columns of one name (ignoring case)."""
    try:
        result = operator.result(arguments)
    except Refused as refusal:
        names.report(refusal.code, refusal.message, spans.get(refusal.argument, call.span), *refusal.hints)
        return None
    if isinstance(result, Table):
        seen: set[str] = set()
        for column in result.names:
            if names.hidden(column, spans.get(f"column {column}", spans.get("into", call.span))):
                return None
            if column.lower() in seen:
                where = spans.get(f"column {column}", spans.get("into", call.span))
                names.report(
                    "C09",
                    f"there is a column `{column}` already (names differ by more than case)",
                    where,
                    f"give the new one another name, and take the old one out later: | drop({quoted_name(column)})",
                )
                return None
            seen.add(column.lower())
    return result


def _unknown_operator(names: Names, call: t.Call, table: Table) -> None:
    name = call.operator
    if name in habits.OPERATORS:
        return names.report(
            "C02", f"no operator is called `{name}`", call.operator_span, f"write {habits.OPERATORS[name]}"
        )
    if name in functions():
        return names.report(
            "C02",
            f"`{name}` is a function of values, not of tables",
            call.operator_span,
            f"use it on a column: derive(x={name}({table.names[0]}))",
        )
    return names.report(
        "C02",
        f"no operator is called `{name}`",
        call.operator_span,
        *did_you_mean(name, sorted(table_operators()), what="operators"),
    )
