"""Scalar functions that read a date or timestamp by the calendar: weeks, names, whole units, months, written forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.operators.functions.moments import in_calendar, part, same_moment
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import DATE, Type, bare

UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
"""What a moment is cut down to, the longest first."""
OF_DAYS = UNITS[:5]
"""Those that a date has."""
FORM_CODES = "aAbBdfGHIjmMpSuUVwWyY%"
"""The strftime codes whose text depends on nothing but the moment."""
MOST_MONTHS = 130_000
"""More months than any two dates are apart."""


def truncated(arguments: Mapping[str, Any]) -> Sql:
    """The engine makes a timestamp of a date that is cut down."""
    cut = sql("date_trunc({unit}, {value})", unit=arguments["unit"], value=arguments["value"])
    return sql("CAST({cut} AS DATE)", cut=cut) if bare(arguments["types"][1]) == DATE else cut


def value_type(types: tuple[Type, ...]) -> Type:
    return types[1]


def months_added(arguments: Mapping[str, Any]) -> Sql:
    later = sql(
        f"({{value}} + to_months(least(greatest({{months}}, -{MOST_MONTHS}), {MOST_MONTHS})::INTEGER))",
        value=arguments["value"],
        months=arguments["months"],
    )
    if bare(arguments["types"][0]) == DATE:
        return sql("CAST({later} AS DATE)", later=in_calendar(later, "TIMESTAMP"))
    return in_calendar(later, "TIMESTAMP")


FUNCTIONS = [
    part("second", "the whole second, 0 to 59", "second({value})", ("second(@2024-03-01T10:20:30)", 30)),
    part("week", "the ISO week, 1 to 53, of the year that iso_year gives", "week({value})", ("week(@2024-12-30)", 1)),
    part("iso_week", "the same as week", "week({value})", ("iso_week(@2021-01-03)", 53)),
    part("iso_year", "the year that the ISO week belongs to", "isoyear({value})", ("iso_year(@2024-12-30)", 2025)),
    Function(
        "date(value: moment) -> date",
        "the day of a timestamp",
        "CAST({value} AS DATE)",
        examples=(("date(@2024-03-01T10:20:30)", "2024-03-01"),),
    ),
    Function(
        "date_trunc(unit: fixed, value: moment) -> moment",
        'the beginning of its "year", "quarter", "month", "week" (Monday), "day", "hour", "minute" or "second"',
        truncated,
        gives=value_type,
        examples=(
            ('date_trunc("month", @2024-03-09)', "2024-03-01"),
            ('date_trunc("week", @2024-03-01T10:20:30)', "2024-02-26T00:00:00"),
        ),
    ),
    Function(
        "add_months(value: moment, months: int) -> moment",
        "so many months later, or earlier if negative; at most the month's last day",
        months_added,
        gives=same_moment,
        examples=(("add_months(@2024-01-31, 1)", "2024-02-29"), ("add_months(@2024-02-29, -12)", "2023-02-28")),
    ),
    Function(
        "month_name(value: moment) -> text",
        "the month's English name",
        "monthname({value})",
        examples=(("month_name(@2024-03-01)", "March"),),
    ),
    Function(
        "weekday_name(value: moment) -> text",
        "the weekday's English name",
        "dayname({value})",
        examples=(("weekday_name(@2024-03-01)", "Friday"),),
    ),
    Function(
        "format_date(value: moment, format: fixed) -> text",
        "written by strftime codes, names in English",
        "strftime({value}, {format})",
        examples=(
            ('format_date(@2024-03-01, "%d %B %Y")', "01 March 2024"),
            ('format_date(@2024-03-01T09:05:00, "%Y-%m %H:%M")', "2024-03 09:05"),
        ),
    ),
]
