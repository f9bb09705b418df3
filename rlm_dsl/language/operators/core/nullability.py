"""Null followed through conditions: what cannot be null where a condition holds, and where null would surprise.

In: a checked condition. Out: the values that are there in every row that satisfies it; the values that may be null
where the condition says "not". Law: a value named by `present` is not null in any row for which the condition holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlm_dsl.language.operators.core.registry import functions
from rlm_dsl.language.program import Apply, Column, Literal, Node, resolved
from rlm_dsl.language.types import Field, Table, bare, is_nullable


def present(condition: Node) -> dict[str, Node]:
    """The values, by identity, that are not null wherever the condition is true."""
    node = resolved(condition)
    if not isinstance(node, Apply):
        return {node.identity: node}
    match node.function, node.arguments:
        case "and", (a, b):
            return {**present(a), **present(b)}
        case "or", (a, b):
            both = present(b)
            return {identity: value for identity, value in present(a).items() if identity in both}
        case "between", operands:
            return {identity: part for operand in operands for identity, part in needed(operand).items()}
        case "not", (inner,) if (tested := null_test(inner)) is not None:
            return needed(tested)
        case _:
            return needed(node)


def null_test(node: Node) -> Node | None:
    """What a condition tests for null, if that is all it does."""
    inner = resolved(node)
    return inner.arguments[0] if isinstance(inner, Apply) and inner.function == "is null" else None


def needed(value: Node) -> dict[str, Node]:
    """The values that must be there for this one to be there: itself, and what a strict function makes it of.

    `and`, `or` and the bounds of `between` need not be: false and null is false.
    """
    node = resolved(value)
    found = {node.identity: node}
    if isinstance(node, Apply) and node.function == "between":
        return found | needed(node.arguments[0])
    if isinstance(node, Apply) and not functions()[node.function].takes_null and node.function not in ("and", "or"):
        for argument in node.arguments:
            found |= needed(argument)
    return found


def known_present(table: Table, found: dict[str, Node]) -> Table:
    """The table's type, its columns that are known to be there no longer nullable."""
    there = {node.name for node in found.values() if isinstance(node, Column) and not node.side}
    return Table(tuple(Field(c.name, bare(c.type)) if c.name in there else c for c in table.columns))


def surprising(condition: Node) -> list[Node]:
    """What may be null under a negation (`!=`, `not`) or where values are compared by size, so that rows would be left
    out that look as if they were meant: nothing that the rest of the condition rules out."""
    ruled_out = present_apart_from_negations(condition)
    return list({node.identity: node for node in negated(condition) if node.identity not in ruled_out}.values())


def present_apart_from_negations(condition: Node) -> dict[str, Node]:
    """What the parts of a conjunction that neither negate nor compare by size say is there."""
    parts = [part for part in conjuncts(condition) if not any(True for _ in negated(part))]
    return {identity: node for part in parts for identity, node in present(part).items()}


def conjuncts(condition: Node) -> Iterator[Node]:
    node = resolved(condition)
    if isinstance(node, Apply) and node.function == "and":
        for argument in node.arguments:
            yield from conjuncts(argument)
    else:
        yield node


def negated(condition: Node) -> Iterator[Node]:
    """The nullable values under a negation or a comparison by size, in the order in which they stand."""
    node = resolved(condition)
    if not isinstance(node, Apply):
        return
    match node.function, node.arguments:
        case "and", (a, b):
            yield from negated(a)
            yield from negated(b)
        case "or", (a, b):
            if not asks_for_null(a) and not asks_for_null(b):
                yield from negated(a)
                yield from negated(b)
        case (("!=" | "<" | "<=" | ">" | ">=" | "between"), operands):
            for operand in operands:
                yield from nullable_parts(operand)
        case "not", (inner,) if null_test(inner) is None:
            yield from nullable_parts(inner)
        case _:
            return


def asks_for_null(node: Node) -> bool:
    """Whether one side of an `or` is a test for null, so that whoever wrote it thought of it."""
    return any(null_test(part) is not None for part in conjuncts(node))


def nullable_parts(value: Node) -> Iterator[Node]:
    """The innermost values that make this one nullable: columns, and functions that may fail."""
    node = resolved(value)
    if not is_nullable(node.type) or isinstance(node, Literal):
        return
    if not isinstance(node, Apply):
        yield node
        return
    if functions()[node.function].takes_null:
        yield node
        return
    inner = [part for argument in node.arguments for part in nullable_parts(argument)]
    yield from inner or [node]
