"""JSON Lines as rows, each with its bytes.

In: one file, a JSON object a line. Out: columns typed over all rows. Law: a line that is no strict JSON is refused with
its place; a field that is absent is null; values of several kinds are kept as their JSON text. Of a field named twice
in one object the last counts, as for every JSON reader; a number beyond floats, and nesting beyond DEEPEST, is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

from rlm_dsl.context.arrow import arrow_type
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.inference import UNSPEAKABLE, as_date, as_timestamp, free_names
from rlm_dsl.context.reading import Progress, find, read_all
from rlm_dsl.diagnostics import UserError
from rlm_dsl.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
    Field,
    ListOf,
    Record,
    Table,
    Type,
    bare,
    is_nullable,
    null_if,
    nullable,
)

Line = tuple[int, int, int, Any]
"""Number, first byte, one past the last byte, value."""
DEEPEST = 100
"""Lists and objects in one another; a column's type nests as deep as its values."""
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""A line that may spell half of a surrogate pair."""
HUGE = re.compile(rb"\d[eE]\+?0*[1-9]\d\d|\d{300}")
"""A line that may hold a number beyond the range of floats."""


def load_json_lines(given: str, progress: Progress | None) -> Loaded:
    """One file of JSON objects. Raises UserError with line and column for anything else."""
    import pyarrow as pa

    found = find(given)
    if len(found) != 1:
        raise UserError(f"{given} is not one file", "give one file, or load texts: NAME:documents=FOLDER")
    read = next(read_all(found, progress))
    lines, blank, halves = json_lines(read.content, given)
    keys = list(dict.fromkeys(key for _, _, _, value in lines for key in value))
    names, noted = free_names(keys)
    columns: dict[str, Any] = {
        "#source": pa.array([0] * len(lines), pa.int32()),
        "#line": pa.array([number for number, _, _, _ in lines], pa.int64()),
        "#lo": pa.array([start for _, start, _, _ in lines], pa.int64()),
        "#hi": pa.array([end for _, _, end, _ in lines], pa.int64()),
    }
    fields = []
    for key, column in zip(keys, names, strict=True):
        type_, values = typed_values([value.get(key) for _, _, _, value in lines])
        fields.append(Field(column, type_))
        columns[column] = pa.array(values, arrow_type(type_))
    if not fields:
        raise UserError(f"{given} holds no object with a field", "a JSON Lines file has an object a line")
    told = ((blank, "blank lines were passed over"), (halves, "lines hold half of a surrogate pair (shown as U+FFFD)"))
    notes = [*noted, *(f"{count:,} {what}" for count, what in told if count)]
    return Loaded("jsonl", Table(tuple(fields)), [pa.table(columns)], [read.source], notes)


def json_lines(content: bytes, given: str) -> tuple[list[Line], int, int]:
    """The lines that hold a value, how many are blank, and how many held half of a surrogate pair."""
    lines: list[Line] = []
    blank, halves, at, number = 0, 0, 0, 0
    while at < len(content):
        feed = content.find(b"\n", at)
        end = len(content) if feed < 0 else feed
        number += 1
        raw = content[at:end]
        if raw.strip(b" \t\r"):
            value = parsed(raw, given, number)
            if HALF.search(raw):
                whole = without_halves(value)
                halves += whole != value
                value = whole
            lines.append((number, at, end, value if isinstance(value, dict) else {"value": value}))
        else:
            blank += 1
        at = end + 1
    return lines, blank, halves


def parsed(line: bytes, given: str, number: int) -> Any:
    """One line's value. Raises UserError with its place."""
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        value = json.loads(text, parse_constant=refused, parse_float=finite if HUGE.search(line) else None)
        if line.count(b"[") + line.count(b"{") > DEEPEST and too_deep(value):
            raise RecursionError
    except UnicodeDecodeError as failure:
        raise UserError(f"{given}:{number}:{failure.start + 1}: bytes that are not UTF-8") from None
    except RecursionError:
        raise UserError(
            f"{given}:{number}: nested too deeply, more than {DEEPEST} lists and objects",
            "load the lines as texts: NAME:lines=PATH",
        ) from None
    except json.JSONDecodeError as failure:
        raise UserError(
            f"{given}:{number}:{failure.colno}: no JSON: {failure.msg}", "a line is one JSON value"
        ) from None
    except ValueError as failure:
        raise UserError(f"{given}:{number}: no JSON: {failure}") from None
    return value


def too_deep(value: Any) -> bool:
    """Whether a value nests deeper than DEEPEST, told without recursion."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for held in level
            if isinstance(held, list | dict)
            for inner in (held.values() if isinstance(held, dict) else held)
        ]
    return any(isinstance(held, list | dict) for held in level)


def finite(word: str) -> float:
    """A number as a float, refused where it would become infinite."""
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"a number is larger than a float holds: {word[:20]}")
    return number


def refused(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value")


def without_halves(value: Any) -> Any:
    """The value with halves of surrogate pairs, which no UTF-8 can hold, as U+FFFD."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [without_halves(item) for item in value]
        case dict():
            return {without_halves(key): without_halves(item) for key, item in value.items()}
        case _:
            return value


def typed_values(values: Sequence[Any]) -> tuple[Type, list[Any]]:
    """The type of all values and the values in it; texts that are all ISO dates become dates."""
    type_ = all_joined(values)
    if bare(type_) == TEXT and all(isinstance(v, str) for v in values if v is not None):
        for moment, read in ((DATE, as_date), (TIMESTAMP, as_timestamp)):
            try:
                return null_if(is_nullable(type_), moment), [None if v is None else read(v) for v in values]
            except ValueError:
                continue
    if type_ == NULL:
        type_ = nullable(TEXT)
    if bare(type_) == FLOAT and any(isinstance(v, int) and int(float(v)) != v for v in values if v is not None):
        type_ = null_if(is_nullable(type_), TEXT)  # a float does not hold that whole number
    return type_, [as_type(value, type_) for value in values]


def value_type(value: Any) -> Type:
    match value:
        case None:
            return NULL
        case bool():
            return BOOL
        case int():
            return INT if -(2**63) <= value < 2**63 else TEXT
        case float():
            return FLOAT
        case str():
            return TEXT
        case list():
            return ListOf(all_joined(value))
        case _:
            free = len({key.lower() for key in value}) == len(value) and all(map(speakable, value))
            return Record(tuple(Field(k, value_type(v)) for k, v in value.items())) if value and free else TEXT


def speakable(key: str) -> bool:
    """Whether a key can be a field's name in a program."""
    return bool(key) and not UNSPEAKABLE.search(key)


def all_joined(values: Sequence[Any]) -> Type:
    """The type that holds them all; that of `null` for none."""
    types = [value_type(value) for value in values]
    return reduce(joined, types) if types else NULL


def joined(a: Type, b: Type) -> Type:
    """The type that holds values of both; text, as JSON, where nothing narrower does."""
    if a == NULL or b == NULL:
        other = b if a == NULL else a
        return other if other == NULL else nullable(other)
    absent = is_nullable(a) or is_nullable(b)
    return null_if(absent, joined_bare(bare(a), bare(b)))


def joined_bare(a: Type, b: Type) -> Type:
    match a, b:
        case _ if a == b:
            return a
        case _ if {a, b} == {INT, FLOAT}:
            return FLOAT
        case ListOf(first), ListOf(second) if NULL in (first, second):
            return ListOf(second if first == NULL else first)
        case ListOf(first), ListOf(second):
            return ListOf(joined(first, second))
        case Record(), Record():
            return joined_records(a, b)
        case _:
            return TEXT


def joined_records(a: Record, b: Record) -> Type:
    names = list(dict.fromkeys(f.name for f in (*a.fields, *b.fields)))
    if len({name.lower() for name in names}) < len(names):
        return TEXT
    return Record(tuple(Field(n, joined(a.field(n) or NULL, b.field(n) or NULL)) for n in names))


def as_type(value: Any, type_: Type) -> Any:
    """A JSON value in a column of the type: text of JSON where the column is text and the value is none."""
    match bare(type_):
        case _ if value is None:
            return None
        case t if t in (TEXT, NULL):
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        case t if t == FLOAT:
            return float(value)
        case ListOf(of):
            return [as_type(item, of) for item in value]
        case Record(fields):
            return {field.name: as_type(value.get(field.name), field.type) for field in fields}
        case _:
            return value
