"""Rules that make a program cheaper before it is planned: same answer, fewer calls.

In: checked statements. Out: statements that mean the same, and what was rewritten, why. Law: for every rule and every
program, run(rule(program)) gives what run(program) gives.

An operator that keeps some rows as they are, looking only at columns that were there before, may go before a step that
asks a model about each row: rows that are left out are then never asked about. It is not done where the model step is
used or shown elsewhere, for then all its rows are wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from rlm_dsl.language.operators.core.kinds import JoinCondition, Rows
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Arguments
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import (
    Aggregate,
    Apply,
    Bound,
    Column,
    FieldOf,
    Instruction,
    ListValue,
    Node,
    RecordValue,
    Reference,
    SortKey,
    Step,
    argument_nodes,
    children,
    resolved,
)
from rlm_dsl.language.types import Table


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One use of a rule: the step that moved, the step it moved before, and why."""

    rule: str
    moved: str
    before: str
    why: str


def rewritten(statements: Sequence[Bound], targets: Iterable[Bound]) -> tuple[tuple[Bound, ...], tuple[Rewrite, ...]]:
    """The statements with every rule used where it may be; bindings that are now made otherwise are left as they were
    and simply not used."""
    work = _Rewriting(uses_of(target.node for target in targets))
    made = tuple(replace(statement, node=work.node(statement.node)) for statement in statements)
    return made, tuple(work.done)


def uses_of(nodes: Iterable[Node]) -> Counter[str]:
    """How many places read each step, each entered once."""
    uses: Counter[str] = Counter()
    stack, seen = list(nodes), set[str]()
    while stack:
        inner = resolved(stack.pop())
        if isinstance(inner, Step):
            uses[inner.identity] += 1
            if inner.identity in seen:
                continue
            seen.add(inner.identity)
        stack.extend(children(inner))
    return uses


class _Rewriting:
    """Goes through nodes from below; each step is rewritten once."""

    def __init__(self, uses: Counter[str]) -> None:
        self.uses = uses
        self.made: dict[str, Node] = {}
        self.done: list[Rewrite] = []

    def node(self, node: Node) -> Node:
        if isinstance(node, Step):
            if node.identity not in self.made:
                self.made[node.identity] = self.step(node)
            return self.made[node.identity]
        if isinstance(node, Reference):
            inner = self.node(node.node)
            return node if inner is node.node else Reference(node.name, inner)
        found: Node = self.within(node)
        return found

    def step(self, step: Step) -> Node:
        inner = self.within(step)
        assert isinstance(inner, Step)
        return self.moved_before_asking(step, inner)

    def within(self, value: Any) -> Any:
        """The value with every node in it rewritten; the very same value if nothing was."""
        match value:
            case Step():
                inputs = tuple(map(self.node, value.inputs))
                arguments = self.argument(value.arguments)
                same = arguments is value.arguments and all(a is b for a, b in zip(inputs, value.inputs, strict=True))
                return value if same else replace(value, inputs=inputs, arguments=arguments)
            case Apply() | Aggregate() | ListValue() | RecordValue() | FieldOf() | Instruction() | SortKey():
                changed = {
                    field.name: new
                    for field in fields(value)
                    if (new := self.argument(getattr(value, field.name))) is not getattr(value, field.name)
                }
                return replace(value, **changed) if changed else value
            case _:
                return value

    def argument(self, value: Any) -> Any:
        match value:
            case Step() | Reference():
                return self.node(value)
            case Mapping():
                made = {name: self.argument(item) for name, item in value.items()}
                return value if all(made[name] is item for name, item in value.items()) else made
            case tuple():
                items = tuple(map(self.argument, value))
                return value if all(a is b for a, b in zip(items, value, strict=True)) else items
            case _:
                return self.within(value)

    def moved_before_asking(self, before: Step, step: Step) -> Step:
        """The rule. `before` is the step as it was, whose input must be used nowhere else."""
        operator, asking = table_operators()[step.operator], resolved(step.inputs[0])
        if not isinstance(asking, Step) or self.uses[resolved(before.inputs[0]).identity] != 1:
            return step
        asks = table_operators()[asking.operator]
        kind = operator.chooses(step.arguments)
        if not may_go_before(kind, asks) or columns_read(operator, step) & new_columns(asking):
            return step
        chosen = typed(replace(step, inputs=(asking.inputs[0], *step.inputs[1:])))
        why = "the rows that it leaves out are never asked about"
        self.done.append(Rewrite("choose before asking", step.operator, asking.operator, why))
        inner = self.moved_before_asking(chosen, chosen)
        return typed(replace(asking, inputs=(inner, *asking.inputs[1:])))


def may_go_before(kind: str, asks: Operator) -> bool:
    """Whether an operator that chooses rows in this way may change places with a step that asks about each."""
    model = asks.model
    if model is None or model.tree or model.rows is not None or not kind:
        return False
    return not model.filters or kind == "by row"


def columns_read(operator: Operator, step: Step) -> set[str]:
    """The piped table's columns that a step looks at."""
    read = {node.name for node in all_nodes(step.arguments) if isinstance(node, Column) and node.side != "right"}
    for parameter in operator.parameters:
        value = step.arguments.get(parameter.name)
        if isinstance(parameter.kind, JoinCondition) and isinstance(value, tuple):
            read |= set(value)
    return read


def all_nodes(arguments: Any) -> Iterable[Node]:
    """The nodes in arguments and in the values they are made of, down to other steps."""
    stack = list(argument_nodes(arguments))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, Step | Reference):
            stack.extend(children(node))


def new_columns(asking: Step) -> set[str]:
    assert isinstance(asking.type, Table)
    given = asking.inputs[0].type
    assert isinstance(given, Table)
    return set(asking.type.names) - set(given.names)


def typed(step: Step) -> Step:
    """The step with the type that its inputs now give it."""
    operator = table_operators()[step.operator]
    others = [parameter.name for parameter in operator.parameters if isinstance(parameter.kind, Rows)]
    tables = {name: node.type for name, node in zip(others, step.inputs[1:], strict=True)}
    given = step.inputs[0].type
    assert isinstance(given, Table)
    return replace(step, type=operator.result(Arguments(given, step.arguments, tables)))  # type: ignore[arg-type]
