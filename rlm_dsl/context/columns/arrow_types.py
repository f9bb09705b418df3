"""The Arrow types in which values of the language's types are held, and values of one in another."""

from __future__ import annotations

from typing import Any

from rlm_dsl.language.types import (
    DIGITS,
    Decimal,
    Enum,
    ListOf,
    Nullable,
    Record,
    Scalar,
    Table,
    Type,
    bare,
)


def recast(values: Any, wanted: Type) -> Any:
    """Values as those of a type that theirs fits. A decimal becomes the nearest float, which Arrow's cast may miss."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([recast(chunk, wanted) for chunk in values.chunks], arrow_type(wanted))
    match bare(wanted), values.type:
        case Scalar("float"), kind if pa.types.is_decimal(kind):
            return values.cast(pa.string()).cast(pa.float64())
        case ListOf(of), kind if pa.types.is_list(kind):
            return relisted(values, recast(values.flatten(), of))
        case Record(fields), kind if pa.types.is_struct(kind):
            made = [recast(part, f.type) for part, f in zip(values.flatten(), fields, strict=True)]
            return pa.StructArray.from_arrays(made, [f.name for f in fields], mask=values.is_null())
        case _:
            return values.cast(arrow_type(wanted))


def relisted(values: Any, elements: Any) -> Any:
    """Lists of the same lengths as these, of other elements."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(values), 0)).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, elements, mask=values.is_null())


def arrow_type(type_: Type) -> Any:
    """The Arrow type in which values of a type are held."""
    import pyarrow as pa

    match type_:
        case Nullable(of):
            return arrow_type(of)
        case Decimal(scale):
            return pa.decimal128(DIGITS, scale)
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
