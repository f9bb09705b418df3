"""In which types the arguments of an expression's operator meet, where decimals are among them.

In: a function's name and its arguments' types. Out: for each argument the type that it is taken as. Law: decimals meet
each other and ints exactly, at the most digits after the point; with a float beside them they are floats.
"""

from __future__ import annotations

from rlm_dsl.language.operators.core.engine_types import number_type
from rlm_dsl.language.types import FLOAT, ListOf, Type, bare, is_decimal, is_numeric, parts, unify

MEETING = frozenset(
    ("+", "-", "*", "//", "%", "==", "!=", "<", "<=", ">", ">=", "between", "in", "coalesce", "if", "least", "greatest")
)
"""The functions whose arguments meet in one type."""


def meeting_types(function: str, types: tuple[Type, ...]) -> tuple[Type, ...]:
    """What each argument is taken as; its own type where no decimal is among them."""
    if not any(is_decimal(part) for type_ in types for part in parts(type_)):
        return types
    if function == "/":
        return tuple(FLOAT if is_decimal(type_) else type_ for type_ in types)
    if function not in MEETING:
        return types
    if function == "if":
        return (types[0], *met(types[1:]))
    if function == "in":
        of = bare(types[1])
        assert isinstance(of, ListOf)
        value, element = met((types[0], of.of))
        return value, ListOf(element)
    if function == "*":
        mixed = FLOAT in map(bare, types)
        return tuple(FLOAT if mixed and is_decimal(type_) else type_ for type_ in types)
    return met(types)


def met(types: tuple[Type, ...]) -> tuple[Type, ...]:
    """One type for all that is a number; lists and records part by part."""
    numbers = tuple(type_ for type_ in types if is_numeric(type_))
    if numbers:
        shared = number_type(numbers)
        return tuple(shared if is_numeric(type_) else type_ for type_ in types)
    shared_whole: Type | None = types[0]
    for type_ in types[1:]:
        shared_whole = None if shared_whole is None else unify(shared_whole, type_)
    return types if shared_whole is None else tuple(shared_whole for _ in types)
