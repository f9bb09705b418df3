"""Setting arguments: a program's text in which arguments of its calls are others (`--set`, what tuning found).

In: a source, a step's name and settings. Out: the text anew. Law: what is not set stays as it was; a setting that could
be meant of several calls, or of none, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, named_arguments, piped_calls, replace_call
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show

PLACE = re.compile(r"(?:(?P<operator>\w+)(?:\[(?P<number>\d+)\])?\.)?(?P<argument>\w+)")


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
            why = failure.diagnostics[0].message
            raise UserError(f"--set {place}: {value.strip()!r} is no value: {why}", "texts stand in quotes") from None
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
    seen: set[tuple[int, str]] = set()
    for setting in settings:
        call = call_meant(statement, setting, step)
        if (place := (call.operator_span.start, setting.argument)) in seen:
            raise UserError(f"{setting.argument} of {call.operator} is set twice: {setting.text!r}", "set it once")
        seen.add(place)
        done = with_argument(call, setting, (call.span.start, call.span.end) in piped)
        statement = replace_call(statement, call, done)
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
