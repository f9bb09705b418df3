"""A program in words, a line a statement: made from the program alone, by one phrase an operator.

In: a tree. Out: lines. Law: the same program gives the same words; a phrase stands beside its operator, and what has
none is told as it is written. No model has a part in it.

A phrase holds `{name}` for an argument and `[name:...]` for words that are said only where the argument is given
(`[!name:...]`: where it is not); `{name|words}` says what stands where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from rlm_dsl.language.operators.core.kinds import Aggregates, Choice, SortKeys
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.operators.core.registry import aggregates, table_operators
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show_expression
from rlm_dsl.language.types import quoted_name

COMPARISONS = {
    "==": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least",
    "in": "is one of", "not in": "is none of", "matches": "matches", "not matches": "does not match",
}  # fmt: skip
ARGUMENT = re.compile(r"\{(\w+)(?:\|([^}]*))?\}")
ONLY_WITH = re.compile(r"\[(!?)(\w+):([^\[\]]*)\]")


def in_words(tree: t.Tree) -> list[str]:
    """A line for each statement, in order; several for an answer of several parts."""
    return [line for statement in tree.statements for line in statement_words(statement)]


def statement_words(statement: t.Statement) -> Iterator[str]:
    match statement:
        case t.ContextStatement(name, type_):
            columns = [entry.name for entry in type_.entries] if isinstance(type_, t.Call) else []
            yield f"`{name}` is data: rows of {listed([quoted_name(column) for column in columns])}."
        case t.ParamStatement(name, _, value):
            given = "is given when it is run" if value is None else f"is {spelled(value)}, unless it is said otherwise"
            yield f"`{name}` {given}."
        case t.Binding(name, value):
            yield from sentence(f"`{name}`", value)
        case t.Show(value):
            yield f"It shows {operand(value)}." if isinstance(value, t.Name) else f"It shows what {value_words(value)}."
        case t.Answer(t.Entries(entries)):
            yield "The answer has a part for each of these:"
            for entry in entries:
                yield from (f"  {line}" for line in sentence(quoted_name(entry.name), entry.value))
        case t.Answer(value):
            yield from sentence("The answer", value)


def sentence(of: str, value: t.Expression) -> Iterator[str]:
    """What is said of a name: one line, or where it has several steps one for each."""
    head, calls = as_chain(value)
    if len(calls) < 2:
        yield f"{of} {value_words(value)}."
        return
    yield f"{of} takes {operand(head)},"
    for call in calls[:-1]:
        yield f"  {call_words(call)},"
    yield f"  and {call_words(calls[-1])}."


def as_chain(value: t.Expression) -> tuple[t.Expression, tuple[t.Call, ...]]:
    """A value as what it begins with and the operators on it, however it is written; none for what is no chain."""
    match value:
        case t.Pipe(inner, calls):
            head, before = as_chain(inner)
            return head, (*before, *calls)
        case t.Call(operator, (t.Argument(None, inner), *rest)) if operator in table_operators():
            head, before = as_chain(inner)
            return head, (*before, t.Call(operator, tuple(rest)))
        case _:
            return value, ()


def value_words(value: t.Expression) -> str:
    """What a value is, as the rest of a sentence about it."""
    head, calls = as_chain(value)
    if calls:
        return listed([f"takes {operand(head)}", *map(call_words, calls)])
    return f"is {operand(value) if isinstance(value, t.Name) else condition_words(value)}"


def call_words(call: t.Call) -> str:
    """What an operator does, by its phrase."""
    operator = table_operators().get(call.operator)
    if operator is None or not operator.words:
        return f"does {show_expression(call)}"
    return phrase(operator.words, argument_words(call, operator))


def aggregate_words(value: t.Expression) -> str:
    """What an aggregate of `group` gives."""
    if not isinstance(value, t.Call) or (found := aggregates().get(value.operator)) is None or not found.words:
        return spelled(value)
    names = [name for name, _ in found.parameters]
    given = {name: condition_words(argument.value) for name, argument in zip(names, value.arguments, strict=False)}
    return phrase(found.words, given)


def phrase(words: str, given: Mapping[str, str]) -> str:
    """A phrase with its arguments in it."""
    said = ONLY_WITH.sub(lambda found: found[3] if (found[2] in given) != bool(found[1]) else "", words)
    return ARGUMENT.sub(lambda found: given.get(found[1], found[2] or ""), said)


def argument_words(call: t.Call, operator: Operator) -> dict[str, str]:
    """The arguments that are given, in words, by the names of their parameters; what is false is not given."""
    several = next((p for p in operator.parameters if p.variadic), None)
    places = [p for p in operator.parameters if not p.variadic]
    by_name = {p.name: p for p in places}
    found: dict[str, str] = {}
    many: list[str] = []
    for argument in call.arguments:
        parameter = by_name.get(argument.name or "")
        if argument.name is None and several is None and places:
            parameter = places.pop(0)
        if parameter is None:
            many.append(one_of_several(argument, several))
        elif argument.value != t.Constant(False):
            found[parameter.name] = argument_value(argument.value, parameter)
    return found | ({several.name: listed(many)} if several is not None and many else {})


def argument_value(value: t.Expression, parameter: Parameter) -> str:
    """A value in words; a word that is chosen among a few stands as it is."""
    if isinstance(parameter.kind, Choice) and isinstance(value, t.Text) and not value.raw:
        return value.value
    return condition_words(value)


def one_of_several(argument: t.Argument, parameter: Parameter | None) -> str:
    """One of any number of arguments: a column, a key to sort by, a computed column."""
    value, kind = argument.value, None if parameter is None else parameter.kind
    if isinstance(kind, SortKeys) and isinstance(value, t.Unary) and value.operator == "-":
        return f"{spelled(value.operand)} downwards"
    told = aggregate_words(value) if isinstance(kind, Aggregates) else spelled(value)
    return told if argument.name is None else f"{quoted_name(argument.name)} as {told}"


def condition_words(value: t.Expression, within: str = "") -> str:
    """An expression in words as far as it compares; the rest as it is written."""
    match value:
        case t.Binary("and" | "or" as operator, left, right):
            told = f"{condition_words(left, operator)} {operator} {condition_words(right, operator)}"
            return f"({told})" if within not in ("", operator) else told
        case t.Binary(operator, left, right) if operator in COMPARISONS:
            told = f"{spelled(left)} {COMPARISONS[operator]} {spelled(right)}"
        case t.Unary("not", operand_):
            told = f"not ({condition_words(operand_)})"
        case t.Between(of, low, high, negated):
            told = f"{spelled(of)} is {'not ' if negated else ''}between {spelled(low)} and {spelled(high)}"
        case t.IsNull(of, negated):
            told = f"{spelled(of)} is {'there' if negated else 'missing'}"
        case t.Items(items) if all(isinstance(item.value, t.Name) or item.name is not None for item in items):
            return listed([one_of_several(item, None) for item in items])
        case _:
            told = spelled(value)
    return told


def operand(value: t.Expression) -> str:
    return f"`{value.name}`" if isinstance(value, t.Name) else spelled(value)


def spelled(value: t.Expression) -> str:
    return show_expression(value)


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "nothing"
