"""Which numbers of an answer rest on which model step, and how: what can be followed row by row.

In: the plan of a run. Out: numbers, each with the table whose rows it is made of and the model steps on the way there,
or why it cannot be followed. Law: a number is followed only where every row of a model step adds to it by itself, so
that what one answer does to the number is known without the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import (
    Aggregate,
    Apply,
    Column,
    Literal,
    Node,
    Param,
    RecordValue,
    Reference,
    Step,
    argument_nodes,
    children,
    resolved,
    steps_of,
)
from rlm_dsl.language.types import Record, Table
from rlm_dsl.plan.build import parts
from rlm_dsl.plan.stages import Plan

BY_ROW = frozenset(("where", "derive", "select", "drop", "sort", "correct"))
"""Operators that look at each row by itself and keep its place, or, as `sort`, change the order alone."""
CUTTING = frozenset(("take", "where"))
AFTER_GROUPS = frozenset(("sort", "take", "select", "drop", "where"))
"""Operators that leave the numbers of the groups that they keep as they are."""
ADDED = frozenset(("count", "sum", "count_if"))


@dataclass(frozen=True)
class Sum:
    """A number to which each row of `table` adds: 1 (`value` None), a value, or 1 where a condition holds."""

    value: Node | None = None
    condition: bool = False


@dataclass(frozen=True)
class Followed:
    """A number that can be followed: `upper`, by `lower` where it is a ratio, times `factor`. `together` is true of a
    mean, of which a row adds to both or to neither."""

    table: Node
    upper: Sum
    lower: Sum | None = None
    lower_table: Node | None = None
    factor: float = 1.0
    together: bool = False
    keys: tuple[tuple[str, Node], ...] = ()
    """Of a number of each group: the columns by which rows are grouped."""
    shown: tuple[str, ...] = ()
    """Under which names the answer has the keys; those that it has not are missing."""
    cut: bool = False
    """Whether the answer holds only some of the groups."""


@dataclass(frozen=True)
class Number:
    """A number of the answer: its part, its column where that is a table, and how it is followed; else why it cannot
    be. `steps` are the model steps that it rests on, first to last, by identity."""

    part: tuple[str, ...]
    column: str
    steps: tuple[Step, ...]
    followed: Followed | None
    why: str = ""


class NotFollowed(Exception):
    """Why a number cannot be followed."""


def is_asked(step: Step) -> bool:
    return table_operators()[step.operator].model is not None


def asked_below(node: Node) -> list[Step]:
    """The model steps at and below a node, first to last."""
    return [step for step in steps_of(node) if is_asked(step)]


def numbers_of(plan: Plan) -> Iterator[Number]:
    """Every number of the answer that rests on a model step."""
    target = next(target for target in plan.targets if target.kind == "answer")
    for path, node in parts(target.node):
        yield from numbers_at(path, node)


def numbers_at(path: tuple[str, ...], node: Node) -> Iterator[Number]:
    inner = resolved(node)
    if isinstance(inner, RecordValue):
        for field, value in inner.fields:
            yield from numbers_at((*path, field), value)
        return
    steps = tuple(asked_below(node))
    if not steps:
        return
    if isinstance(inner.type, Table):
        yield from table_numbers(path, inner, steps)
        return
    if isinstance(inner.type, Record) or not is_number(inner):
        yield Number(path, "", steps, None, "it is no number")
        return
    try:
        yield Number(path, "", steps, followed(inner))
    except NotFollowed as reason:
        yield Number(path, "", steps, None, str(reason))


def is_number(node: Node) -> bool:
    return str(node.type).removesuffix("?") in ("int", "float") or str(node.type).startswith("decimal")


def followed(node: Node) -> Followed:
    """How a value is followed. Raises NotFollowed."""
    inner = resolved(node)
    match inner:
        case Step(operator="avg"):
            value = inner.arguments["value"]
            return Followed(inner.inputs[0], Sum(value), Sum(value, condition=True), together=True)
        case Step(operator=operator) if operator in ADDED:
            return Followed(inner.inputs[0], added(operator, tuple(inner.arguments.values())))
        case Step(operator=operator) if operator in ("first", "last") or isinstance(inner.inputs[0].type, Table):
            raise NotFollowed(f"`{operator}` is no sum over rows: one answer may change what the others do")
        case Apply("/", (above, below)):
            return divided(above, below)
        case Apply("*", (one, other)):
            return multiplied(one, other)
        case Apply("round" | "to_float", (value, *_)):
            return followed(value)
        case Apply(function):
            raise NotFollowed(f"`{function}` puts several numbers together")
        case _:
            raise NotFollowed("it is no sum over rows")


def added(function: str, arguments: tuple[Any, ...]) -> Sum:
    given = [argument for argument in arguments if argument is not None]
    if function == "count":
        return Sum()
    return Sum(given[0], condition=function == "count_if")


def divided(above: Node, below: Node) -> Followed:
    """A ratio: of two sums, or of a sum and something that no answer changes."""
    constant = plain(below)
    if constant:
        whole = followed(above)
        return Followed(**{**vars(whole), "factor": whole.factor / constant})
    upper, lower = followed(above), followed(below)
    if upper.lower is not None or lower.lower is not None:
        raise NotFollowed("it is a ratio of ratios")
    return Followed(upper.table, upper.upper, lower.upper, lower.table, upper.factor / lower.factor)


def multiplied(one: Node, other: Node) -> Followed:
    for factor, rest in ((plain(one), other), (plain(other), one)):
        if factor is not None:
            whole = followed(rest)
            return Followed(**{**vars(whole), "factor": whole.factor * factor})
    raise NotFollowed("it is a product of two numbers")


def plain(node: Node) -> float | None:
    """A number that stands in the program."""
    inner = resolved(node)
    if (
        isinstance(inner, Literal | Param)
        and isinstance(inner.value, int | float)
        and not isinstance(inner.value, bool)
    ):
        return float(inner.value)
    return None


def table_numbers(path: tuple[str, ...], node: Node, steps: tuple[Step, ...]) -> Iterator[Number]:
    """The numbers of a table: of each group's aggregates."""
    inner, cut = node, False
    while isinstance(inner, Step) and inner.operator in AFTER_GROUPS:
        if asked_in_arguments(inner):
            yield Number(path, "", steps, None, f"`{inner.operator}` compares with what rests on a model step too")
            return
        cut = cut or inner.operator in CUTTING
        inner = resolved(inner.inputs[0])
    if not isinstance(inner, Step) or inner.operator != "group":
        yield Number(path, "", steps, None, "its rows are listed, not counted")
        return
    assert isinstance(node.type, Table)
    keys = tuple(inner.arguments["by"])
    shown = tuple(column for column, _ in keys)
    for column, made in inner.arguments["columns"]:
        if column not in node.type.names or not is_number(made):
            continue
        try:
            if not all(key in node.type.names for key in shown):
                raise NotFollowed("the answer does not have the columns by which it is grouped")
            yield Number(path, column, steps, replace(of_group(inner.inputs[0], made, keys, shown), cut=cut))
        except NotFollowed as reason:
            yield Number(path, column, steps, None, str(reason))


def of_group(table: Node, made: Node, keys: tuple[tuple[str, Node], ...], shown: tuple[str, ...]) -> Followed:
    match made:
        case Aggregate("avg", (value,)):
            return Followed(table, Sum(value), Sum(value, condition=True), together=True, keys=keys, shown=shown)
        case Aggregate(function, arguments) if function in ADDED:
            return Followed(table, added(function, arguments), keys=keys, shown=shown)
        case Apply("/", (Aggregate(upper, first), Aggregate(lower, second))) if {upper, lower} <= ADDED:
            return Followed(table, added(upper, first), added(lower, second), keys=keys, shown=shown)
        case _:
            raise NotFollowed("it is no sum over a group's rows")


def asked_in_arguments(step: Step) -> bool:
    return any(asked_below(node) for node in argument_nodes(step.arguments))


def path_to(table: Node) -> tuple[tuple[Step, ...], Node]:
    """The model steps between a table and the rows that the first of them asks about, first to last; the table without
    its sorts, which change places alone. Raises NotFollowed."""
    inner = resolved(table)
    if not isinstance(inner, Step) or not asked_below(inner):
        return (), inner
    if asked_in_arguments(inner):
        raise NotFollowed(f"`{inner.operator}` compares with what rests on a model step too")
    if is_asked(inner):
        return asked_path(inner)
    if reads_probability(inner.arguments, asked_below(inner)):
        raise NotFollowed(PROBABLE_TOLD)
    if not is_by_row(inner):
        raise NotFollowed(f"`{inner.operator}` looks at several rows together after a model step")
    if any(asked_below(other) for other in inner.inputs[1:]):
        raise NotFollowed(f"`{inner.operator}` brings in a second table that rests on a model step")
    steps, below = path_to(inner.inputs[0])
    if inner.operator == "sort":
        return steps, below
    return steps, replace_input(inner, below)


PROBABLE_TOLD = "it looks at how probable the model holds a label, which people do not say"


def reads_probability(arguments: Any, asked: list[Step]) -> bool:
    """Whether arguments look at a column that says how probable a label is."""
    told = {step.arguments.get("probability") for step in asked} - {None, ""}
    stack = list(argument_nodes(arguments))
    while stack and told:
        node = stack.pop()
        if isinstance(node, Column) and node.name in told:
            return True
        if not isinstance(node, Step | Reference):
            stack.extend(children(node))
    return False


def asked_path(step: Step) -> tuple[tuple[Step, ...], Node]:
    model = table_operators()[step.operator].model
    assert model is not None
    if model.tree:
        raise NotFollowed(f"`{step.operator}` makes one answer of many rows")
    if model.rows is not None:
        if any(asked_below(node) for node in step.inputs):
            raise NotFollowed(f"`{step.operator}` pairs rows that rest on an earlier model step")
        if step.arguments.get("how") == "left":
            raise NotFollowed('`match` with how="left" keeps a row whether a pair of it is taken or not')
        return (step,), step
    steps, below = path_to(step.inputs[0])
    own = replace_input(step, below)
    return (*steps, own), own


def is_by_row(step: Step) -> bool:
    operator = table_operators()[step.operator]
    return (
        step.operator in BY_ROW
        or operator.chooses(step.arguments) == "by row"
        or (step.operator == "extract" and not step.arguments["all"])
    )


def replace_input(step: Step, below: Node) -> Step:
    if resolved(step.inputs[0]) is below:
        return step
    return Step(step.operator, step.version, (below, *step.inputs[1:]), step.arguments, step.type, step.span)
