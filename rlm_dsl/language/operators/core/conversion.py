"""Text to a typed value, as `extract` and `parse_json` convert it: what does not fit becomes null."""

from __future__ import annotations

from rlm_dsl.language.operators.core.registry import functions
from rlm_dsl.language.operators.functions.numbers import decimal_of_text, trimmed
from rlm_dsl.language.sql import Sql, bound, sql
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TEXT, TIMESTAMP, Decimal, Type, bare, nullable

CONVERTIBLE = (TEXT, INT, FLOAT, BOOL, DATE, TIMESTAMP)
CONVERTIBLE_WORDS = "use text, int, decimal(2), float, bool, date, timestamp"


def is_convertible(type_: Type) -> bool:
    """Whether a text can be read as a value of the type."""
    return bare(type_) in CONVERTIBLE or isinstance(bare(type_), Decimal)


YEARS = r"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])"
TIME = r"\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?"
ISO_DATE = rf"{YEARS}-\d\d-\d\d"
ISO = rf"{ISO_DATE}(?:[T ]{TIME})?"
"""An ISO 8601 date, with or without a time and a distance from UTC; words such as 'infinity' are none."""


OFFSET = r"(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?"
ISO_MOMENT = rf"{ISO_DATE}(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{{1,9}})?)?{OFFSET})?"
FIRST = 1
"""The version of `extract` and `parse_json` that left offsets from UTC unread."""


def converted(text: Sql, to: Type, version: int) -> Sql:
    """SQL for `text` read as a value of type `to`, null where it does not fit. Dates and timestamps are ISO 8601; one
    with an offset is in UTC."""
    match bare(to):
        case t if t == INT:
            return functions()["to_int"].sql({"value": text, "types": (TEXT,)})  # type: ignore[operator]
        case t if t == FLOAT:
            return functions()["to_float"].sql({"value": text, "types": (TEXT,)})  # type: ignore[operator]
        case Decimal(scale):
            return decimal_of_text(text, scale)
        case t if t == BOOL:
            return sql("CASE lower({t}) WHEN 'true' THEN true WHEN 'false' THEN false END", t=trimmed(text))
        case t if t == DATE:
            return sql(
                "CASE WHEN regexp_full_match({t}, {form}) THEN CAST(try_strptime({t}, '%Y-%m-%d') AS DATE) END",
                t=trimmed(text),
                form=bound(ISO_DATE, "date_form"),
            )
        case t if t == TIMESTAMP and version > FIRST:
            return sql(
                "CASE WHEN regexp_full_match({t}, {form}) THEN iso_moment({t}) END",
                t=trimmed(text),
                form=bound(ISO_MOMENT, "timestamp_form"),
            )
        case t if t == TIMESTAMP:
            return sql(
                "CASE WHEN regexp_full_match({t}, {form}) THEN TRY_CAST({t} AS TIMESTAMP) END",
                t=trimmed(text),
                form=bound(ISO, "timestamp_form"),
            )
        case _:
            return text


def converted_type(to: Type) -> Type:
    """Text is taken as it is; any other conversion may fail, and then gives null."""
    return to if bare(to) == TEXT else nullable(to)
