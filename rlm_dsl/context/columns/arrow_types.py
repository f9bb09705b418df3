"""The language's types and Arrow's."""

from __future__ import annotations

from typing import Any

from rlm_dsl.context.columns.names import UNSPEAKABLE
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
    Enum,
    Field,
    ListOf,
    Nullable,
    Record,
    Scalar,
    Table,
    Type,
)


def arrow_type(type_: Type) -> Any:
    """The Arrow type in which values of a type are held."""
    import pyarrow as pa

    match type_:
        case Nullable(of):
            return arrow_type(of)
        case Enum():
            return pa.string()
        case ListOf(of):
            return pa.list_(arrow_type(of))
        case Record(fields):
            return pa.struct([(f.name, arrow_type(f.type)) for f in fields])
        case Scalar(name):
            return {
                "text": pa.large_string(),
                "quote": pa.large_string(),
                "int": pa.int64(),
                "float": pa.float64(),
                "bool": pa.bool_(),
                "date": pa.date32(),
                "timestamp": pa.timestamp("us"),
                "null": pa.string(),
            }[name]
        case Table():
            raise TypeError("a table is no value")


def language_type(type_: Any) -> Type | None:
    """The language's type for an Arrow type, or None where it has none."""
    import pyarrow as pa

    t = pa.types
    tests = (
        (t.is_null, NULL),
        (t.is_boolean, BOOL),
        (t.is_integer, INT),
        (t.is_floating, FLOAT),
        (t.is_string, TEXT),
        (t.is_large_string, TEXT),
        (t.is_string_view, TEXT),
        (t.is_date, DATE),
        (t.is_timestamp, TIMESTAMP),
    )
    for test, found in tests:
        if test(type_):
            return found
    if t.is_decimal(type_):
        return INT if type_.scale <= 0 else FLOAT
    if t.is_dictionary(type_):
        return language_type(type_.value_type)
    if t.is_list(type_) or t.is_large_list(type_) or t.is_fixed_size_list(type_):
        inner = language_type(type_.value_type)
        return None if inner is None else ListOf(inner)
    if t.is_struct(type_):
        fields = [(field.name, language_type(field.type)) for field in type_]
        names = {name.lower() for name, _ in fields if name and not UNSPEAKABLE.search(name)}
        if not fields or len(names) < len(fields) or any(f is None for _, f in fields):
            return None
        return Record(tuple(Field(n, f) for n, f in fields if f))
    return None
