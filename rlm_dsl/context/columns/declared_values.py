"""Values of one type read as those of another that a program declares.

In: the type that was found, the one declared, and Arrow arrays. Out: the values, null where one is none, and the places
of these. Law: no value is changed: a number of more digits than declared, a moment that is no midnight, a text that
says nothing of the type does not fit; of a float its 15 sure digits count, those that spreadsheets show.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal as Exact
from typing import Any

from rlm_dsl.common.exact import at_scale, spelled
from rlm_dsl.context.columns.arrow_types import arrow_type, recast
from rlm_dsl.context.columns.declared_cells import is_readable, read_cells
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    QUOTE,
    TEXT,
    TIMESTAMP,
    Decimal,
    Type,
    bare,
    fits,
    is_nullable,
    is_text,
    null_if,
)

Values = tuple[Any, list[int]]
"""An array, and the places of values that do not fit."""
SAFE = 2**53


def reader_of(found: Type, wanted: Type) -> Callable[[Any], Values] | None:
    """How values of one type are read as another; None where none is."""
    given, target = bare(found), bare(wanted)
    if fits(given, target) or fits(found, null_if(is_nullable(found), wanted)):
        return lambda values: (values if given == target else recast(values, target), [])
    if is_text(given):
        return (lambda values: read_cells(values, target)) if is_readable(target) else None
    if target in (TEXT, QUOTE):
        return (lambda values: one_by_one(values, as_text, TEXT)) if is_scalar(given) else None
    read = value_reader(given, target)
    return None if read is None else (lambda values: one_by_one(values, read, target))


def is_scalar(type_: Type) -> bool:
    return type_ in (INT, FLOAT, BOOL, DATE, TIMESTAMP) or isinstance(type_, Decimal)


def value_reader(given: Type, target: Type) -> Callable[[Any], Any] | None:
    """Reads a value as one of a type; it gives None for what is none."""
    numbers = given in (INT, FLOAT) or isinstance(given, Decimal)
    if numbers and isinstance(target, Decimal):
        scale = target.scale
        return lambda value: None if (number := exact(value)) is None else at_scale(number, scale)
    if numbers and target == INT:
        return whole
    if given == TIMESTAMP and target == DATE:
        return lambda value: value.date() if value.time() == value.time().min else None
    return None


def one_by_one(values: Any, read: Callable[[Any], Any], type_: Type) -> Values:
    import pyarrow as pa

    held = values.to_pylist()
    made = [None if value is None else read(value) for value in held]
    wrong = [
        place for place, (value, new) in enumerate(zip(held, made, strict=True)) if new is None and value is not None
    ]
    return pa.array(made, arrow_type(type_)), wrong


def exact(value: Any) -> Exact | None:
    """A number by its digits; of a float by those that are sure."""
    if not isinstance(value, float):
        return Exact(value)
    return Exact(f"{value:.15g}") if value == value and abs(value) != float("inf") else None


def whole(value: Any) -> int | None:
    if isinstance(value, float) and not abs(value) <= SAFE:
        return None
    number = int(value)
    return number if number == value and -(2**63) <= number < 2**63 else None


def as_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer() and abs(value) <= SAFE:
            return str(int(value))
        case Exact():
            return spelled(value)
        case _:
            return value.isoformat(" ") if hasattr(value, "hour") else str(value)
