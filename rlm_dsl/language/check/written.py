"""A program's calls as they are written: found in a tree, their arguments by the names of the operator's parameters.

In: a tree. Out: calls, texts of arguments, and a tree in which some are others. Law: what is not set stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.source import Source
from rlm_dsl.language.check.arguments import parameter_of
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show

T = TypeVar("T")
PLACE = re.compile(r"(?:(?P<operator>\w+)(?:\[(?P<number>\d+)\])?\.)?(?P<argument>\w+)")


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


def written_arguments(tree: t.Tree, text: str) -> dict[tuple[int, int], dict[str, str]]:
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One argument set to something else: `classify.labels=["a", "b"]`, `labels=...`, `grep[2].pattern=...`."""

    operator: str
    number: int | None
    argument: str
    value: t.Expression
    text: str

    @staticmethod
    def read(text: str) -> Setting:
        place, equals, value = text.partition("=")
        found = PLACE.fullmatch(place.strip())
        if found is None or not equals:
            raise UserError(f"nothing is set by {text!r}", 'write --set classify.labels=\'["a", "b"]\'')
        try:
            statement = parse(Source("--set", f"it = {value.strip()}")).statements[0]
        except ProgramError as failure:
            told = failure.diagnostics[0].message
            raise UserError(f"--set {place}: {value.strip()!r} is no value: {told}", "texts stand in quotes") from None
        assert isinstance(statement, t.Binding)
        number = int(found["number"]) if found["number"] else None
        return Setting(found["operator"] or "", number, found["argument"], statement.value, text)


def with_settings(source: Source, step: str, settings: list[Setting]) -> str:
    """A program's text with arguments of one of its statements set. Raises UserError for a step that is not there, and
    for what could be meant of several calls or of none."""
    tree = parse(source)
    at = statement_of(tree, step)
    statement = tree.statements[at]
    piped = {(call.span.start, call.span.end) for call in piped_calls(statement)}
    for setting in settings:
        call = call_meant(statement, setting, step)
        done = with_argument(call, setting, (call.span.start, call.span.end) in piped)
        statement = replaced(statement, call, done)
    return show(replace(tree, statements=(*tree.statements[:at], statement, *tree.statements[at + 1 :])))


def statement_of(tree: t.Tree, step: str) -> int:
    """The place of the statement that binds a name, or of the `answer`."""
    names = {s.name: n for n, s in enumerate(tree.statements) if isinstance(s, t.Binding)}
    names.update(("answer", n) for n, s in enumerate(tree.statements) if isinstance(s, t.Answer))
    if step not in names:
        raise UserError(f"the program has no step `{step}`", *did_you_mean(step, list(names), what="steps"))
    return names[step]


def call_meant(statement: t.Statement, setting: Setting, step: str) -> t.Call:
    """The one call of a statement that a setting is for."""
    calls = list(calls_in(statement))
    if setting.operator:
        calls = [call for call in calls if call.operator == setting.operator]
    else:
        calls = [call for call in calls if has_parameter(table_operators()[call.operator], setting.argument)]
    if setting.number is not None:
        calls = calls[setting.number - 1 : setting.number] if setting.number else []
    if not calls:
        held = ", ".join(dict.fromkeys(call.operator for call in calls_in(statement))) or "no operator"
        raise UserError(f"--set {setting.text}: `{step}` has no such call", f"it has {held}")
    if len(calls) > 1:
        options = " or ".join(f"{call.operator}[{n}].{setting.argument}=..." for n, call in enumerate(calls, 1))
        same = len({call.operator for call in calls}) == 1
        raise UserError(
            f"--set {setting.text}: several calls of `{step}` could be meant",
            f"write {options}"
            if same
            else "say which: " + ", ".join(f"{c.operator}.{setting.argument}" for c in calls),
        )
    operator = table_operators()[calls[0].operator]
    if not has_parameter(operator, setting.argument):
        known = [parameter.name for parameter in operator.parameters]
        raise UserError(
            f"--set {setting.text}: `{operator.name}` has no argument `{setting.argument}`",
            *did_you_mean(setting.argument, known, what="arguments"),
        )
    return calls[0]


def has_parameter(operator: Operator, name: str) -> bool:
    return any(parameter.name == name and not parameter.variadic for parameter in operator.parameters)


def with_argument(call: t.Call, setting: Setting, piped: bool) -> t.Call:
    """A call in which one argument is another, or new."""
    named = named_arguments(call, table_operators()[call.operator], piped)
    first = call.arguments[: 0 if piped else 1]
    own = [a if name != setting.argument else replace(a, value=setting.value) for name, a in named]
    if all(name != setting.argument for name, _ in named):
        own.append(t.Argument(setting.argument, setting.value))
    return replace(call, arguments=(*first, *own))


def replaced(node: Any, old: t.Call, new: t.Call) -> Any:
    """A part of a tree in which one call, by its place, is another."""
    if isinstance(node, t.Call) and node == old and node.span == old.span:
        return new
    if isinstance(node, tuple):
        return tuple(replaced(item, old, new) for item in node)
    if is_dataclass(node) and not isinstance(node, type) and not isinstance(node, t.Number | t.Text | t.Name):
        changes = {f.name: replaced(getattr(node, f.name), old, new) for f in fields(node) if "span" not in f.name}
        return replace(node, **changes)
    return node
