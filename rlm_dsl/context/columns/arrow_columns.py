"""Arrow's columns as the language's: for each of Arrow's types the ways in which it may be read.

In: an Arrow type, then arrays of it. Out: the ways, first the one that says most; the type each gives, whether it holds
some values, and the values in it. Law: the last way holds every value; what a way changes or spells out in its own
manner, it says. A type that the language has not becomes text: bytes as UTF-8 or hexadecimal digits, times as
`08:30:00`, durations as their seconds, intervals after ISO 8601, all else as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.exact import DIGITS
from rlm_dsl.context.columns.arrow_types import arrow_type, recast, relisted
from rlm_dsl.context.columns.names import UNSPEAKABLE
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
    Record,
    Type,
    bare,
)

LONGEST_INT = 18
"""Digits that a whole number of 64 bits holds, whatever they are."""
FIRST_DAY, LAST_DAY = -719162, 2932896
"""The years 1 to 9999 in days from 1970 on."""
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Way:
    """How values are read: the type they get, whether it holds them, and how they are converted. `told` says what a
    person should know of it, or ''."""

    type: Type
    convert: Callable[[Any], Any]
    holds: Callable[[Any], bool] = lambda values: True
    told: str = ""
    sure: bool = False
    """Whether every value is held, so that none needs to be tried."""


def cast_to(type_: Type) -> Callable[[Any], Any]:
    return lambda values: values.cast(arrow_type(type_))


def plainly(type_: Type) -> tuple[Way, ...]:
    """The one way of what Arrow casts without loss."""
    return (Way(type_, cast_to(type_), sure=True),)


def ways_of(kind: Any) -> tuple[Way, ...]:
    """The ways to read an Arrow type, one at least."""
    import pyarrow as pa

    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return extension(kind)
    if t.is_dictionary(kind):
        return through(decoded, ways_of(plain_kind(kind.value_type)))
    if t.is_run_end_encoded(kind):
        return through(lambda values: pa.compute.run_end_decode(values), ways_of(kind.value_type))
    if t.is_null(kind):
        return (Way(NULL, cast_to(TEXT)),)
    if t.is_boolean(kind):
        return plainly(BOOL)
    if t.is_uint64(kind):
        return (Way(INT, cast_to(INT), castable(INT)), *plainly(Decimal(0)))
    if t.is_integer(kind):
        return plainly(INT)
    if t.is_floating(kind):
        return plainly(FLOAT)
    if t.is_decimal(kind):
        return decimals(kind)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return (
            Way(TEXT, cast_to(TEXT), is_valid),
            Way(TEXT, replaced, told="bytes that are not UTF-8 are shown as U+FFFD"),
        )
    if t.is_date(kind):
        return (Way(DATE, days),)
    if t.is_timestamp(kind):
        cut = "nanoseconds are cut to microseconds" if kind.unit == "ns" else ""
        return (
            (Way(TIMESTAMP, moments, keeps_nanoseconds), Way(TIMESTAMP, moments, told=cut))
            if cut
            else (Way(TIMESTAMP, moments),)
        )
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind) or t.is_binary_view(kind):
        return (
            Way(TEXT, utf8, is_utf8, "its bytes are shown as UTF-8"),
            Way(TEXT, hexadecimal, told="its bytes are shown as hexadecimal digits"),
        )
    if t.is_time(kind):
        return (Way(TEXT, times, told="its times are texts such as 08:30:00"),)
    if t.is_duration(kind):
        return (Way(TEXT, seconds, told="its durations are texts, in seconds"),)
    if t.is_interval(kind):
        return (Way(TEXT, intervals, told="its intervals are texts such as P1M2DT30S"),)
    return nested(kind)


def nested(kind: Any) -> tuple[Way, ...]:
    """Lists, maps and structs by the ways of what is in them; all else as JSON."""
    import pyarrow as pa

    t = pa.types
    if t.is_map(kind):
        entry = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        listed = pa.list_(entry)
        told = "its maps are lists of {key, value}"
        return through(lambda values: values.cast(listed), lists(entry), told)
    if any(test(kind) for test in (t.is_list, t.is_large_list, t.is_fixed_size_list, t.is_list_view, is_large_view)):
        plain = pa.large_list(kind.value_type)
        return through(lambda values: values.cast(plain), lists(kind.value_type))
    if t.is_struct(kind) and (found := records(kind)):
        return found
    return (Way(TEXT, as_json, told=f"it is {str(kind)[:60]}, shown as JSON"),)


def is_large_view(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_list_view(kind))


def plain_kind(kind: Any) -> Any:
    """The type that Arrow looks up: views of texts and bytes it does not."""
    import pyarrow as pa

    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return views.get(kind, kind)


def decoded(values: Any) -> Any:
    """The values of a dictionary's places."""
    return values.dictionary.cast(plain_kind(values.type.value_type)).take(values.indices)


def through(before: Callable[[Any], Any], ways: tuple[Way, ...], told: str = "") -> tuple[Way, ...]:
    """The ways of what the values are made into first."""
    return tuple(
        Way(
            way.type,
            lambda values, way=way: way.convert(before(values)),  # type: ignore[misc]
            lambda values, way=way: way.holds(before(values)),  # type: ignore[misc]
            "; ".join(filter(None, (told, way.told))),
        )
        for way in ways
    )


def extension(kind: Any) -> tuple[Way, ...]:
    """A type that is another one with a meaning of its own."""
    name = kind.extension_name
    if name == "arrow.uuid":
        return (Way(TEXT, lambda values: uuids(values.storage)),)
    told = "" if name in ("arrow.json", "arrow.bool8") else f"it is {name}, read as {str(kind.storage_type)[:40]}"
    return through(lambda values: values.storage, ways_of(kind.storage_type), told)


def decimals(kind: Any) -> tuple[Way, ...]:
    """Whole numbers as ints where they are; beyond what a decimal holds, the digits as text."""
    scale = max(0, kind.scale)
    whole = kind.precision - kind.scale
    text = (Way(TEXT, digits, told=f"numbers of more than {DIGITS} digits are kept as text"),)
    exact = Way(Decimal(scale), cast_to(Decimal(scale)), castable(Decimal(scale)))
    held = (exact,) if scale <= DIGITS else ()
    if kind.scale <= 0:
        if whole <= LONGEST_INT:
            return plainly(INT)
        held = (Way(INT, cast_to(INT), castable(INT)), *held)
    return held if whole + scale <= DIGITS else (*held, *text)


def castable(type_: Type) -> Callable[[Any], bool]:
    def holds(values: Any) -> bool:
        import pyarrow as pa

        try:
            cast = values.cast(arrow_type(type_))
            if isinstance(type_, Decimal):
                cast.validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True

    return holds


def digits(values: Any) -> Any:
    """Decimals as their digits, without an exponent."""
    return texts(values, lambda value: format(value, "f"))


def texts(values: Any, spell: Callable[[Any], str]) -> Any:
    """Values spelled one by one."""
    import pyarrow as pa

    return pa.array([None if value is None else spell(value) for value in values.to_pylist()], pa.large_string())


def lists(inner: Any) -> tuple[Way, ...]:
    return tuple(
        Way(
            ListOf(way.type),
            lambda values, way=way: relisted(values, way.convert(values.flatten())),  # type: ignore[misc]
            lambda values, way=way: way.holds(values.flatten()),  # type: ignore[misc]
            way.told,
        )
        for way in ways_of(inner)
    )


def records(kind: Any) -> tuple[Way, ...]:
    """A struct whose fields have names that a program can write; their first ways together, then their last."""
    names = [field.name for field in kind]
    if not names or len({n.lower() for n in names if n and not UNSPEAKABLE.search(n)}) < len(names):
        return ()
    found = [ways_of(field.type) for field in kind]
    most = max(map(len, found))
    padded = [(*ways, *ways[-1:] * (most - len(ways))) for ways in found]
    return tuple(record(names, chosen) for chosen in zip(*padded, strict=True))


def record(names: list[str], chosen: tuple[Way, ...]) -> Way:
    def convert(values: Any) -> Any:
        import pyarrow as pa

        made = [way.convert(part) for way, part in zip(chosen, values.flatten(), strict=True)]
        return pa.StructArray.from_arrays(made, names, mask=values.is_null())

    def holds(values: Any) -> bool:
        return all(way.holds(part) for way, part in zip(chosen, values.flatten(), strict=True))

    told = "; ".join(f"{name}: {way.told}" for name, way in zip(names, chosen, strict=True) if way.told)
    return Way(Record(tuple(Field(n, way.type) for n, way in zip(names, chosen, strict=True))), convert, holds, told)


# ---- dates and times ----


def days(values: Any) -> Any:
    """Days; those before the year 1 or after 9999, such as infinity, are null."""
    import pyarrow as pa

    if pa.types.is_date64(values.type):
        return moments(values.cast(pa.int64()).cast(pa.timestamp("ms"))).cast(pa.date32())
    return within(values.cast(pa.int32()), FIRST_DAY, LAST_DAY).cast(pa.date32())


def moments(values: Any) -> Any:
    """Moments in UTC, to the microsecond below; those beyond the calendar are null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    unit = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[values.type.unit]
    kept = within(values.cast(pa.int64()), FIRST_DAY * DAY * unit, (LAST_DAY + 1) * DAY * unit - 1)
    if unit == 1_000_000_000:
        part = pc.subtract(kept, pc.multiply(pc.divide(kept, 1000), 1000))
        kept = pc.subtract(pc.divide(kept, 1000), pc.less(part, 0).cast(pa.int64()))
    else:
        kept = pc.multiply(kept, 1_000_000 // unit)
    return kept.cast(pa.timestamp("us"))


def within(numbers: Any, least: int, most: int) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    least, most = max(least, -(2**63)), min(most, 2**63 - 1)
    inside = pc.and_(pc.greater_equal(numbers, least), pc.less_equal(numbers, most))
    return pc.if_else(inside, numbers, pa.scalar(None, numbers.type))


def keeps_nanoseconds(values: Any) -> bool:
    """Whether no moment has a part of a microsecond."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = values.cast(pa.int64())
    return not pc.any(pc.not_equal(pc.multiply(pc.divide(numbers, 1000), 1000), numbers), min_count=0).as_py()


def times(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return (
        pc.replace_substring_regex(values.cast(pa.string()), r"\.?0+$", "").cast(pa.large_string())
        if (values.type.unit != "s")
        else values.cast(pa.large_string())
    )


def seconds(values: Any) -> Any:
    """Durations as plain numbers of seconds."""
    import pyarrow as pa

    places = {"s": 0, "ms": 3, "us": 6, "ns": 9}[values.type.unit]

    def spell(number: int) -> str:
        sign, (whole, part) = "-" if number < 0 else "", divmod(abs(number), 10**places)
        after = f"{part:0{places}d}".rstrip("0") if places else ""
        return f"{sign}{whole}.{after}" if after else f"{sign}{whole}"

    return texts(values.cast(pa.int64()), spell)


def intervals(values: Any) -> Any:
    """Months, days and seconds after ISO 8601."""

    def spell(value: Any) -> str:
        whole, part = divmod(abs(value.nanoseconds), 10**9)
        after = f".{part:09d}".rstrip("0") if part else ""
        clock = f"T{'-' if value.nanoseconds < 0 else ''}{whole}{after}S" if value.nanoseconds else ""
        calendar = (f"{value.months}M" if value.months else "") + (f"{value.days}D" if value.days else "")
        return f"P{calendar}{clock}" if calendar or clock else "PT0S"

    return texts(values, spell)


# ---- bytes ----


CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def is_utf8(values: Any) -> bool:
    """Whether all bytes are text, without control characters."""
    for value in values.to_pylist():
        try:
            if value is not None and CONTROLS.search(value.decode("utf-8")):
                return False
        except UnicodeDecodeError:
            return False
    return True


def is_valid(values: Any) -> bool:
    import pyarrow as pa

    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def replaced(values: Any) -> Any:
    """Texts of which some are no UTF-8."""
    import pyarrow as pa

    held = values.cast(pa.large_string()).view(pa.large_binary())
    return texts(held, lambda value: value.decode("utf-8", "replace"))


def utf8(values: Any) -> Any:
    return texts(values, lambda value: value.decode("utf-8"))


def hexadecimal(values: Any) -> Any:
    return texts(values, lambda value: value.hex())


def uuids(values: Any) -> Any:
    from uuid import UUID

    return texts(values, lambda value: str(UUID(bytes=value)))


def as_json(values: Any) -> Any:
    return texts(values, lambda value: json.dumps(value, ensure_ascii=False, default=str))


def wider(values: Any, given: Type, wanted: Type) -> Any:
    """Values of the type given in one that holds them, and others beside them."""
    import pyarrow as pa

    if given == NULL:
        return pa.nulls(len(values), arrow_type(wanted))
    if bare(wanted) != TEXT or bare(given) == TEXT:
        return recast(values, wanted)
    if pa.types.is_decimal(values.type):
        return digits(values)
    return as_json(values) if pa.types.is_nested(values.type) else values.cast(arrow_type(wanted))


def remaining(ways: tuple[Way, ...], values: Any) -> tuple[Way, ...]:
    """The ways that hold these values too; the last is never left out."""
    while len(ways) > 1 and not ways[0].holds(values):
        ways = ways[1:]
    return ways
