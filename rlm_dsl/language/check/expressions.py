"""Expressions to typed nodes: the one recursion, over an expression's parts.

In: a tree expression and its scope. Out: a node, or None after saying what is wrong.
Laws: every problem is reported where it is, once; nothing is guessed; `x | f(y)` means `f(x, y)`.

What stands below and needs expressions in turn (steps, their arguments, aggregates) is handed `check_expression`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.aggregates import check_aggregate
from rlm_dsl.language.check.function_rules import COMPARISONS
from rlm_dsl.language.check.functions import Given, apply_function, unknown_function
from rlm_dsl.language.check.literals import list_literal, moment_literal, number_literal, record_literal
from rlm_dsl.language.check.names import (
    is_known,
    is_unknown,
    only_table,
    report_no_table,
    resolve_field,
    resolve_name,
    side_column,
)
from rlm_dsl.language.check.scope import NO_ROW, Names, Scope
from rlm_dsl.language.check.steps import check_step
from rlm_dsl.language.operators.core.registry import aggregates, functions, table_operators
from rlm_dsl.language.program import Apply, Literal, Node
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import BOOL, NULL, TEXT, Table

Operand = tuple[t.Expression, str | None]
"""What a function is applied to, as written, and its keyword."""


def check_expression(names: Names, expression: t.Expression, scope: Scope = NO_ROW) -> Node | None:
    """The node an expression means in a scope."""
    match expression:
        case t.Number(number):
            return number_literal(names, number, expression.span)
        case t.Text(text, raw):
            return Literal(text, TEXT, raw)
        case t.Constant(constant):
            return Literal(constant, NULL if constant is None else BOOL)
        case t.Moment(text):
            return moment_literal(text)
        case t.Name(name):
            return resolve_name(names, name, expression.span, scope)
        case t.Items(items):
            return _list(names, items, expression.span, scope)
        case t.Entries(entries):
            values = [check_expression(names, entry.value, scope) for entry in entries]
            return record_literal(names, entries, values)
        case t.Pipe():
            return _pipe(names, expression, scope)
        case t.Call():
            return _call(names, expression, scope)
        case t.Unary("-", t.Number(number)):
            return number_literal(names, negative(number), expression.span)
        case t.Unary(operator, operand):
            symbol = {"-": "negate"}.get(operator, operator)
            return _applied(names, symbol, [(operand, None)], expression.span, scope)
        case t.Binary("not in", left, right):
            inner = _applied(names, "in", [(left, None), (right, None)], expression.span, scope)
            return None if inner is None else Apply("not", (inner,), inner.type)
        case t.Binary(operator, left, right):
            if operator in COMPARISONS and (other := _compared_to_null(left, right)) is not None:
                _report_null_comparison(names, expression)
                check_expression(names, other, scope)
                return None
            return _applied(names, operator, [(left, None), (right, None)], expression.span, scope)
        case t.Between(operand, low, high, negated):
            inner = _applied(names, "between", [(operand, None), (low, None), (high, None)], expression.span, scope)
            return Apply("not", (inner,), inner.type) if negated and inner else inner
        case t.IsNull(operand, negated):
            inner = _applied(names, "is null", [(operand, None)], expression.span, scope)
            return Apply("not", (inner,), BOOL) if negated and inner else inner
        case t.Dot():
            return _field(names, expression, scope)
        case t.Applied() | t.Maybe():
            names.report("C03", "a type stands where a value is needed", expression.span)
            return None


def negative(number: int | float | Decimal) -> int | float | Decimal:
    return number.copy_negate() if isinstance(number, Decimal) else -number


def _list(names: Names, items: tuple[t.Argument, ...], span: Span, scope: Scope) -> Node | None:
    for item in items:
        if item.name is not None:
            names.report("C03", "a list of values has no names", item.name_span, "write a record: {name: value}")
            return None
    checked = [check_expression(names, item.value, scope) for item in items]
    nodes = [node for node in checked if node is not None]
    return list_literal(names, nodes, span) if len(nodes) == len(items) else None


def _field(names: Names, dot: t.Dot, scope: Scope) -> Node | None:
    if isinstance(dot.value, t.Name):
        side = {"left": scope.left, "right": scope.right}.get(dot.value.name)
        if side:
            return side_column(names, dot, side, dot.value.name)
    inner = check_expression(names, dot.value, scope)
    return None if inner is None else resolve_field(names, inner, dot)


# Functions


def _applied(names: Names, function: str, operands: Sequence[Operand], span: Span, scope: Scope) -> Node | None:
    """A scalar function or an expression's operator."""
    given = _given(names, operands, scope)
    return None if given is None else apply_function(names, function, given, span)


def _given(names: Names, operands: Sequence[Operand], scope: Scope) -> list[Given] | None:
    """Every operand checked; None if one of them is wrong."""
    nodes = [check_expression(names, expression, scope) for expression, _ in operands]
    given = [Given(n, e.span, k) for n, (e, k) in zip(nodes, operands, strict=True) if n is not None]
    return given if len(given) == len(nodes) else None


def _compared_to_null(left: t.Expression, right: t.Expression) -> t.Expression | None:
    """What is compared with the constant null."""
    for side, other in ((left, right), (right, left)):
        if isinstance(side, t.Constant) and side.value is None:
            return other
    return None


def _report_null_comparison(names: Names, comparison: t.Binary) -> None:
    word = "is null" if comparison.operator == "==" else "is not null"
    names.report("C03", f"`{comparison.operator} null` is never true", comparison.span, f"write `x {word}`")


# Calls and pipes


def _pipe(names: Names, pipe: t.Pipe, scope: Scope) -> Node | None:
    """A pipe from left to right."""
    if isinstance(pipe.head, t.Name) and is_unknown(names, pipe.head.name, scope):
        report_no_table(names, pipe.head.name, pipe.head.span)
        return None
    node = check_expression(names, pipe.head, scope)
    for call in pipe.calls:
        if node is None:
            return None
        node = _piped(names, node, pipe.head.span, call, scope)
    return node


def _piped(names: Names, node: Node, head: Span, call: t.Call, scope: Scope) -> Node | None:
    """What is piped is the call's first argument."""
    if isinstance(node.type, Table):
        return check_step(names, node, call, check_expression)
    if call.operator in functions():
        more = _given(names, [(a.value, a.name) for a in call.arguments], scope)
        given = None if more is None else [Given(node, head, None), *more]
        return None if given is None else apply_function(names, call.operator, given, call.span)
    if call.operator in table_operators():
        names.report(
            "C11", f"`{call.operator}` works on a table, and what is piped into it is {node.type}", call.operator_span
        )
        return None
    unknown_function(names, call, scope)
    return None


def _call(names: Names, call: t.Call, scope: Scope) -> Node | None:
    """Which operator, aggregate or function a call means."""
    name, first = call.operator, call.arguments[0] if call.arguments else None
    if first is not None and first.name is None and name in table_operators() and _tabular(names, first.value, scope):
        node = check_expression(names, first.value, NO_ROW)
        rest = t.Call(name, call.arguments[1:], call.entries, call.span, call.operator_span)
        return None if node is None else check_step(names, node, rest, check_expression)
    if scope.grouped and name in aggregates():
        return check_aggregate(names, call, scope, check_expression)
    if name in functions():
        return _applied(names, name, [(a.value, a.name) for a in call.arguments], call.span, scope)
    if name == "table" and call.entries:
        names.report("C03", "a type stands where a value is needed", call.span)
        return None
    if scope.row is None and name in table_operators():
        if first is not None and isinstance(first.value, t.Name) and not is_known(names, first.value.name):
            report_no_table(names, first.value.name, first.value.span)
            return None
        habit = habits.FUNCTIONS.get(habits.plain(name))
        of_values = (f"of values: {habit}",) if habit else ()
        names.report(
            "C11",
            f"`{name}` works on a table",
            call.operator_span,
            f"pipe one into it: {only_table(names)} | {name}(...)",
            *of_values,
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
