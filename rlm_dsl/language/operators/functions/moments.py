"""Scalar functions on dates and timestamps. Timestamps carry no zone and count as UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import DATE, TIMESTAMP, Type, bare, is_nullable, null_if


def part(name: str, summary: str, template: str, example: tuple[str, object], of: str = "moment") -> Function:
    return Function(f"{name}(value: {of}) -> int", summary, template, examples=(example,))


def same_moment(types: tuple[Type, ...]) -> Type:
    return null_if(any(map(is_nullable, types)), bare(types[0]))


def parsed(arguments: Mapping[str, Any]) -> Sql:
    """Read by its form, with four digits for %Y: the engine's own reading takes '24' for the year 24, and words such as
    'infinity' for moments."""
    digits = sql("'\\d\\d\\d\\d'" if set(arguments["form"]) & {"Y", "G"} else "'\\d'")
    read = sql("try_strptime({v}, {f})", v=arguments["value"], f=arguments["format"])
    return sql("CASE WHEN regexp_matches({v}, {d}) THEN {r} END", v=arguments["value"], d=digits, r=read)


ZONE = frozenset("zZ")


def parsed_in_utc(arguments: Mapping[str, Any]) -> Sql:
    """A moment with its distance from UTC read (`+02:00`, `-0500`, `+02`, `Z`) is the moment in UTC, without a zone."""
    read = parsed(arguments)
    if not ZONE & set(arguments["form"]):
        return read
    as_number = parsed({**arguments, "value": sql("replace({v}, 'Z', '+0000')", v=arguments["value"])})
    return sql("in_years(make_timestamp(epoch_us(coalesce({a}, {b}))))", a=read, b=as_number)


def in_calendar(moment: Sql, type_: str) -> Sql:
    """Within the years 1 to 9999, which every calendar here has; past them the run stops."""
    last = "9999-12-31" if type_ == "DATE" else "9999-12-31 23:59:59.999999"
    return sql(
        f"CASE WHEN {{m}} BETWEEN {type_} '0001-01-01' AND {type_} '{last}' OR {{m}} IS NULL THEN {{m}} "
        "ELSE error('a date left the years 1 to 9999') END",
        m=moment,
    )


def days_added(arguments: Mapping[str, Any]) -> Sql:
    """The engine's sum of a date and an interval is a timestamp; a date stays a date."""
    later = sql("({value} + to_days({days}::INTEGER))", value=arguments["value"], days=arguments["days"])
    if bare(arguments["types"][0]) == DATE:
        return in_calendar(sql("CAST({later} AS DATE)", later=later), "DATE")
    return in_calendar(later, "TIMESTAMP")


def seconds_added(arguments: Mapping[str, Any]) -> Sql:
    later = sql(
        "({value}::TIMESTAMP + to_microseconds(CAST({seconds} * 1000000 AS BIGINT)))",
        value=arguments["value"],
        seconds=arguments["seconds"],
    )
    return in_calendar(later, "TIMESTAMP")


FUNCTIONS = [
    Function(
        'to_date(value: text, format: fixed = "%Y-%m-%d") -> date?',
        "a date read by strptime codes; null if it does not fit",
        lambda arguments: sql("CAST({moment} AS DATE)", moment=parsed_in_utc(arguments)),
        version=2,
        earlier=lambda arguments: sql("CAST({moment} AS DATE)", moment=parsed(arguments)),
        examples=(('to_date("Jul 07, 2023", "%b %d, %Y")', "2023-07-07"), ('to_date("soon")', None)),
    ),
    Function(
        'to_timestamp(value: text, format: fixed = "%Y-%m-%d %H:%M:%S") -> timestamp?',
        "a timestamp read by strptime codes, in UTC where %z reads an offset; null if it does not fit",
        parsed_in_utc,
        version=2,
        earlier=parsed,
        examples=(
            ('to_timestamp("2024-03-01 10:00:00")', "2024-03-01T10:00:00"),
            ('to_timestamp("2024-03-01T10:00:00+0200", "%Y-%m-%dT%H:%M:%S%z")', "2024-03-01T08:00:00"),
        ),
    ),
    part("year", "the year", "year({value})", ("year(@2024-03-01)", 2024)),
    part("quarter", "the quarter, 1 to 4", "quarter({value})", ("quarter(@2024-04-01)", 2)),
    part("month", "the month, 1 to 12", "month({value})", ("month(@2024-03-01)", 3)),
    part("day", "the day of the month", "day({value})", ("day(@2024-03-09)", 9)),
    part("weekday", "the day of the week, Monday = 1 to Sunday = 7", "isodow({value})", ("weekday(@2024-03-01)", 5)),
    part("hour", "the hour, 0 to 23", "hour({value})", ("hour(@2024-03-01T10:20:30)", 10)),
    part("minute", "the minute, 0 to 59", "minute({value})", ("minute(@2024-03-01T10:20:30)", 20)),
    Function(
        "seconds_between(a: moment, b: moment) -> float",
        "seconds from a to b, negative if b is earlier",
        "((epoch_us({b}::TIMESTAMP) - epoch_us({a}::TIMESTAMP)) / 1000000.0::DOUBLE)",
        examples=(("seconds_between(@2024-03-01T10:00:00, @2024-03-01T10:01:00)", 60.0),),
    ),
    Function(
        "days_between(a: moment, b: moment) -> int",
        "calendar days from a to b, negative if b is earlier",
        "date_diff('day', {a}::DATE, {b}::DATE)",
        examples=(("days_between(@2024-02-28, @2024-03-01)", 2),),
    ),
    Function(
        "add_days(value: moment, days: int) -> moment",
        "so many days later, or earlier if negative",
        days_added,
        gives=same_moment,
        examples=(("add_days(@2024-02-28, 2)", "2024-03-01"),),
    ),
    Function(
        "add_seconds(value: moment, seconds: number) -> timestamp",
        "so many seconds later, or earlier if negative",
        seconds_added,
        gives=lambda types: null_if(any(map(is_nullable, types)), TIMESTAMP),
        examples=(("add_seconds(@2024-03-01, 60)", "2024-03-01T00:01:00"),),
    ),
]
