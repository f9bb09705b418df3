"""Aggregates inside `group` and `running`, and the kinds of their arguments.

In: a call of an aggregate, its scope, and how expressions are checked. Out: a node, or None after saying what is wrong.
Law: an aggregate's arguments are evaluated for each row, those that must be known before the run for none.
"""

from __future__ import annotations

from rlm_dsl.common.source import Span
from rlm_dsl.language.check.functions import conversion_hints
from rlm_dsl.language.check.null_warnings import warn_of_nulls
from rlm_dsl.language.check.scope import NO_ROW, ExpressionChecker, Names, Scope
from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.registry import aggregates
from rlm_dsl.language.program import Aggregate, Literal, Node, Param, known_value, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import BOOL, DATE, TIMESTAMP, ListOf, Record, Table, bare, is_numeric, is_text


def check_aggregate(names: Names, call: t.Call, scope: Scope, check: ExpressionChecker) -> Node | None:
    """An aggregate over the rows of a group."""
    entry = aggregates()[call.operator]
    given = _arguments(names, entry, call, Scope(row=scope.row), check)
    if given is None:
        return None
    return Aggregate(entry.name, given, entry.result(tuple(node.type for node in given)))


def _arguments(
    names: Names, entry: AggregateFunction, call: t.Call, scope: Scope, check: ExpressionChecker
) -> tuple[Node, ...] | None:
    arguments = call.arguments
    nodes: list[Node] = []
    usage = f"usage: {entry.signature}"
    if len(arguments) > len(entry.parameters):
        extra = "count rows that satisfy something with count_if(condition)" if entry.name == "count" else usage
        names.report(
            "C06", f"`{entry.name}` takes {len(entry.parameters) or 'no'} arguments", arguments[-1].span, extra
        )
        return None
    for index, (parameter, kind) in enumerate(entry.parameters):
        written = next((a for a in arguments if a.name == parameter), None)
        if written is None and index < len(arguments) and arguments[index].name is None:
            written = arguments[index]
        if written is None:
            if index >= len(entry.parameters) - entry.optional:
                continue
            names.report("C04", f"`{entry.name}` needs `{parameter}`", call.span, usage)
            return None
        node = check(names, written.value, NO_ROW if kind in ("plain", "fraction") else scope)
        if node is None or not is_of_kind(names, entry.name, node, kind, written.span):
            return None
        nodes.append(node)
    return tuple(nodes)


def is_of_kind(names: Names, aggregate_name: str, node: Node, kind: str, span: Span) -> bool:
    """Whether a node may be an aggregate's argument of this kind."""
    type_ = bare(node.type)
    fits = {
        "number": is_numeric(type_),
        "measure": is_numeric(type_) or type_ in (DATE, TIMESTAMP),
        "bool": type_ == BOOL,
        "ordered": not isinstance(type_, Table | Record | ListOf),
        "plain": is_text(type_) and isinstance(resolved(node), Literal | Param),
        "fraction": is_numeric(type_) and isinstance(resolved(node), Literal | Param),
    }.get(kind, not isinstance(type_, Table))
    if fits and kind == "fraction":
        fits = 0 <= known_value(node) <= 1
    if fits and kind == "bool":
        warn_of_nulls(names, node, span)
    if not fits:
        wanted = {
            "number": "a number",
            "measure": "a number, date or timestamp",
            "bool": "a condition",
            "ordered": "a value that can be ordered",
            "plain": "a text written out",
            "fraction": "a number from 0 to 1",
        }.get(kind, "a value")
        names.report(
            "C03",
            f"`{aggregate_name}` wants {wanted}, and this is {node.type}",
            span,
            *conversion_hints(kind, node.type, aggregate_name),
        )
    return fits
