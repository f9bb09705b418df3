"""What was found of a table's sources, as text that is kept with their rows.

In: surveys, or their texts. Out: texts, or surveys. Law: what is read again says what was found; a text that was not
written so gives no survey, so that the source is read again whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

from rlm_dsl.context.columns.declared_columns import Declared
from rlm_dsl.context.columns.number_shape import NumberShape
from rlm_dsl.context.columns.text_columns import TYPES, Seen
from rlm_dsl.context.columns.value_types import LONG, MOMENTS, SeenValues
from rlm_dsl.context.rows.arrow_rows import SeenArrow
from rlm_dsl.context.rows.file_tables import Surveyed
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
    Nullable,
    Record,
    Type,
)

SCALARS: dict[str, Type] = {str(type_): type_ for type_ in (NULL, BOOL, INT, LONG, FLOAT, TEXT, DATE, TIMESTAMP)}
MOST = 200_000
"""Columns of files of which it is kept what was found: each takes some hundred bytes of a manifest."""


def texts_of_surveys(surveys: Sequence[Surveyed]) -> tuple[str, ...]:
    """A text for each; none where there are too many columns."""
    columns = [seen for each in surveys for seen in each.columns.values()]
    if len(columns) > MOST or not all(isinstance(seen, Seen | SeenValues | SeenArrow | Declared) for seen in columns):
        return ()
    return tuple(text_of_survey(each) for each in surveys)


def text_of_survey(seen: Surveyed) -> str:
    columns = [[name, *told_of(column)] for name, column in seen.columns.items()]
    held = {"kind": seen.kind, "form": seen.form, "columns": columns, "notes": list(seen.notes), "state": seen.state}
    return json.dumps(held, separators=(",", ":"))


def surveys_of_texts(texts: Iterable[str], encodings: Iterable[str]) -> list[Surveyed]:
    """The surveys of sources in these encodings; an empty list where a text is none."""
    try:
        return [survey_of_text(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return []


def survey_of_text(text: str, encoding: str) -> Surveyed:
    held = json.loads(text)
    columns = {str(name): column_of(*told) for name, *told in held["columns"]}
    notes, state = [str(note) for note in held["notes"]], held["state"]
    if not isinstance(state, dict | None):
        raise ValueError("it goes on by no state")
    return Surveyed(str(held["form"]), columns, no_rows_of, notes, None, encoding, state, str(held["kind"]))


def no_rows_of(content: bytes, schema: Any) -> Iterable[Any]:
    return ()


def told_of(column: Any) -> list[Any]:
    """What the cells of a column were, as values of JSON."""
    match column:
        case Seen():
            types = [str(type_) for type_ in column.types]
            return ["cells", types, column.present, column.empty, column.missing, list(astuple(column.shape))]
        case SeenValues():
            joined = None if column.joined is None else told_type(column.joined)
            moments, shape = [str(type_) for type_ in column.moments], list(astuple(column.shape))
            said = [column.texts, shape, column.exact, column.hexadecimal, column.blobs]
            return ["values", joined, moments, *said]
        case Declared():
            return ["declared", told_type(column.declared), column.present, column.bad]
        case _:
            return ["arrow", told_type(column.found), column.nulls]


def column_of(kind: str, *told: Any) -> Seen | SeenValues | SeenArrow | Declared:
    """The column again. Raises what Python does where the values are others."""
    if kind == "declared":
        declared, present, bad = told
        return Declared(type_of(declared), int(present), int(bad))
    if kind == "cells":
        types, present, empty, missing, shape = told
        return Seen(known_types(types, TYPES), bool(present), bool(empty), bool(missing), shape_of(shape))
    if kind == "values":
        joined, moments, texts, shape, exact, hexadecimal, blobs = told
        found = None if joined is None else type_of(joined)
        said = (bool(exact), bool(hexadecimal), bool(blobs))
        return SeenValues(found, known_types(moments, MOMENTS), bool(texts), shape_of(shape), *said)
    found, nulls = told
    return SeenArrow(type_of(found), bool(nulls))


def known_types(names: Sequence[str], types: Sequence[Type]) -> tuple[Type, ...]:
    return tuple(type_ for type_ in types if str(type_) in names)


def shape_of(held: Sequence[Any]) -> NumberShape:
    whole, scale, pointed, long, *flags = held
    exponent, id_like, float_like, changed = map(bool, flags)
    return NumberShape(int(whole), int(scale), int(pointed), int(long), exponent, id_like, float_like, changed)


def told_type(type_: Type) -> Any:
    match type_:
        case Nullable(of):
            return {"null": told_type(of)}
        case ListOf(of):
            return {"list": told_type(of)}
        case Decimal(scale):
            return {"decimal": scale}
        case Record(fields):
            return {"record": [[field.name, told_type(field.type)] for field in fields]}
        case _:
            return str(type_)


def type_of(told: Any) -> Type:
    match told:
        case str():
            return SCALARS[told]
        case {"null": of}:
            return Nullable(type_of(of))
        case {"list": of}:
            return ListOf(type_of(of))
        case {"decimal": int(scale)}:
            return Decimal(scale)
        case {"record": list(fields)}:
            return Record(tuple(Field(str(name), type_of(of)) for name, of in fields))
        case _:
            raise ValueError(f"{told!r} is no type")
