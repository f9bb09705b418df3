"""JSON values to types: the type that all values of a field have, and the values in it.

In: values as Python has them, a batch after the other. Out: types and Arrow arrays. Law: a field's type is that of all
its values, whichever batch they come in; a field that is absent is null; values of several kinds are kept as their JSON
text, and so are numbers of which a float would change one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.names import UNSPEAKABLE
from rlm_dsl.context.columns.text_columns import cast_cells, readable_types
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
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
SCALARS: dict[type, Type] = {type(None): NULL, bool: BOOL, float: FLOAT, str: TEXT}


@dataclass(frozen=True, slots=True)
class SeenValues:
    """What the values of a field were so far: the type that holds them, what all texts read as, if all were texts."""

    joined: Type | None = None
    moments: tuple[Type, ...] = MOMENTS
    texts: bool = True

    @property
    def type(self) -> Type:
        """Texts that are all ISO dates are dates."""
        found = self.joined or NULL
        if bare(found) == TEXT and self.texts and self.moments:
            return null_if(is_nullable(found), self.moments[0])
        return nullable(TEXT) if found == NULL else final_type(found)

    def together(self, other: SeenValues) -> SeenValues:
        """What is known of the values of both."""
        held = [each for each in (self.joined, other.joined) if each is not None]
        moments = tuple(type_ for type_ in self.moments if type_ in other.moments)
        return SeenValues(reduce(common_type, held) if held else None, moments, self.texts and other.texts)

    def keeps(self, type_: Type) -> bool:
        """Whether values that gave this type and these give it together, but for nulls."""
        if self.joined in (None, NULL):
            return True
        if type_ in MOMENTS:
            return self.texts and type_ in self.moments
        if type_ == TEXT:
            return bare(self.type) == TEXT and not (self.texts and self.moments)
        return bare(self.type) == type_ or (type_ == FLOAT and bare(self.joined or NULL) == INT)


def observe_values(before: SeenValues, values: Sequence[Any]) -> SeenValues:
    """What is known of a field when these values are looked at too."""
    kinds = set(map(type, values))
    types = list(distinct_types(values, kinds))
    found = reduce(common_type, types if before.joined is None else [before.joined, *types])
    texts = before.texts and kinds <= {str, type(None)}
    moments = before.moments
    if texts and moments and str in kinds:
        moments = read_moments(values, moments)
    return SeenValues(found, moments, texts)


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


def column_of(values: Sequence[Any], type_: Type) -> Any:
    """The values of a field as a column of its type."""
    import pyarrow as pa

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
        case str():
            return TEXT
        case list():
            return ListOf(common_type_of(value))
        case _:
            free = len({key.lower() for key in value}) == len(value) and all(map(speakable, value))
            return Record(tuple(Field(k, value_type(v)) for k, v in value.items())) if value and free else TEXT


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


def as_type(value: Any, type_: Type) -> Any:
    """A JSON value in a column of the type: text of JSON where the column is text and the value is none."""
    match bare(type_):
        case _ if value is None:
            return None
        case t if t in (TEXT, NULL):
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        case t if t == FLOAT:
            return float(value)
        case ListOf(of):
            return [as_type(item, of) for item in value]
        case Record(fields):
            return {field.name: as_type(value.get(field.name), field.type) for field in fields}
        case _:
            return value
