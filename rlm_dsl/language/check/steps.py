"""Steps: an operator applied to a table.

In: a checked table, a call, and how expressions are checked. Out: the step, or None after saying what is wrong.
Law: the operator has the last word on its arguments; no two columns have one name, whatever their case.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.arguments.by_kind import check_arguments
from rlm_dsl.language.check.arguments.placement import place_arguments
from rlm_dsl.language.check.scope import ExpressionChecker, Names
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Refused
from rlm_dsl.language.operators.core.registry import functions, table_operators, version_of
from rlm_dsl.language.program import Node, Step
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Table, Type, quoted_name

LONGEST_CHAIN = 200
"""Steps that may stand one on the other without a name between."""


def check_step(names: Names, table: Node, call: t.Call, check: ExpressionChecker) -> Node | None:
    """An operator's step over a table."""
    assert isinstance(table.type, Table)
    operator = table_operators().get(call.operator)
    if operator is None:
        _unknown_operator(names, call, table.type)
        return None
    placed = place_arguments(names, operator, table.type, call)
    if placed is None:
        return None
    arguments = check_arguments(names, operator, table.type, placed, call, check)
    if arguments is None:
        return None
    inputs = (table, *arguments.inputs)
    result = _result(names, operator, arguments.values, call, arguments.spans)
    if result is None:
        return None
    step = Step(operator.name, version_of(operator, names.versions), inputs, arguments.values.values, result, call.span)
    if step.depth > LONGEST_CHAIN:
        message = f"more than {LONGEST_CHAIN} steps stand one on the other here"
        names.report("C22", message, call.operator_span, "bind some to names")
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
    if habit := habits.OPERATORS.get(habits.plain(name)):
        return names.report("C02", f"no operator is called `{name}`", call.operator_span, f"write {habit}")
    if name in functions():
        return names.report(
            "C02",
            f"`{name}` is a function of values, not of tables",
            call.operator_span,
            f"use it on a column: derive(x={name}({table.names[0]}))",
        )
    if habit := habits.FUNCTIONS.get(habits.plain(name)):
        return names.report("C02", f"no operator is called `{name}`", call.operator_span, f"of a row's values: {habit}")
    return names.report(
        "C02",
        f"no operator is called `{name}`",
        call.operator_span,
        *did_you_mean(name, sorted(table_operators()), what="operators"),
    )
