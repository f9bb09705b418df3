"""Types as the engine spells them, and values of one type as those of a wider one.

In: types, and SQL of a value. Out: the engine's type, SQL of the value in the other type. Law: nothing is rounded on
the way but to the nearest float; the engine's own choice of a type for two decimals of different scales would round.
"""

from __future__ import annotations

from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import (
    DIGITS,
    FLOAT,
    INT,
    Decimal,
    Enum,
    ListOf,
    Nullable,
    Record,
    Scalar,
    Table,
    Type,
    bare,
    is_decimal,
    parts,
)

ENGINE = {
    "text": "VARCHAR",
    "quote": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "null": "VARCHAR",
}


def engine_type(type_: Type) -> str:
    """The engine's spelling of a type; text in it is our own or quoted."""
    match type_:
        case Scalar(scalar):
            return ENGINE[scalar]
        case Decimal(scale):
            return f"DECIMAL({DIGITS}, {scale})"
        case Enum():
            return "VARCHAR"
        case Nullable(of):
            return engine_type(of)
        case ListOf(of):
            return f"{engine_type(of)}[]"
        case Record(fields):
            inner = ", ".join(f"{name(f.name).parts[0]} {engine_type(f.type)}" for f in fields)
            return f"STRUCT({inner})"
        case Table():
            raise TypeError("a table is no value")


def widened(value: Sql, given: Type, wanted: Type) -> Sql:
    """A value of the type given as one of the type wanted, which it fits; as it is where no decimal is in play."""
    given, wanted = bare(given), bare(wanted)
    if given == wanted or not any(map(is_decimal, (*parts(given), *parts(wanted)))):
        return value
    if wanted == FLOAT and is_decimal(given):
        return sql("CAST(CAST({v} AS VARCHAR) AS DOUBLE)", v=value)
    return sql(f"CAST({{v}} AS {engine_type(wanted)})", v=value) if given != FLOAT else value


def number_type(types: tuple[Type, ...]) -> Type:
    """The type in which numbers meet: int, or decimal of the most digits after the point, or float."""
    inner = [bare(type_) for type_ in types]
    scales = [type_.scale for type_ in inner if isinstance(type_, Decimal)]
    if FLOAT in inner or (not scales and any(type_ != INT for type_ in inner)):
        return FLOAT
    return Decimal(max(scales)) if scales else INT
