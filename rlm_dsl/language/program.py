"""The typed program: what a checked tree means, ready to be lowered.

In: nothing. Out: immutable typed nodes and their identities.
Law: a node's identity is the hash of its operator, canonical arguments and inputs' identities; names of bindings,
layout, places and unrelated statements do not enter it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeAlias

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.exact import spelled
from rlm_dsl.common.hashing import identity
from rlm_dsl.common.source import NOWHERE, Span
from rlm_dsl.language.types import Field, Record, Table, Type


@dataclass(frozen=True)
class Literal:
    """A constant. Decimals are decimal.Decimal values, dates and timestamps datetime values; `raw` is a text that was
    written r"..", as patterns are."""

    value: Any
    type: Type
    raw: bool = field(default=False, compare=False)
    exact: Decimal | None = field(default=None, compare=False)
    """The number that was written, where the float is only near it."""

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["literal", str(self.type), constant_text(self.value)])


@dataclass(frozen=True)
class Param:
    """A param with the value it has in this run; the value, not the name, makes its identity."""

    name: str
    value: Any
    type: Type

    @cached_property
    def identity(self) -> str:
        return Literal(self.value, self.type).identity


@dataclass(frozen=True)
class Column:
    """A column of the table that the expression is evaluated over; `side` is left or right in a join's condition."""

    name: str
    type: Type
    side: str = ""

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["column", self.side, self.name])


@dataclass(frozen=True)
class Apply:
    """A scalar function or expression operator (`+`, `in`, ...) applied to values."""

    function: str
    arguments: tuple[Node, ...]
    type: Type
    version: int = 1

    @cached_property
    def identity(self) -> str:
        told = [self.function] if self.version == 1 else [self.function, self.version]
        return identity("node-v1", ["apply", *told, [a.identity for a in self.arguments]])


@dataclass(frozen=True)
class ListValue:
    items: tuple[Node, ...]
    type: Type

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["list", [item.identity for item in self.items]])


@dataclass(frozen=True)
class RecordValue:
    """A record literal; a field may be a table, then the record is a bundle of values and never a column's value."""

    fields: tuple[tuple[str, Node], ...]
    type: Record

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["record", [[name.encode().hex(), node.identity] for name, node in self.fields]])


@dataclass(frozen=True)
class FieldOf:
    """`record.field`."""

    value: Node
    name: str
    type: Type

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["field", self.value.identity, self.name])


@dataclass(frozen=True)
class Aggregate:
    """An aggregate over the rows of a group."""

    function: str
    arguments: tuple[Node, ...]
    type: Type

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["aggregate", self.function, [a.identity for a in self.arguments]])


@dataclass(frozen=True)
class ContextRows:
    """The rows of a context."""

    name: str
    type: Table

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["context", self.name, str(self.type)])


@dataclass(frozen=True)
class Reference:
    """A bound name. It is its node; the name is kept for people's sake."""

    name: str
    node: Node

    @property
    def type(self) -> Type:
        return self.node.type

    @property
    def identity(self) -> str:
        return self.node.identity


@dataclass(frozen=True)
class Instruction:
    """A model step's words: text and inserted values, in order."""

    parts: tuple[str | Node, ...]

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["instruction", [p if isinstance(p, str) else [p.identity] for p in self.parts]])


@dataclass(frozen=True)
class SortKey:
    value: Node
    descending: bool = False

    @cached_property
    def identity(self) -> str:
        return identity("node-v1", ["key", self.descending, self.value.identity])


@dataclass(frozen=True)
class Step:
    """An operator applied: its result is a table or a value. `inputs` are its tables, `arguments` all else."""

    operator: str
    version: int
    inputs: tuple[Node, ...]
    arguments: Mapping[str, Any]
    type: Type
    span: Span = field(default=NOWHERE, compare=False)

    @cached_property
    def depth(self) -> int:
        """How many steps stand one on the other here, those behind a name not counted."""
        return 1 + max((node.depth for node in self.inputs if isinstance(node, Step)), default=0)

    @cached_property
    def identity(self) -> str:
        return identity(
            "step-v1",
            {
                "operator": self.operator,
                "version": self.version,
                "inputs": [node.identity for node in self.inputs],
                "arguments": {name: argument_form(value) for name, value in self.arguments.items()},
            },
        )


Node: TypeAlias = (
    Literal | Param | Column | Apply | ListValue | RecordValue | FieldOf | Aggregate | ContextRows | Reference | Step
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A checked statement: `kind` is binding, show or answer."""

    kind: str
    name: str
    node: Node
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Program:
    """A checked program. `contexts` are its tables' types by name, `params` the values of this run."""

    contexts: tuple[Field, ...]
    params: tuple[Param, ...]
    statements: tuple[Bound, ...]
    warnings: tuple[Diagnostic, ...] = ()
    """What is allowed in it and may surprise."""

    @property
    def answer(self) -> Bound | None:
        return next((s for s in self.statements if s.kind == "answer"), None)


def constant_text(value: Any) -> object:
    """A constant in hashable JSON: floats by their shortest text, moments in ISO form."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return ["float", repr(value)]
        case Decimal():
            return ["decimal", spelled(value)]
        case list() | tuple():
            return [constant_text(item) for item in value]
        case Mapping():
            return [[key, constant_text(item)] for key, item in value.items()]
        case _:
            return [type(value).__name__, value.isoformat()]


def argument_form(value: Any) -> object:
    """An argument of a step in hashable JSON."""
    match value:
        case None | bool() | int() | str():
            return value
        case tuple() | list():
            return [argument_form(item) for item in value]
        case Mapping():
            return [[key, argument_form(item)] for key, item in value.items()]
        case _ if hasattr(value, "identity"):
            return ["node", value.identity]
        case _:
            return ["type", str(value)]


def resolved(node: Node) -> Node:
    """The node behind any names."""
    while isinstance(node, Reference):
        node = node.node
    return node


def known_value(node: Node) -> Any:
    """The value of a literal or param, through names; None for what only a run can tell."""
    inner = resolved(node)
    return inner.value if isinstance(inner, Literal | Param) else None


UNKNOWN: Any = object()


def plain_value(node: Node) -> Any:
    """What is written out, lists and records too, as plain values; UNKNOWN where any of it is computed."""
    match resolved(node):
        case Literal(value) | Param(_, value):
            return list(value) if isinstance(value, tuple) else value
        case ListValue(items):
            found = [plain_value(item) for item in items]
            return UNKNOWN if UNKNOWN in found else found
        case RecordValue(fields):
            record = {name: plain_value(each) for name, each in fields}
            return UNKNOWN if UNKNOWN in record.values() else record
        case _:
            return UNKNOWN


def children(node: Node) -> Iterator[Node]:
    """The nodes that a node is directly made of, inputs first."""
    match node:
        case Reference(_, inner):
            yield inner
        case Apply(_, arguments) | Aggregate(_, arguments):
            yield from arguments
        case ListValue(items):
            yield from items
        case RecordValue(fields):
            yield from (value for _, value in fields)
        case FieldOf(value):
            yield value
        case Step():
            yield from node.inputs
            yield from argument_nodes(node.arguments)
        case Literal() | Param() | Column() | ContextRows():
            return


def argument_nodes(value: Any) -> Iterator[Node]:
    """Every node inside a step's arguments."""
    match value:
        case Mapping():
            for item in value.values():
                yield from argument_nodes(item)
        case tuple() | list():
            for item in value:
                yield from argument_nodes(item)
        case Instruction(parts):
            yield from (part for part in parts if not isinstance(part, str))
        case SortKey(inner):
            yield inner
        case _ if isinstance(value, Node):
            yield value
        case _:
            return


def steps_of(node: Node) -> Iterator[Step]:
    """Every step below and at a node, inputs before what uses them, each identity once."""
    seen: set[str] = set()
    stack: list[tuple[Node, bool]] = [(node, False)]
    while stack:
        inner, below_done = stack.pop()
        if isinstance(inner, Step):
            if below_done:
                yield inner
                continue
            if inner.identity in seen:
                continue
            seen.add(inner.identity)
            stack.append((inner, True))
        stack.extend((child, False) for child in reversed(list(children(inner))))


def params_of(node: Node) -> Iterator[Param]:
    if isinstance(node, Param):
        yield node
    for child in children(node):
        yield from params_of(child)


def has_column(node: Node) -> bool:
    """Whether a value depends on the row it is evaluated for."""
    return isinstance(node, Column | Aggregate) or (
        not isinstance(node, Step | Reference) and any(has_column(child) for child in children(node))
    )
