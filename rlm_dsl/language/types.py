"""The language's types.

In: nothing. Out: immutable type values, their canonical text, and `fits(given, wanted)`.
Law: `fits` is reflexive and transitive; `str(type)` is the language's own spelling of the type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

ScalarName = Literal["text", "quote", "int", "float", "bool", "date", "timestamp", "null"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts. `null` is the type of the literal `null` alone; a `quote` is a text that stands word for
    word in what a model was shown."""

    name: ScalarName

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number with so many digits after the point, of DIGITS in all."""

    scale: int

    def __str__(self) -> str:
        return f"decimal({self.scale})"


@dataclass(frozen=True, slots=True)
class Enum:
    """A closed set of texts, in the order given."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        return "enum[" + ", ".join(json.dumps(value, ensure_ascii=False) for value in self.values) + "]"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose elements have one type."""

    of: Type

    def __str__(self) -> str:
        return f"list[{self.of}]"


@dataclass(frozen=True, slots=True)
class Field:
    """A name with its type: a record's field or a table's column."""

    name: str
    type: Type

    def __str__(self) -> str:
        return f"{quoted_name(self.name)}: {self.type}"


@dataclass(frozen=True, slots=True)
class Record:
    """Named values; a field may be any type, in `answer` also a table."""

    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.fields)) + "}"

    def field(self, name: str) -> Type | None:
        return next((field.type for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True)
class Nullable:
    """A type whose values may be null, spelled `T?`."""

    of: Type

    def __str__(self) -> str:
        return f"{self.of}?"


@dataclass(frozen=True, slots=True)
class Table:
    """Typed columns in order, over rows in a defined order."""

    columns: tuple[Field, ...]

    def __str__(self) -> str:
        return "table(" + ", ".join(map(str, self.columns)) + ")"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Type | None:
        """The type of column `name`, or None if there is none."""
        return next((column.type for column in self.columns if column.name == name), None)

    def replacing(self, more: Iterable[Field]) -> Table:
        """This table's columns, those of `more` in the place of the columns of their names, others behind."""
        made = {column.name: column for column in self.columns}
        return Table(tuple((made | {column.name: column for column in more}).values()))

    def with_columns(self, more: Iterable[Field]) -> Table:
        """This table's columns followed by `more`; clashes are the caller's to refuse."""
        return Table(self.columns + tuple(more))


Type: TypeAlias = Scalar | Decimal | Enum | ListOf | Record | Nullable | Table

TEXT = Scalar("text")
QUOTE = Scalar("quote")
INT = Scalar("int")
FLOAT = Scalar("float")
BOOL = Scalar("bool")
DATE = Scalar("date")
TIMESTAMP = Scalar("timestamp")
NULL = Scalar("null")

DIGITS = 38
"""Digits of a decimal in all, those after the point among them."""
MONEY = Decimal(2)
"""What `decimal` alone means."""

SCALARS: dict[str, Scalar] = {t.name: t for t in (TEXT, QUOTE, INT, FLOAT, BOOL, DATE, TIMESTAMP)}


def table(**columns: Type) -> Table:
    """A table type from keywords, for operators' files and tests."""
    return Table(tuple(Field(name, type_) for name, type_ in columns.items()))


def bare(type_: Type) -> Type:
    """The type without its `?`."""
    return type_.of if isinstance(type_, Nullable) else type_


def nullable(type_: Type) -> Type:
    """`T?`, once."""
    return type_ if isinstance(type_, Nullable) or type_ == NULL else Nullable(type_)


def is_nullable(type_: Type) -> bool:
    return isinstance(type_, Nullable) or type_ == NULL


def null_if(condition: bool, type_: Type) -> Type:
    """`type_`, nullable if the condition holds."""
    return nullable(type_) if condition else type_


def is_numeric(type_: Type) -> bool:
    return bare(type_) in (INT, FLOAT) or is_decimal(type_)


def is_decimal(type_: Type) -> bool:
    return isinstance(bare(type_), Decimal)


def scale_of(type_: Type) -> int:
    """Digits after the point: none of an int."""
    inner = bare(type_)
    return inner.scale if isinstance(inner, Decimal) else 0


def is_text(type_: Type) -> bool:
    """Text, quotes and enums (an enum's values are texts)."""
    return bare(type_) in (TEXT, QUOTE) or isinstance(bare(type_), Enum)


def is_scalar(type_: Type) -> bool:
    """True for a type that is neither list, record nor table."""
    return isinstance(bare(type_), Scalar | Decimal | Enum)


def fits(given: Type, wanted: Type) -> bool:
    """Whether a value of type `given` may stand where `wanted` is asked for.

    An int fits a decimal and a float, a decimal fits one of more digits after the point and a float, a quote fits text,
    an enum fits text and any enum that has all its values, T fits T?, null fits T?; lists and records fit part by part.
    """
    if given == wanted:
        return True
    match given, wanted:
        case Nullable(inner), Nullable(outer):
            return fits(inner, outer)
        case Nullable(), _:
            return False
        case _, Nullable(outer):
            return given == NULL or fits(given, outer)
        case Scalar("int") | Decimal(), Scalar("float"):
            return True
        case Scalar("int"), Decimal():
            return True
        case Decimal(scale), Decimal(more_digits):
            return scale <= more_digits
        case Enum() | Scalar("quote"), Scalar("text"):
            return True
        case Enum(values), Enum(more):
            return set(values) <= set(more)
        case ListOf(inner), ListOf(outer):
            return inner == NULL or fits(inner, outer)
        case Record(fields), Record(wanted_fields):
            return [f.name for f in fields] == [f.name for f in wanted_fields] and all(
                fits(a.type, b.type) for a, b in zip(fields, wanted_fields, strict=True)
            )
        case _:
            return False


def unify(a: Type, b: Type) -> Type | None:
    """The narrowest type both fit, or None: of branches of `if`, elements of a list, two sides of `==`."""
    if fits(a, b):
        return b
    if fits(b, a):
        return a
    if is_nullable(a) or is_nullable(b):
        inner = b if a == NULL else a if b == NULL else unify(bare(a), bare(b))
        return None if inner is None else nullable(inner)
    match a, b:
        case Enum(first), Enum(second):
            return Enum(first + tuple(value for value in second if value not in first))
        case Enum() | Scalar("text" | "quote"), Enum() | Scalar("text" | "quote"):
            return TEXT
        case ListOf(first_of), ListOf(second_of):
            inner = unify(first_of, second_of)
            return None if inner is None else ListOf(inner)
        case _:
            return None


def comparable(a: Type, b: Type) -> bool:
    """Whether `==` and `<` make sense between the two (dates compare with timestamps)."""
    bare_a, bare_b = bare(a), bare(b)
    if NULL in (bare_a, bare_b) or {bare_a, bare_b} == {DATE, TIMESTAMP}:
        return True
    if isinstance(bare_a, Table) or isinstance(bare_b, Table):
        return False
    return unify(bare_a, bare_b) is not None


PLAIN_NAME_START = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
PLAIN_NAME_REST = PLAIN_NAME_START + "0123456789"
MISREAD = frozenset("None True False NULL TRUE FALSE".split())
"""Words that the language does not have, and would take for slips of those it has."""
RESERVED = frozenset("context param show answer true false null and or not in between is matches".split())


def quoted_name(name: str) -> str:
    """A name as the language spells it: plain where it can be, else in backticks (a backtick is doubled)."""
    plain = bool(name) and name[0] in PLAIN_NAME_START and all(c in PLAIN_NAME_REST for c in name)
    return name if plain and name not in RESERVED | MISREAD else "`" + name.replace("`", "``") + "`"


def parts(type_: Type) -> Iterator[Type]:
    """The type and every type inside it, outermost first."""
    yield type_
    match type_:
        case ListOf(of) | Nullable(of):
            yield from parts(of)
        case Record(fields) | Table(fields):
            for field in fields:
                yield from parts(field.type)
        case Scalar() | Decimal() | Enum():
            return
