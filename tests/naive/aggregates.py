"""Aggregates, by name.

In: the values of an expression over the rows of a group, in the table's order. Out: one value.
Law: nulls are left out, except by `first`, `last` and `list`, which show what stands there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from tests.naive.values import Kind, Unsaid, Value, comparable, key, ordered, spelled, whole

AGGREGATES: dict[str, Callable[..., Value]] = {}
"""Each takes the number of rows, then for each argument its kind and its values a row."""


def aggregate(name: str) -> Callable[..., Any]:
    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        AGGREGATES[name] = body
        return body

    return register


Column = tuple[Kind, Sequence[Any]]


def present(column: Column) -> list[Any]:
    return [value for value in column[1] if value is not None]


@aggregate("count")
def count(rows: int) -> Value:
    return Value("int", rows)


@aggregate("count_if")
def count_if(rows: int, condition: Column) -> Value:
    return Value("int", sum(1 for value in condition[1] if value is True))


@aggregate("count_distinct")
def count_distinct(rows: int, column: Column) -> Value:
    return Value("int", len({key(value) for value in present(column)}))


@aggregate("sum")
def total(rows: int, column: Column) -> Value:
    """Floats are added one by one, in the table's order."""
    if column[0] == "int":
        return whole(sum(present(column)))
    return Value("float", added(present(column)))


def added(values: Sequence[float]) -> float:
    so_far = 0.0
    for value in values:
        so_far += value
    return so_far


@aggregate("avg")
def avg(rows: int, column: Column) -> Value:
    values = present(column)
    if not values:
        return Value("float", None)
    return Value("float", (float(sum(values)) if column[0] == "int" else added(values)) / len(values))


@aggregate("min")
def smallest(rows: int, column: Column) -> Value:
    return Value(column[0], min(present(column), key=ordered, default=None))


@aggregate("max")
def largest(rows: int, column: Column) -> Value:
    return Value(column[0], max(present(column), key=ordered, default=None))


@aggregate("median")
def median(rows: int, column: Column) -> Value:
    if column[0] in ("date", "timestamp"):
        return of_moments(column)
    return quantile(rows, column, ("float", [0.5] * rows))


def of_moments(column: Column) -> Value:
    """The mean of the two middle ones: of dates the day that it falls on, of timestamps the microsecond."""
    found = sorted(comparable(value) for value in present(column))
    if not found:
        return Value(column[0], None)
    low, high = found[(len(found) - 1) // 2], found[len(found) // 2]
    middle = low + (high - low) // 2
    return Value(column[0], middle.date() if column[0] == "date" else middle)


@aggregate("variance")
def variance(rows: int, column: Column) -> Value:
    """The mean square of the distances from the mean, exactly, over one less than there are values."""
    values = [Fraction(value) for value in present(column)]
    if len(values) < 2:
        return Value("float", None)
    mean = sum(values) / len(values)
    return Value("float", as_float(sum((value - mean) ** 2 for value in values) / (len(values) - 1)))


@aggregate("stddev")
def stddev(rows: int, column: Column) -> Value:
    found = variance(rows, column).value
    return Value("float", None if found is None else math.sqrt(found))


def as_float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


@aggregate("mode")
def mode(rows: int, column: Column) -> Value:
    """Of the values that stand there most often the smallest."""
    counts = Counter(present(column))
    most = [value for value, count in counts.items() if count == max(counts.values())]
    return Value(column[0], min(most, key=ordered, default=None))


@aggregate("quantile")
def quantile(rows: int, column: Column, share: Column) -> Value:
    """Between the two values around the place `q` of the way from the first to the last."""
    values = sorted(float(value) for value in present(column))
    if not values:
        return Value("float", None)
    place = float(share[1][0]) * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return Value("float", low + (high - low) * (place - math.floor(place)))


@aggregate("first")
def first(rows: int, column: Column) -> Value:
    return Value(column[0], column[1][0] if rows else None)


@aggregate("last")
def last(rows: int, column: Column) -> Value:
    return Value(column[0], column[1][-1] if rows else None)


@aggregate("list")
@aggregate("values")
def listed(rows: int, column: Column) -> Value:
    return Value(("list", column[0]), list(column[1]))


@aggregate("text")
def text(rows: int, column: Column, separator: Column = ("text", ("\n",))) -> Value:
    if column[0][0] in ("list", "record"):
        raise Unsaid("how a list or record is written")
    between = separator[1][0] if separator[1] else ""
    return Value("text", between.join(spelled(value) for value in present(column)))
