"""JSON values to types: the type that all values of a field have, and the values in it.

In: values as Python has them, a batch after the other. Out: types and Arrow arrays. Law: a field's type is that of all
its values, whichever batch they come in; a field that is absent is null; values of several kinds are kept as their JSON
text, and so are numbers of which a float would change one. Numbers with a point are decimals or floats as cells of text
are (see number_shape); bytes are text, as Arrow's are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal as Exact
from functools import reduce
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.exact import DIGITS, at_scale, shortest, spelled
from rlm_dsl.context.columns.arrow_columns import CONTROLS
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.names import UNSPEAKABLE
from rlm_dsl.context.columns.number_shape import FLOATS, NO_NUMBERS, SHORT, NumberShape, Written, shape_of_numbers
from rlm_dsl.context.columns.text_columns import cast_cells, readable_types
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
    Decimal,
    Field,
    ListOf,
    Nullable,
    Record,
    Scalar,
    Type,
    bare,
    is_nullable,
    null_if,
    nullable,
)

MOMENTS: tuple[Type, ...] = (DATE, TIMESTAMP)
SAFE = 2**53
"""Every whole number up to this one is a float too."""
LONG = Scalar("long")  # type: ignore[arg-type]
"""Within this module, the type of a whole number that no float is: with floats beside it, their texts are kept."""
SCALARS: dict[type, Type] = {type(None): NULL, bool: BOOL, float: FLOAT, str: TEXT, bytes: TEXT}


@dataclass(frozen=True, slots=True)
class SeenValues:
    """What the values of a field were so far: the type that holds them, what all texts read as, if all were texts."""

    joined: Type | None = None
    moments: tuple[Type, ...] = MOMENTS
    texts: bool = True
    shape: NumberShape = NO_NUMBERS
    exact: bool = False
    """Whether decimals were given as such, and stay ones."""
    hexadecimal: bool = False
    blobs: bool = False
    """Whether there are bytes, and whether some of them are no text."""

    @property
    def type(self) -> Type:
        """Texts that are all ISO dates are dates."""
        found = self.joined or NULL
        if bare(found) == TEXT and self.texts and self.moments:
            return null_if(is_nullable(found), self.moments[0])
        if bare(found) == FLOAT or isinstance(bare(found), Decimal):
            found = null_if(is_nullable(found), self.number_type(bare(found)))
        return nullable(TEXT) if found == NULL else final_type(found)

    def number_type(self, found: Type) -> Type:
        """Numbers as they are given, or as a file's are read."""
        return self.shape.type if self.shape.pointed and not self.exact else found

    def together(self, other: SeenValues) -> SeenValues:
        """What is known of the values of both."""
        held = [each for each in (self.joined, other.joined) if each is not None]
        moments = tuple(type_ for type_ in self.moments if type_ in other.moments)
        return SeenValues(
            reduce(common_type, held) if held else None,
            moments,
            self.texts and other.texts,
            self.shape.and_also(other.shape),
            self.exact or other.exact,
            self.hexadecimal or other.hexadecimal,
            self.blobs or other.blobs,
        )


def observe_values(before: SeenValues, values: Sequence[Any]) -> SeenValues:
    """What is known of a field when these values are looked at too."""
    kinds = set(map(type, values))
    types = list(distinct_types(values, kinds))
    found = reduce(common_type, types if before.joined is None else [before.joined, *types])
    texts = before.texts and kinds <= {str, type(None)}
    moments = before.moments
    if texts and moments and str in kinds:
        moments = read_moments(values, moments)
    shape, hexadecimal = before.shape, before.hexadecimal
    if Written in kinds:
        shape = shape.and_also(shape_of_numbers(value for value in values if type(value) is Written))
    if float in kinds:
        shape = shape.and_also(FLOATS)
    if int in kinds:
        shape = shape.and_also(NumberShape(len(str(max(abs(value) for value in values if type(value) is int)))))
    if bytes in kinds and not hexadecimal:
        hexadecimal = not all(is_text_of_bytes(value) for value in values if isinstance(value, bytes))
    exact = before.exact or Exact in kinds
    return SeenValues(found, moments, texts, shape, exact, hexadecimal, before.blobs or bytes in kinds)


def distinct_types(values: Sequence[Any], kinds: set[type]) -> Iterable[Type]:
    """The types of values, each once."""
    found = [SCALARS[kind] for kind in kinds if kind in SCALARS]
    return dict.fromkeys([*found, *(value_type(value) for value in values if type(value) not in SCALARS)])


def read_moments(values: Sequence[Any], types: tuple[Type, ...]) -> tuple[Type, ...]:
    """What all texts read as of these."""
    import pyarrow as pa

    first = next(value for value in values if value is not None)
    if not first[:4].isdigit():
        return ()
    return readable_types(pa.array(values, pa.large_string()).drop_null(), types, 1)


def column_of(values: Sequence[Any], type_: Type, hexadecimal: bool = False) -> Any:
    """The values of a field as a column of its type; bytes as hexadecimal digits or as UTF-8."""
    import pyarrow as pa

    if bytes in set(map(type, values)):
        values = [spelled_bytes(value, hexadecimal) if isinstance(value, bytes) else value for value in values]
    if bare(type_) in MOMENTS:
        return cast_cells(pa.array(values, pa.large_string()), bare(type_))
    if bare(type_) not in (INT, BOOL) and not (bare(type_) == TEXT and set(map(type, values)) <= {str, type(None)}):
        values = [as_type(value, type_) for value in values]
    return pa.array(values, arrow_type(type_))


def value_type(value: Any) -> Type:
    match value:
        case None:
            return NULL
        case bool():
            return BOOL
        case int():
            return whole_type(value)
        case float():
            return FLOAT
        case Written() if is_printed_float(value):
            return FLOAT
        case Exact():
            return decimal_type(value)
        case str() | bytes():
            return TEXT
        case list():
            return ListOf(common_type_of(value))
        case _:
            free = len({key.lower() for key in value}) == len(value) and all(map(speakable, value))
            return Record(tuple(Field(k, value_type(v)) for k, v in value.items())) if value and free else TEXT


def is_printed_float(value: Exact) -> bool:
    """Whether a number within a list or record is one that a program printed of a float."""
    _, _, exponent = value.as_tuple()
    return isinstance(exponent, int) and -exponent > SHORT and shortest(float(value)) == value


def decimal_type(value: Exact) -> Type:
    """The decimal that holds a number; infinities and what is none are floats, and too many digits are text."""
    if not value.is_finite():
        return FLOAT
    _, _, exponent = value.as_tuple()
    scale = max(0, -exponent) if isinstance(exponent, int) else 0
    return Decimal(scale) if at_scale(value, min(scale, DIGITS)) is not None else TEXT


def whole_type(value: int) -> Type:
    if -SAFE <= value <= SAFE:
        return INT
    if not -(2**63) <= value < 2**63:
        return TEXT
    return INT if int(float(value)) == value else LONG


def final_type(type_: Type) -> Type:
    """The type in the language's own words."""
    match type_:
        case Nullable(of):
            return nullable(final_type(of))
        case ListOf(of):
            return ListOf(final_type(of))
        case Record(fields):
            return Record(tuple(Field(field.name, final_type(field.type)) for field in fields))
        case _:
            return INT if type_ == LONG else type_


def speakable(key: str) -> bool:
    """Whether a key can be a field's name in a program."""
    return bool(key) and not UNSPEAKABLE.search(key)


def common_type_of(values: Sequence[Any]) -> Type:
    """The type that holds them all; that of `null` for none."""
    types = [value_type(value) for value in values]
    return reduce(common_type, types) if types else NULL


def common_type(a: Type, b: Type) -> Type:
    """The type that holds values of both; text, as JSON, where nothing narrower does."""
    if a == NULL or b == NULL:
        other = b if a == NULL else a
        return other if other == NULL else nullable(other)
    absent = is_nullable(a) or is_nullable(b)
    return null_if(absent, common_bare_type(bare(a), bare(b)))


def common_bare_type(a: Type, b: Type) -> Type:
    match a, b:
        case _ if a == b:
            return a
        case _ if {a, b} == {INT, FLOAT}:
            return FLOAT
        case _ if {a, b} == {INT, LONG}:
            return LONG
        case Decimal(first), Decimal(second):
            return Decimal(max(first, second))
        case (Decimal(), Scalar("int" | "long")) | (Scalar("int" | "long"), Decimal()):
            return a if isinstance(a, Decimal) else b
        case (Decimal(), Scalar("float")) | (Scalar("float"), Decimal()):
            return FLOAT
        case ListOf(first), ListOf(second) if NULL in (first, second):
            return ListOf(second if first == NULL else first)
        case ListOf(first), ListOf(second):
            return ListOf(common_type(first, second))
        case Record(), Record():
            return common_record(a, b)
        case _:
            return TEXT


def common_record(a: Record, b: Record) -> Type:
    names = list(dict.fromkeys(f.name for f in (*a.fields, *b.fields)))
    if len({name.lower() for name in names}) < len(names):
        return TEXT
    return Record(tuple(Field(n, common_type(a.field(n) or NULL, b.field(n) or NULL)) for n in names))


def json_text(value: Any) -> str:
    """A value as JSON, numbers as they were written, bytes as hexadecimal digits."""
    match value:
        case Exact():
            return spelled(value) if value.is_finite() else str(value)
        case bytes():
            return json.dumps(value.hex())
        case list():
            return "[" + ", ".join(map(json_text, value)) + "]"
        case dict():
            members = (f"{json.dumps(key, ensure_ascii=False)}: {json_text(item)}" for key, item in value.items())
            return "{" + ", ".join(members) + "}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def is_text_of_bytes(value: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters."""
    try:
        return not CONTROLS.search(value.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def spelled_bytes(value: bytes, hexadecimal: bool) -> str:
    return value.hex() if hexadecimal else value.decode("utf-8")


def exactly(value: Any, scale: int) -> Exact:
    """A number at a scale. Raises UserError where it has too many digits beside those of the others."""
    made = at_scale(Exact(value), scale)
    if made is None:
        raise UserError(
            f"numbers of {DIGITS} digits in all, and of {scale} after the point, do not hold {spelled(Exact(value))}",
            "give such numbers as texts",
        )
    return made


def as_type(value: Any, type_: Type) -> Any:
    """A JSON value in a column of the type: text of JSON where the column is text and the value is none."""
    match bare(type_):
        case _ if value is None:
            return None
        case t if t in (TEXT, NULL):
            return value if isinstance(value, str) else json_text(value)
        case Decimal(scale):
            return exactly(value, scale)
        case t if t == FLOAT:
            return float(value)
        case ListOf(of):
            return [as_type(item, of) for item in value]
        case Record(fields):
            return {field.name: as_type(value.get(field.name), field.type) for field in fields}
        case _:
            return value
