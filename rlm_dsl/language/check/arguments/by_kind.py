"""An operator's arguments, each checked by the kind of its parameter.

In: placed arguments, the piped table's type, and how expressions are checked. Out: checked arguments with their places,
or None after saying what is wrong. Law: every kind of parameter is checked in one function of this folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

from rlm_dsl.common.source import Span
from rlm_dsl.language.check.arguments.columns import (
    check_columns,
    check_each,
    check_keys,
    check_shown,
    check_sort_keys,
    only_text,
)
from rlm_dsl.language.check.arguments.computed_columns import check_aggregates, check_derived
from rlm_dsl.language.check.arguments.constants import (
    check_choice,
    check_column_types,
    check_constant,
    check_flag,
    check_new_name,
    check_pattern,
    check_plain,
    check_result_type,
)
from rlm_dsl.language.check.arguments.joins import check_join_condition, check_of_both, check_rows
from rlm_dsl.language.check.arguments.model import check_demonstrations, check_labels, check_numbers, check_words
from rlm_dsl.language.check.arguments.placement import Placed
from rlm_dsl.language.check.arguments.slot import Failed, Slot
from rlm_dsl.language.check.scope import ExpressionChecker, Names
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, REQUIRED, Arguments
from rlm_dsl.language.program import Node
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Table


@dataclass(frozen=True, slots=True)
class Checked:
    """Checked arguments, the further tables among them, and where each argument and new column stands."""

    values: Arguments
    inputs: tuple[Node, ...]
    spans: dict[str, Span]


def check_arguments(
    names: Names, operator: Operator, table: Table, placed: Placed, call: t.Call, check: ExpressionChecker
) -> Checked | None:
    """Every argument by its kind; all problems are reported before giving up."""
    values: dict[str, Any] = {}
    tables: dict[str, Table] = {}
    inputs: list[Node] = []
    spans: dict[str, Span] = {}
    fine = True
    for parameter in operator.parameters:
        written = placed.get(parameter.name, [])
        spans[parameter.name] = written[0].span if written else call.span
        try:
            checked = check_argument(Slot(names, operator, parameter, table, written, call, tables, spans, check))
        except Failed:
            fine = False
            continue
        if isinstance(parameter.kind, kinds.Rows):
            inputs.append(checked)
            tables[parameter.name] = checked.type
        elif not (parameter.optional and checked == parameter.default):
            values[parameter.name] = checked
    return Checked(Arguments(table, values, tables), tuple(inputs), spans) if fine else None


def check_argument(slot: Slot) -> Any:
    """What an argument means, by the kind of its parameter. Raises Failed."""
    if isinstance(slot.parameter.kind, kinds.OfBoth):
        return check_of_both(slot)
    if not slot.written:
        default = slot.parameter.default
        return only_text(slot) if default is ONLY_TEXT else () if default is REQUIRED else default
    first = slot.written[0].value
    match slot.parameter.kind:
        case kinds.Rows():
            return check_rows(slot, first)
        case kinds.Each(of):
            return check_each(slot, first, of)
        case kinds.Shown():
            return check_shown(slot, first)
        case kinds.Columns(named):
            return check_columns(slot, named)
        case kinds.Keys():
            return check_keys(slot, first)
        case kinds.SortKeys():
            return check_sort_keys(slot)
        case kinds.Constant(of_type):
            return check_constant(slot, first, of_type)
        case kinds.Flag():
            return check_flag(slot, first)
        case kinds.Plain():
            return check_plain(slot, first)
        case kinds.Pattern():
            return check_pattern(slot, first)
        case kinds.Choice(values, or_pattern):
            return check_choice(slot, first, values, or_pattern)
        case kinds.ResultType(record):
            return check_result_type(slot, first, record)
        case kinds.ColumnTypes():
            return check_column_types(slot, first)
        case kinds.Words():
            return check_words(slot, first)
        case kinds.Labels():
            return check_labels(slot, first)
        case kinds.Numbers():
            return check_numbers(slot, first)
        case kinds.Demonstrations():
            return check_demonstrations(slot, first)
        case kinds.NewName():
            return check_new_name(slot, first)
        case kinds.JoinCondition():
            return check_join_condition(slot, first)
        case kinds.Derived():
            return check_derived(slot)
        case kinds.Aggregates():
            return check_aggregates(slot)
        case _ as unreachable:
            assert_never(unreachable)
