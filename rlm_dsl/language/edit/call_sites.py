"""Call sites: a program's calls as they are written, their arguments by the names of the operator's parameters.

In: a part of a tree. Out: its calls, the texts of their arguments, the part with one call in another's place.
Law: calls are found as they stand; what is not replaced stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from rlm_dsl.language.check.arguments.placement import parameter_of
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax import tree as t

T = TypeVar("T")


def nodes_in(node: Any, kind: type[T]) -> Iterator[T]:
    """Every node of a kind in a part of a tree, as they stand."""
    if isinstance(node, kind):
        yield node
    if isinstance(node, tuple):
        for item in node:
            yield from nodes_in(item, kind)
    elif is_dataclass(node):
        for each in fields(node):
            yield from nodes_in(getattr(node, each.name), kind)


def calls_in(node: Any) -> Iterator[t.Call]:
    """Every operator call in a part of a tree, as they stand."""
    return (call for call in nodes_in(node, t.Call) if call.operator in table_operators())


def named_arguments(call: t.Call, operator: Operator, piped: bool) -> list[tuple[str, t.Argument]]:
    """A call's arguments, each with its parameter's name, or its own where a parameter takes names. The table that is
    not piped in is none of them."""
    found, free = [], list(operator.parameters)
    for argument in call.arguments[0 if piped else 1 :]:
        parameter = parameter_of(operator, argument, free)
        if parameter is not None and not parameter.variadic and parameter in free:
            free.remove(parameter)
        own = argument.name if parameter is None or parameter.variadic else parameter.name
        found.append((own or (parameter.name if parameter else ""), argument))
    return found


def piped_calls(node: Any) -> Iterator[t.Call]:
    """The calls that something is piped into."""
    return (call for pipe in nodes_in(node, t.Pipe) for call in pipe.calls)


def argument_texts(tree: t.Tree, text: str) -> dict[tuple[int, int], dict[str, str]]:
    """The words of each call's arguments by name, of every call in a tree by its place."""
    piped = {(call.span.start, call.span.end) for call in piped_calls(tree.statements)}
    found: dict[tuple[int, int], dict[str, str]] = {}
    for call in calls_in(tree.statements):
        place = (call.span.start, call.span.end)
        words: dict[str, str] = {}
        for name, argument in named_arguments(call, table_operators()[call.operator], place in piped):
            value = " ".join(text[argument.value.span.start : argument.value.span.end].split())
            words[name] = f"{words[name]}, {value}" if name in words else value
        found[place] = words
    return found


def replace_call(node: Any, old: t.Call, new: t.Call) -> Any:
    """A part of a tree in which one call, by its place, is another."""
    if isinstance(node, t.Call) and node == old and node.span == old.span:
        return new
    if isinstance(node, tuple):
        return tuple(replace_call(item, old, new) for item in node)
    if is_dataclass(node) and not isinstance(node, type) and not isinstance(node, t.Number | t.Text | t.Name):
        changes = {f.name: replace_call(getattr(node, f.name), old, new) for f in fields(node) if "span" not in f.name}
        return replace(node, **changes)
    return node
