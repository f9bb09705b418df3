"""Scalar functions and the operators of expressions, applied to checked arguments.

In: a function's name and its arguments as nodes. Out: the node that applies it, or None after saying what is wrong.
Law: an argument is checked against its kind in the function's signature, and nothing is converted on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.decimals import exact_literals, keeps_decimal_rules, with_digits
from rlm_dsl.language.check.function_rules import keeps_rules
from rlm_dsl.language.check.scope import Names, Scope
from rlm_dsl.language.operators.core.function import KINDS, RESULTS, Function, Input
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators, version_of
from rlm_dsl.language.patterns.validate import problem
from rlm_dsl.language.program import Apply, Literal, Node, Param, known_value, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import (
    DATE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
    ListOf,
    Record,
    Table,
    Type,
    bare,
    is_nullable,
    is_numeric,
    is_text,
    null_if,
)

ROUND_FIRST = "round a factor first: round(x, 4), or take floats: to_float(x)"


class Given(NamedTuple):
    """A checked argument of a function, where it stands, and its keyword."""

    node: Node
    span: Span
    keyword: str | None


def apply_function(names: Names, function: str, given: Sequence[Given], span: Span) -> Node | None:
    """A scalar function or expression operator applied to checked arguments."""
    entry = functions()[function]
    placed = _placed(names, entry, given, span)
    if placed is None:
        return None
    flat, spans = placed
    flat = exact_literals(entry.name, flat)
    if not _checked(names, entry, flat, spans, span):
        return None
    return _typed(names, entry, flat, span)


def _placed(
    names: Names, entry: Function, given: Sequence[Given], span: Span
) -> tuple[tuple[Node, ...], list[Span]] | None:
    """Arguments in the order of the function's inputs, defaults filled in; repeated ones at the end."""
    slots: dict[str, tuple[Node, Span]] = {}
    rest: list[tuple[Node, Span]] = []
    inputs = list(entry.inputs)
    position = 0
    for node, place, keyword in given:
        if keyword is not None:
            if keyword not in {i.name for i in inputs} or keyword in slots:
                names.report("C05", f"`{entry.name}` has no argument `{keyword}`", place, _usage(entry))
                return None
            slots[keyword] = (node, place)
        elif position < len(inputs) and not inputs[position].rest:
            slots[inputs[position].name] = (node, place)
            position += 1
        elif inputs and inputs[-1].rest:
            rest.append((node, place))
        else:
            names.report("C06", f"`{entry.name}` takes {len(inputs)} arguments", place, _usage(entry))
            return None
    flat: list[tuple[Node, Span]] = []
    for wanted in inputs:
        if wanted.rest:
            if not rest:
                names.report("C04", f"`{entry.name}` needs `{wanted.name}`", span, _usage(entry))
                return None
            flat += rest
        elif wanted.name in slots:
            flat.append(slots[wanted.name])
        elif wanted.default is not ...:
            flat.append((Literal(wanted.default, _default_type(wanted)), span))
        else:
            names.report("C04", f"`{entry.name}` needs `{wanted.name}`", span, _usage(entry))
            return None
    return tuple(node for node, _ in flat), [place for _, place in flat]


def _default_type(wanted: Input) -> Type:
    return NULL if wanted.default is None else INT if isinstance(wanted.default, int) else TEXT


def _usage(entry: Function) -> str:
    return f"usage: {entry.signature}" if entry.name.isidentifier() else f"usage: a {entry.name} b"


def _checked(names: Names, entry: Function, flat: tuple[Node, ...], spans: list[Span], span: Span) -> bool:
    """Each argument against its kind, then what only some functions ask of theirs."""
    kinds = [entry.inputs[min(index, len(entry.inputs) - 1)] for index in range(len(flat))]
    fine = True
    for node, wanted, place in zip(flat, kinds, spans, strict=True):
        fine &= _of_kind(names, entry, node, wanted, place)
    if not fine:
        return False
    return keeps_rules(names, entry.name, flat, spans, span) and keeps_decimal_rules(names, entry.name, flat, spans)


def _of_kind(names: Names, entry: Function, node: Node, wanted: Input, place: Span) -> bool:
    if node.type == NULL and wanted.kind not in ("pattern", "fixed", "list"):
        return True
    if isinstance(node.type, Table):
        names.report(
            "C03",
            f"`{entry.name}` works on values, and this is a table",
            place,
            "reduce it to a value first: count(t), first(t, col), values(t, col)",
        )
        return False
    if not KINDS[wanted.kind](node.type):
        names.report(
            "C03",
            f"`{entry.name}` wants {_kind_words(wanted)}, and this is {node.type}",
            place,
            *conversion_hints(wanted.kind, node.type, entry.name),
        )
        return False
    if wanted.kind in ("pattern", "fixed"):
        return _written_out(names, entry, node, wanted, place)
    return True


def _kind_words(wanted: Input) -> str:
    return {
        "scalar": "one value",
        "moment": "a date or timestamp",
        "countable": "a text, number or bool",
        "any": "a value",
        "int": "a whole number",
        "fixed": "a text written out",
        "sized": "a text or list",
    }.get(wanted.kind, f"a {wanted.kind}")


def conversion_hints(kind: str, given: Type, function: str) -> tuple[str, ...]:
    """How to make a value of the kind that is wanted."""
    if function == "date_trunc" and kind == "fixed":
        return ('the unit comes first: date_trunc("month", x)',)
    if kind in ("number", "float", "int") and is_text(given):
        return (
            ("join texts with concat(a, b)",)
            if function == "+"
            else ("convert it: to_int(x), to_decimal(x) or to_float(x)",)
        )
    if kind == "int" and is_numeric(given):
        return ("convert it: to_int(x), round(x), floor(x)",)
    if kind == "text" and function in ("to_date", "to_timestamp") and bare(given) in (DATE, TIMESTAMP):
        return ("the day of a timestamp: date(x)", 'as text: format_date(x, "%Y-%m-%d")')
    if kind in ("moment", "date", "timestamp") and is_text(given):
        return ('convert it: to_date(x, "%Y-%m-%d")',)
    if kind in ("moment", "date") and function == "-":
        return ("use days_between(a, b) or seconds_between(a, b)",)
    if kind == "number" and bare(given) in (DATE, TIMESTAMP):
        return ("use days_between(a, b), seconds_between(a, b), add_days(a, n)",)
    if kind == "text" and isinstance(bare(given), ListOf):
        return ('take an element, item(x, 1), or all as one text, join_list(x, ", "); a row of each: t | explode(x)',)
    if kind == "text" and isinstance(bare(given), Record):
        return ("take one of its fields: x.name",)
    if kind in ("text", "sized"):
        return ("make it text: concat(x)",)
    if kind == "bool":
        return ("make it a condition: x > 0, x is not null",)
    if kind == "list":
        return ("write a list: [a, b]; for part of a text use contains(x, part)",)
    return ()


def _written_out(names: Names, entry: Function, node: Node, wanted: Input, place: Span) -> bool:
    """A pattern or format must be known before the run, and a pattern must be good RE2."""
    inner = resolved(node)
    if not isinstance(inner, Literal | Param) or not isinstance(inner.value, str):
        names.report("C12", f"`{wanted.name}` must be a text written out, or a name bound to one", place)
        return False
    if wanted.kind == "pattern" and (bad := problem(inner.value)):
        names.report("C10", bad.message, place, *bad.hints)
        return False
    return True


def _typed(names: Names, entry: Function, flat: tuple[Node, ...], span: Span) -> Node | None:
    types = tuple(node.type for node in flat)
    if entry.gives is not None:
        result = entry.gives(types)
        if result is None:
            given = " and ".join(dict.fromkeys(str(type_) for type_ in (types[1:] if entry.name == "if" else types)))
            if entry.name == "*":
                names.report("C03", f"a product of {given} has more digits than a decimal holds", span, ROUND_FIRST)
                return None
            names.report("C03", f"`{entry.name}` needs values of one type, and these are {given}", span)
            return None
        result = with_digits(entry.name, flat, result)
    else:
        base = RESULTS[entry.result.rstrip("?")]
        absent = any(map(is_nullable, _operands(entry, flat))) and not entry.takes_null
        result = null_if(absent or entry.result.endswith("?"), base)
    if entry.name == "/" and known_value(flat[1]) not in (0, None):
        result = null_if(any(map(is_nullable, types)), FLOAT)
    return Apply(entry.name, flat, result, version_of(entry, names.versions))


def _operands(entry: Function, flat: tuple[Node, ...]) -> list[Type]:
    """The types that carry null: all but defaults left out."""
    return [node.type for node in flat if not (isinstance(node, Literal) and node.value is None)] + [
        NULL
        for node, wanted in zip(flat, entry.inputs, strict=False)
        if isinstance(node, Literal) and node.value is None and wanted.default is ...
    ]


def unknown_function(names: Names, call: t.Call, scope: Scope) -> None:
    """A call that is no scalar function: the nearest, the right form of a habit, or the operator it is."""
    name = call.operator
    habit = habits.FUNCTIONS.get(habits.plain(name)) or (
        habits.OPERATORS.get(habits.plain(name)) if name not in table_operators() else None
    )
    if name in table_operators():
        what = "an aggregate works on a group's rows" if name in aggregates() else "an operator works on a table"
        more = (
            (f"for each group: group(by=col, x={name}(..)); so far: running(x={name}(..))",)
            if name in aggregates()
            else ()
        )
        one_row = habit and (name not in aggregates() or len(call.arguments) > 1)
        of_values = (f"of one row's values: {habit}",) if one_row else ()
        return names.report(
            "C02",
            f"`{name}` cannot stand here: {what}",
            call.operator_span,
            *of_values,
            f"of a whole table: t | {name}(...)",
            *more,
        )
    of_rows = habits.plain(name) not in habits.FUNCTIONS and not scope.grouped
    if habit and of_rows and habit.split("(")[0] in aggregates():
        over = f"of a whole table: t | {habit}; for each group: group(by=col, x={habit})"
        return names.report("C02", f"no function is called `{name}`", call.operator_span, over)
    hints = (
        (f"write {habit}",)
        if habit
        else did_you_mean(name, function_names(), what="functions", most=len(function_names()))
    )
    return names.report("C02", f"no function is called `{name}`", call.operator_span, *hints)
