"""Scalar functions and operators on numbers. Ints are of 64 bits and never wrap: an overflow is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.operators.functions.text import BLANKS
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import FLOAT, INT, Nullable, Type, bare, is_nullable, is_text, null_if


def common(types: tuple[Type, ...]) -> Type:
    """int if all are, else float; nullable if any is."""
    whole = all(bare(t) == INT for t in types)
    return null_if(any(map(is_nullable, types)), INT if whole else FLOAT)


def arithmetic(symbol: str, summary: str, example: tuple[str, object]) -> Function:
    return Function(
        f"{symbol}(a: number, b: number) -> number",
        summary,
        f"({{a}} {symbol} {{b}})",
        gives=common,
        symbol=symbol,
        examples=(example,),
    )


def parsed(types: tuple[Type, ...], to: Type) -> Type:
    """A number read from text may fail, and is then null; from a number it is always there."""
    return null_if(is_text(types[0]) or is_nullable(types[0]), to)


def floor_divided(arguments: Mapping[str, Any]) -> Sql:
    """Rounded down as in Python; SQL's own whole division rounds towards zero."""
    a, b = arguments["a"], arguments["b"]
    if common(arguments["types"]) in (FLOAT, Nullable(FLOAT)):
        return sql("floor({a}::DOUBLE / nullif({b}, 0))", a=a, b=b)
    return sql(
        "(({a} // nullif({b}, 0)) - CASE WHEN {a} % nullif({b}, 0) <> 0 AND ({a} < 0) <> ({b} < 0) THEN 1 ELSE 0 END)",
        a=a,
        b=b,
    )


def floor_remainder(arguments: Mapping[str, Any]) -> Sql:
    """With the sign of b as in Python, so that `a == (a // b) * b + a % b`."""
    a, b = arguments["a"], arguments["b"]
    if common(arguments["types"]) in (FLOAT, Nullable(FLOAT)):
        return sql("({a} - {b} * floor({a}::DOUBLE / nullif({b}, 0)))", a=a, b=b)
    left = sql("CASE WHEN {b} = -1 THEN {a} * 0 ELSE {a} % nullif({b}, 0) END", a=a, b=b)
    return sql("CASE WHEN {r} <> 0 AND ({r} < 0) <> ({b} < 0) THEN {r} + {b} ELSE {r} END", r=left, b=b)


def trimmed(value: Sql) -> Sql:
    return sql(f"trim({{v}}, {BLANKS})", v=value)


def whole_number(arguments: Mapping[str, Any]) -> Sql:
    """Text must be digits with an optional sign: the engine's own cast would round '1.5' up."""
    value = arguments["value"]
    if is_text(arguments["types"][0]):
        return sql(r"CASE WHEN regexp_full_match({v}, '[+-]?\d+') THEN TRY_CAST({v} AS BIGINT) END", v=trimmed(value))
    return sql("CAST(trunc({v}::DOUBLE) AS BIGINT)" if bare(arguments["types"][0]) == FLOAT else "{v}::BIGINT", v=value)


DECIMAL = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


def decimal_number(arguments: Mapping[str, Any]) -> Sql:
    """Text must be a decimal number that a float can hold: 'nan', 'inf' and '1e400' are none."""
    value = arguments["value"]
    if is_text(arguments["types"][0]):
        read = sql("TRY_CAST({v} AS DOUBLE)", v=trimmed(value))
        fits = sql(f"regexp_full_match({{v}}, '{DECIMAL}') AND isfinite({{read}})", v=trimmed(value), read=read)
        return sql("CASE WHEN {fits} THEN {read} END", fits=fits, read=read)
    return sql("{v}::DOUBLE", v=value)


def whole(arguments: Mapping[str, Any], engine: str) -> Sql:
    """An int stays what it is: the way through a float would lose its last digits."""
    value = arguments["value"]
    return value if bare(arguments["types"][0]) == INT else sql(f"{engine}({{v}})::BIGINT", v=value)


FUNCTIONS = [
    arithmetic("+", "sum", ("1 + 2", 3)),
    arithmetic("-", "difference", ("1 - 2.5", -1.5)),
    arithmetic("*", "product", ("2 * 3", 6)),
    Function(
        "/(a: number, b: number) -> float?",
        "quotient as a float; null when divided by zero",
        "({a}::DOUBLE / nullif({b}, 0))",
        symbol="/",
        examples=(("7 / 2", 3.5), ("1 / 0", None)),
    ),
    Function(
        "//(a: number, b: number) -> number",
        "quotient rounded down to a whole number; null when divided by zero",
        floor_divided,
        symbol="//",
        gives=lambda types: null_if(True, common(types)),
        examples=(("7 // 2", 3), ("-7 // 2", -4), ("1 // 0", None)),
    ),
    Function(
        "%(a: number, b: number) -> number",
        "what `//` leaves, with the sign of b; null when divided by zero",
        floor_remainder,
        symbol="%",
        gives=lambda types: null_if(True, common(types)),
        examples=(("7 % 4", 3), ("-7 % 4", 1)),
    ),
    Function(
        "negate(a: number) -> number",
        "the number with its sign turned",
        "(-{a})",
        gives=common,
        symbol="negate",
        examples=(("-(2 + 1)", -3),),
    ),
    Function(
        "abs(value: number) -> number", "without its sign", "abs({value})", gives=common, examples=(("abs(-2)", 2),)
    ),
    Function(
        "round(value: number, digits: int = 0) -> float",
        "rounded to `digits` decimals, halves away from zero; an int stays one",
        "round({value}, {digits}::INTEGER)",
        gives=lambda types: null_if(is_nullable(types[0]), bare(types[0])),
        examples=(("round(2.345, 1)", 2.3), ("round(2.5)", 3.0)),
    ),
    Function(
        "floor(value: number) -> int",
        "the next whole number below",
        partial(whole, engine="floor"),
        examples=(("floor(-1.5)", -2),),
    ),
    Function(
        "ceil(value: number) -> int",
        "the next whole number above",
        partial(whole, engine="ceil"),
        examples=(("ceil(1.2)", 2),),
    ),
    Function(
        "to_int(value: countable) -> int",
        "as a whole number; null if a text is none; a fraction is cut off",
        whole_number,
        gives=lambda types: parsed(types, INT),
        examples=(('to_int("42")', 42), ('to_int("x")', None), ("to_int(2.9)", 2)),
    ),
    Function(
        "to_float(value: countable) -> float",
        "as a number; null if a text is none",
        decimal_number,
        gives=lambda types: parsed(types, FLOAT),
        examples=(('to_float("1.5")', 1.5), ('to_float("x")', None)),
    ),
]
