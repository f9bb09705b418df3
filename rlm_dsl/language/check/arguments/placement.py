"""Placing arguments: which argument of a call goes to which parameter of its operator.

In: an operator, the piped table's type, a call. Out: arguments by parameter, or None after saying which do not fit.
Law: placing looks at names and order alone, never at what an argument means.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlm_dsl.common.diagnostics import nearest
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import REQUIRED, Parameter
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Table

Placed = dict[str, list[t.Argument]]


def place_arguments(names: Names, operator: Operator, table: Table, call: t.Call) -> Placed | None:
    """Which argument goes to which parameter."""
    placed: Placed = {}
    fine = True
    free = list(operator.parameters)
    for argument in call.arguments:
        parameter = parameter_of(operator, argument, free)
        if parameter is None:
            _report_misplaced(names, operator, argument, table)
            fine = False
            continue
        if parameter.name in placed and not parameter.variadic:
            names.report("C05", f"`{parameter.name}` is given twice", argument.span)
            fine = False
        placed.setdefault(parameter.name, []).append(argument)
        if not parameter.variadic and parameter in free:
            free.remove(parameter)
    for parameter in operator.parameters:
        missing = parameter.default is REQUIRED and parameter.name not in placed and not _may_lack(parameter)
        if fine and missing:
            names.report(
                "C04", f"`{operator.name}` needs {parameter.signature}", call.span, f"usage: {operator.signature}"
            )
            fine = False
    return placed if fine else None


def _may_lack(parameter: Parameter) -> bool:
    return isinstance(parameter.kind, kinds.Aggregates)


def parameter_of(operator: Operator, argument: t.Argument, free: Sequence[Parameter]) -> Parameter | None:
    """The parameter that an argument is for; `free` are those that none before it was for."""
    takes_names = kinds.Derived | kinds.Aggregates
    if argument.name is not None:
        for parameter in operator.parameters:
            if parameter.name == argument.name and not parameter.variadic:
                return parameter
        for parameter in operator.parameters:
            if isinstance(parameter.kind, takes_names) or (
                isinstance(parameter.kind, kinds.Columns) and parameter.kind.named
            ):
                return parameter
        return None
    return next((p for p in free if not isinstance(p.kind, takes_names)), None)


def _report_misplaced(names: Names, operator: Operator, argument: t.Argument, table: Table) -> None:
    """Say what to write instead of an argument that no parameter takes."""
    if argument.name is None:
        named = any(isinstance(p.kind, kinds.Derived | kinds.Aggregates) for p in operator.parameters)
        keys = next((p.name for p in operator.parameters if isinstance(p.kind, kinds.Keys)), None)
        if keys and isinstance(argument.value, t.Name) and table.column(argument.value.name) is not None:
            what = f"several columns are written {keys}=[a, b]"
        else:
            what = "give it a name: name=..." if named else f"usage: {operator.signature}"
        names.report("C06", f"`{operator.name}` does not take this argument", argument.span, what)
        return
    known = [p.name for p in operator.parameters if not p.variadic]
    habit = habits.ARGUMENTS.get(argument.name.lower(), "")
    if table.column(argument.name) is not None and any(isinstance(p.kind, kinds.Each) for p in operator.parameters):
        hints: tuple[str, ...] = (f"to compare, write two signs: {argument.name} == ...",)
    elif operator.name == "sort" and habit in ("-col", "col"):
        hints = ("write sort(-col) for descending, sort(col) for ascending",)
    elif habit.startswith("on=") and "on" in known:
        hints = (f"keys of different names: {habit}",)
    elif called := [name for name in habit.split() if name in known]:
        hints = (f"it is called `{called[0]}` here",)
    elif argument.name in ("by", "columns", "on") and any(
        isinstance(p.kind, kinds.SortKeys | kinds.Columns) for p in operator.parameters
    ):
        hints = (f"write the columns without a name: {operator.name}(col)",)
    else:
        near = nearest(argument.name, known)
        hints = (f"did you mean `{near}`?",) if near else (f"usage: {operator.signature}",)
    names.report("C05", f"`{operator.name}` has no argument `{argument.name}`", argument.name_span, *hints)
