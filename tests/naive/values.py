"""Values with their kinds.

In: Python values. Out: kinds, their common kind, and how a value is compared, ordered and spelled.
Law: a value's kind never depends on what the value is, so that an empty table has the same kinds as a full one.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Kind = str | tuple[Any, ...]
"""text, int, float, bool, date, timestamp, null, ("list", kind) or ("record", ((name, kind), ...))."""


@dataclass(frozen=True)
class Value:
    kind: Kind
    value: Any

    @property
    def absent(self) -> bool:
        return self.value is None


class Stops(Exception):
    """The program must stop with an error: a whole number leaves 64 bits, a date leaves the calendar."""


class Unsaid(Exception):
    """The language's documents do not say what happens here."""


NULL = Value("null", None)
SMALLEST, LARGEST = -(2**63), 2**63 - 1


def whole(number: int) -> Value:
    if not SMALLEST <= number <= LARGEST:
        raise Stops(f"{number} has more than 64 bits")
    return Value("int", number)


def common_kind(a: Kind, b: Kind) -> Kind:
    """The kind that holds values of both."""
    if a == b or b == "null":
        return a
    if a == "null":
        return b
    if {a, b} == {"int", "float"}:
        return "float"
    if a[0] == b[0] == "list":
        return ("list", common_kind(a[1], b[1]))
    raise AssertionError(f"{a} and {b} have no common kind")


def as_kind(kind: Kind, value: Value) -> Value:
    """The same value as one of a wider kind."""
    return Value(kind, widened(kind, value.value))


def widened(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "float":
        return float(value)
    if kind[0] == "list":
        return [widened(kind[1], item) for item in value]
    return value


def comparable(value: Any) -> Any:
    """A key by which values of one kind compare: numbers by size, texts by code point, a date as its midnight."""
    match value:
        case datetime.datetime():
            return value
        case datetime.date():
            return datetime.datetime.combine(value, datetime.time())
        case list():
            return [comparable(item) for item in value]
        case _:
            return value


def ordered(value: Any) -> Any:
    """The same, to be put in order: where a list has a null, its place is not said."""
    if isinstance(value, list) and any(item is None for item in value):
        raise Unsaid("the order of lists with nulls")
    return comparable(value)


def key(value: Any) -> Any:
    """What equal values share, null among them: a hashable key for grouping."""
    match value:
        case None:
            return ("null",)
        case list():
            return ("list", *(key(item) for item in value))
        case dict():
            return ("record", *((name, key(item)) for name, item in value.items()))
        case _:
            return ("value", comparable(value))


def spelled(value: Any) -> str:
    """A value as text, as `concat`, `format` and `text` write it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return repr(value)
        case Decimal():
            return format(value, "f")
        case datetime.datetime():
            plain = value.replace(microsecond=0).isoformat(" ")
            return plain + (f".{value.microsecond:06d}".rstrip("0") if value.microsecond else "")
        case datetime.date():
            return value.isoformat()
        case _:
            raise Unsaid(f"how {type(value).__name__} is written")
