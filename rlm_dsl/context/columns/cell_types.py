"""What a cell of text reads as, and what a column is called.

In: cells and names as they were written. Out: values, and names that a program can write. Law: what a type cannot
hold as it is written, such as an id of 20 digits, does not read as it; see columns for the type of all cells.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any

from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TIMESTAMP, Type

INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})\Z", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?\Z", re.ASCII)


def as_int(cell: str) -> int:
    if not INTEGER.match(cell) or not -(2**63) <= int(cell) < 2**63:
        raise ValueError(cell)
    return int(cell)


def as_float(cell: str) -> float:
    """A float; a whole number of more digits than a float holds, such as a long id, stays what it is."""
    if not NUMBER.match(cell) or float(cell) in (float("inf"), float("-inf")):
        raise ValueError(cell)
    if len(cell) > 15 and cell.lstrip("-").isdigit() and int(float(cell)) != int(cell):
        raise ValueError(cell)
    return float(cell)


def as_bool(cell: str) -> bool:
    return {"true": True, "false": False}[cell.lower()]


def as_date(cell: str) -> datetime.date:
    if not DAY.match(cell):
        raise ValueError(cell)
    return datetime.date.fromisoformat(cell)


def as_timestamp(cell: str) -> datetime.datetime:
    if not MOMENT.match(cell):
        raise ValueError(cell)
    return datetime.datetime.fromisoformat(cell)


READERS: Sequence[tuple[Type, Callable[[str], Any]]] = (
    (INT, as_int),
    (FLOAT, as_float),
    (BOOL, as_bool),
    (DATE, as_date),
    (TIMESTAMP, as_timestamp),
)


def read_cell(cell: str) -> tuple[Type, Any] | None:
    """The first type, other than text, that a cell reads as, and its value; None for a text."""
    for type_, read in READERS:
        try:
            return type_, read(cell)
        except (ValueError, KeyError):
            continue
    return None
