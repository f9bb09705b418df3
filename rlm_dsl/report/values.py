"""Values of an answer as pages and reports show them.

In: a value of JSON. Out: text. Law: a text is itself; all else is its JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.common.json_ready import json_text
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.types import is_decimal, is_numeric


def decimal_columns(part: Mapping[str, Any]) -> list[str]:
    """The columns of a part that are decimals, which answers hold as text."""
    type_ = parse_table_type(part["type"])
    return [] if type_ is None else [column.name for column in type_.columns if is_decimal(column.type)]


def number_columns(part: Mapping[str, Any]) -> list[str]:
    """The columns of a part that hold numbers, by their types; true and false are none."""
    type_ = parse_table_type(part["type"])
    columns = () if type_ is None else type_.columns
    return [c.name for c in columns if is_numeric(c.type)]


def drawn_rows(part: Mapping[str, Any]) -> list[list[Any]]:
    """A part's rows for a chart: decimals as floats."""
    exact = {part["columns"].index(name) for name in decimal_columns(part) if name in part["columns"]}
    return [
        [float(value) if at in exact and isinstance(value, str) else value for at, value in enumerate(row)]
        for row in part["value"]
    ]


LONGEST = 1_500
"""Letters of a text that are shown."""


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def cell(value: Any) -> str:
    return "" if value is None else as_text(value)[:LONGEST]
