"""Values that Python holds as values of JSON: what a row of a table in Python may have in it.

In: a value of Python, numpy or pandas. Out: None, bool, int, float, Decimal, str, bytes, lists and dicts. Law: a moment
becomes UTC where it has an offset; nothing is imported to know a type, and a type that is not known is refused by name.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any

from rlm_dsl.common.exact import spelled
from rlm_dsl.common.well_formed import without_halves


@dataclass(frozen=True, slots=True)
class PlainRow:
    """A row's fields, and whether one held half of a surrogate pair."""

    values: dict[str, Any]
    halves: bool


def plain_row(row: dict[str, Any]) -> PlainRow:
    """A row as JSON has it. Raises TypeError or ValueError for a value that is none."""
    try:
        return PlainRow(plain_value(row), False)
    except UnicodeEncodeError:
        return PlainRow(plain_value(without_halves(row)), True)


def plain_value(value: Any) -> Any:
    """A value as JSON has it. Raises TypeError or ValueError for one that is none."""
    match value:
        case enum.Enum():
            return plain_value(value.value)
        case None | bool():
            return value
        case int() | float() | Decimal() | bytes() if type(value) in (int, float, Decimal, bytes):
            return value
        case str():
            value.encode("utf-8")
            return str(value)
        case datetime.datetime():
            return moment_text(value)
        case datetime.date():
            return value.isoformat()
        case datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return seconds_text(value)
        case uuid.UUID():
            return str(value)
        case bytearray() | memoryview():
            return bytes(value)
        case list() | tuple() | set() | frozenset():
            items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
            return [plain_value(item) for item in items]
        case Mapping() if all(isinstance(key, str) for key in value):
            return {plain_value(key): plain_value(item) for key, item in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain_value(getattr(value, field.name)) for field in fields(value)}
        case int():
            return int(value)
        case _:
            return foreign_value(value)


def foreign_value(value: Any) -> Any:
    """A value of numpy, pandas or pydantic, by what it can be made into."""
    name = type(value).__name__
    if name in ("NAType", "NaTType"):
        return None
    if name == "datetime64":
        made = value.item()
        return plain_value(value.astype("datetime64[us]").item() if isinstance(made, int) else made)
    if name == "timedelta64":
        return plain_value(value.astype("timedelta64[us]").item())
    for way in ("tolist", "model_dump"):
        if not isinstance(value, type) and callable(getattr(value, way, None)):
            made = getattr(value, way)()
            if type(made) is not type(value):
                return plain_value(made)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"the language has no type for {type_name(value)}")


def moment_text(value: datetime.datetime) -> str | None:
    """A moment in ISO form, to the microsecond, in UTC if it has an offset."""
    if type(value).__name__ == "NaTType":
        return None
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime(warn=False)
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value.isoformat()


def seconds_text(value: datetime.timedelta) -> str:
    """A duration as a plain number of seconds, as of Arrow's."""
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    text = spelled(Decimal(microseconds).scaleb(-6))
    return text.rstrip("0").rstrip(".") if "." in text else text


def type_name(value: Any) -> str:
    """How a type is called, with the library that it is of."""
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
