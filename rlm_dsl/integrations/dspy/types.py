"""A dspy signature's fields as our types, and answers back as its fields.

In: Python annotations. Out: types of the language; values as the annotation has them.
Law: an annotation that the language has no type for is refused when the module is made, never when it runs.
"""

from __future__ import annotations

import datetime
import enum
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TEXT, TIMESTAMP, Enum, Field, ListOf, Record, Type, nullable

SCALARS: Mapping[Any, Type] = {
    str: TEXT,
    int: INT,
    float: FLOAT,
    bool: BOOL,
    datetime.date: DATE,
    datetime.datetime: TIMESTAMP,
}


def field_type(annotation: Any, at: str) -> Type:
    """The type of an output field. Raises UserError."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in SCALARS:
        return SCALARS[annotation]
    if origin is Literal and all(isinstance(part, str) for part in parts):
        return Enum(tuple(parts))
    if origin in (Union, types.UnionType) and type(None) in parts and len(parts) == 2:
        return nullable(field_type(next(part for part in parts if part is not type(None)), at))
    if origin in (list, tuple, set) and parts and (origin is not tuple or parts[1:] == (...,)):
        return ListOf(field_type(parts[0], at))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return enum_type(annotation, at)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return Record(tuple(Field(name, field_type(field.annotation, f"{at}.{name}")) for name, field in fields))
    raise no_type(annotation, at)


def enum_type(annotation: type[enum.Enum], at: str) -> Type:
    values = tuple(member.value for member in annotation)
    if not values or not all(isinstance(value, str) for value in values):
        raise no_type(annotation, at)
    return Enum(values)


def no_type(annotation: Any, at: str) -> UserError:
    named = getattr(annotation, "__name__", None) or str(annotation)
    return UserError(
        f"the output `{at}` is a {named}, which the language has no type for",
        "use str, int, float, bool, date, datetime, Literal or Enum of texts, list[T], T | None or a BaseModel",
    )


def field_value(value: Any, annotation: Any) -> Any:
    """A value of the language as the annotation has it. Raises UserError for what its own validation refuses."""
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as failure:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}".lstrip(": ") for e in failure.errors())
        raise UserError(f"the answer does not validate: {told}", code="type") from None
