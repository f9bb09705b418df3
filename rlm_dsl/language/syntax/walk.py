"""Through the tree without recursion.

In: a statement or expression. Out: its parts, in the order of the text, or everything inside with its depth.
Law: walking needs memory for a program's depth, never stack, so hostile nesting can be measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from rlm_dsl.language.syntax.tree import (
    Answer,
    Applied,
    Argument,
    Between,
    Binary,
    Binding,
    Call,
    Constant,
    ContextStatement,
    Dot,
    Entries,
    Entry,
    Expression,
    IsNull,
    Items,
    Maybe,
    Moment,
    Name,
    Number,
    ParamStatement,
    Pipe,
    Show,
    Statement,
    Text,
    Unary,
)

Node: TypeAlias = Statement | Expression | Argument | Entry


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside, in the order of the text."""
    match node:
        case Name() | Text() | Number() | Constant() | Moment():
            return ()
        case Call(_, arguments, entries):
            return arguments + entries
        case Pipe(head, calls):
            return (head, *calls)
        case Items(parts) | Entries(parts) | Applied(_, parts):
            return parts
        case Binary(_, left, right):
            return (left, right)
        case Between(value, low, high):
            return (value, low, high)
        case Unary(_, inside) | IsNull(inside) | Dot(inside) | Maybe(inside):
            return (inside,)
        case Argument(_, inside) | Entry(_, inside) | Binding(_, inside) | ContextStatement(_, inside):
            return (inside,)
        case Show(inside) | Answer(inside):
            return (inside,)
        case ParamStatement(_, type_, value):
            return (type_,) if value is None else (type_, value)


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """`node` and everything inside it, each with its depth; arguments and entries add no depth of their own."""
    open_nodes: list[tuple[Node, int]] = [(node, 0)]
    while open_nodes:
        here, depth = open_nodes.pop()
        yield here, depth
        below = depth if isinstance(here, Argument | Entry) else depth + 1
        open_nodes += [(child, below) for child in reversed(children(here))]
