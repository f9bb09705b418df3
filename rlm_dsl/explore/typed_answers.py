"""Answers in a type that was asked for: the type from its spelling, and values in its shape.

In: a type's text, an answer's value. Out: a type; the value in it. Law: a value is reshaped only where nothing is lost;
one that still does not fit is an error, never a guess.
"""

from __future__ import annotations

import json
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.common.source import Source
from rlm_dsl.language.answer_schema import NotOfType, typed
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import TEXT, ListOf, Nullable, Record, Scalar, Table, Type


class WrongType(UserError):
    """The exploration came to an answer of another type than was asked for."""

    def __init__(self, problem: str, value: Any) -> None:
        told = json.dumps(value, ensure_ascii=False)[:200]
        message = f"the answer has another type: {problem}; it was {told}"
        hint = "give it more turns with --turns, or ask a stronger model"
        super().__init__(message, hint, exit_code=3, code="type")


def asked_for(question: str, returns: Type | None) -> str:
    """The question with the type that its answer must have."""
    return question if returns is None else f"{question}\n\nThe answer must have the type: {returns}"


def read_type(text: str) -> Type:
    """A type from its spelling in the language, such as `list[text]`. Raises UserError."""
    source = Source("type", f"context asked: table(value: {text}\n)")
    try:
        tree = parse(source)
        checked = check(tree, Environment())
    except ProgramError:  # whose hints are about programs
        raise not_a_type(text, ()) from None
    type_ = checked.environment.contexts.get("asked")
    if len(tree.statements) != 1 or checked.problems or type_ is None or type_.names != ("value",):
        raise not_a_type(text, checked.problems[0].hints if checked.problems else ())
    return type_.columns[0].type


def not_a_type(text: str, hints: tuple[str, ...]) -> UserError:
    example = 'write int, text, bool, list[text], enum["a", "b"], {name: int} or table(a: int, b: int)'
    return UserError(f"no type: {text[:80]!r}", *(hints or (example,)))


def of_type(value: Any, type_: Type) -> Any:
    """The value as the type has it, JSON-ready. Raises WrongType."""
    wanted = without_tables(type_)
    try:
        return json_ready(typed(reshape(value, wanted), wanted, "answer"))
    except NotOfType as failure:
        raise WrongType(str(failure), value) from None


def misfit(value: Any, type_: Type) -> str:
    """What is wrong with a value in a type; "" if nothing."""
    wanted = without_tables(type_)
    try:
        typed(reshape(value, wanted), wanted, "answer")
        return ""
    except NotOfType as failure:
        return str(failure)


def without_tables(type_: Type) -> Type:
    """The type as JSON has it: a table is a list of records."""
    match type_:
        case Table(columns):
            return ListOf(without_tables(Record(columns)))
        case ListOf(of):
            return ListOf(without_tables(of))
        case Nullable(of):
            return Nullable(without_tables(of))
        case Record(fields):
            return Record(tuple(type(field)(field.name, without_tables(field.type)) for field in fields))
        case _:
            return type_


def reshape(value: Any, wanted: Type) -> Any:
    """The same value in the shape that is wanted, where that loses nothing: a record or row of one, rows of one column,
    a whole float."""
    match wanted, value:
        case Nullable(of), _:
            return None if value is None else reshape(value, of)
        case Record(), dict():
            return {name: reshaped_field(inner, wanted, name) for name, inner in value.items()}
        case Record((field,)), _ if not isinstance(value, list) or isinstance(field.type, ListOf):
            return {field.name: reshape(value, field.type)}
        case Record(), [row]:
            return reshape(row, wanted)
        case ListOf(of), list():
            return [reshape(item, of) for item in value]
        case _, dict() if len(value) == 1 and not isinstance(wanted, Record):
            return reshape(next(iter(value.values())), wanted)
        case _, [row] if isinstance(row, dict):
            return reshape(row, wanted)
        case Scalar("int"), float() if value.is_integer():
            return int(value)
        case _ if wanted == TEXT and isinstance(value, bool | int | float):
            return json.dumps(value)
        case _:
            return value


def reshaped_field(value: Any, wanted: Record, name: str) -> Any:
    type_ = wanted.field(name)
    return value if type_ is None else reshape(value, type_)
