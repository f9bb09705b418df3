"""Scalar functions and operators on numbers. Ints are of 64 bits and never wrap: an overflow is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from rlm_dsl.language.operators.core.engine_types import engine_type, number_type, widened
from rlm_dsl.language.operators.core.function import Function, Gives
from rlm_dsl.language.operators.functions.text import BLANKS
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import (
    BOOL,
    DIGITS,
    FLOAT,
    INT,
    MONEY,
    Decimal,
    Type,
    bare,
    is_decimal,
    is_nullable,
    is_text,
    null_if,
    nullable,
    scale_of,
)


def common(types: tuple[Type, ...]) -> Type:
    """int if all are, decimal if no float is among them, else float; nullable if any is."""
    return null_if(any(map(is_nullable, types)), number_type(types))


def product(types: tuple[Type, ...]) -> Type | None:
    """A product of decimals has the digits after the point of both; None for more than a decimal has."""
    shared = common(types)
    scale = sum(map(scale_of, types))
    if not is_decimal(shared):
        return shared
    return null_if(is_nullable(shared), Decimal(scale)) if scale <= DIGITS else None


def quotient(types: tuple[Type, ...]) -> Type:
    """Of decimals a decimal without digits after the point."""
    shared = common(types)
    return nullable(Decimal(0) if is_decimal(shared) else shared)


def rounded(types: tuple[Type, ...]) -> Type:
    return null_if(is_nullable(types[0]), bare(types[0]))


def arithmetic(symbol: str, summary: str, example: tuple[str, object], gives: Gives = common) -> Function:
    return Function(
        f"{symbol}(a: number, b: number) -> number",
        summary,
        f"({{a}} {symbol} {{b}})",
        gives=gives,
        symbol=symbol,
        examples=(example,),
    )


def parsed(types: tuple[Type, ...], to: Type) -> Type:
    """A number read from text may fail, and is then null; from a number it is always there."""
    return null_if(is_text(types[0]) or is_nullable(types[0]), to)


UNSCALED = "CAST(replace(CAST({v} AS VARCHAR), '.', '') AS HUGEINT)"
"""The whole number that a decimal is, its point left out."""


def floor_divided(arguments: Mapping[str, Any]) -> Sql:
    """Rounded down as in Python; SQL's own whole division rounds towards zero."""
    a, b = arguments["a"], arguments["b"]
    shared = bare(common(arguments["types"]))
    if shared == FLOAT:
        return sql("floor({a}::DOUBLE / nullif({b}, 0))", a=a, b=b)
    if is_decimal(shared):
        a, b = sql(UNSCALED, v=a), sql(UNSCALED, v=b)
        return sql(f"CAST({WHOLE_QUOTIENT} AS {engine_type(Decimal(0))})", a=a, b=b)
    return sql(WHOLE_QUOTIENT, a=a, b=b)


WHOLE_QUOTIENT = (
    "(({a} // nullif({b}, 0)) - CASE WHEN {a} % nullif({b}, 0) <> 0 AND ({a} < 0) <> ({b} < 0) THEN 1 ELSE 0 END)"
)


def floor_remainder(arguments: Mapping[str, Any]) -> Sql:
    """With the sign of b as in Python, so that `a == (a // b) * b + a % b`."""
    a, b = arguments["a"], arguments["b"]
    if bare(common(arguments["types"])) == FLOAT:
        return sql("({a} - {b} * floor({a}::DOUBLE / nullif({b}, 0)))", a=a, b=b)
    exact = is_decimal(common(arguments["types"]))
    plain = "{a} % nullif({b}, 0)"
    left = sql(plain if exact else f"CASE WHEN {{b}} = -1 THEN {{a}} * 0 ELSE {plain} END", a=a, b=b)
    return sql("CASE WHEN {r} <> 0 AND ({r} < 0) <> ({b} < 0) THEN {r} + {b} ELSE {r} END", r=left, b=b)


def trimmed(value: Sql) -> Sql:
    return sql(f"trim({{v}}, {BLANKS})", v=value)


def whole_number(arguments: Mapping[str, Any]) -> Sql:
    """Text must be digits with an optional sign: the engine's own cast would round '1.5' up."""
    value = arguments["value"]
    if is_text(arguments["types"][0]):
        return sql(r"CASE WHEN regexp_full_match({v}, '[+-]?\d+') THEN TRY_CAST({v} AS BIGINT) END", v=trimmed(value))
    if is_decimal(arguments["types"][0]):
        return sql("CAST(trunc({v}) AS BIGINT)", v=value)
    return sql("CAST(trunc({v}::DOUBLE) AS BIGINT)" if bare(arguments["types"][0]) == FLOAT else "{v}::BIGINT", v=value)


FLOATING = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


def floating_number(arguments: Mapping[str, Any]) -> Sql:
    """Text must be a decimal number that a float can hold: 'nan', 'inf' and '1e400' are none."""
    value = arguments["value"]
    if is_text(arguments["types"][0]):
        read = sql("TRY_CAST({v} AS DOUBLE)", v=trimmed(value))
        fits = sql(f"regexp_full_match({{v}}, '{FLOATING}') AND isfinite({{read}})", v=trimmed(value), read=read)
        return sql("CASE WHEN {fits} THEN {read} END", fits=fits, read=read)
    return (
        widened(value, arguments["types"][0], FLOAT)
        if is_decimal(arguments["types"][0])
        else sql("{v}::DOUBLE", v=value)
    )


def decimal_pattern(scale: int) -> str:
    """Text of a plain number of no more digits after the point, zeros at the end not counted."""
    some = rf"\.\d{{1,{scale}}}0*|" if scale else ""
    after = rf"\d{{0,{scale}}}0*" if scale else "0*"
    return rf"[+-]?(\d+(\.{after})?|{some}\.0+)"


def decimal_of_text(value: Sql, scale: int) -> Sql:
    """Text as a decimal: null where it is no plain number, or has more digits than are held."""
    return sql(
        f"CASE WHEN regexp_full_match({{v}}, '{decimal_pattern(scale)}') "
        f"THEN TRY_CAST({{v}} AS {engine_type(Decimal(scale))}) END",
        v=trimmed(value),
    )


def decimal_number(arguments: Mapping[str, Any]) -> Sql:
    """A number rounded to the scale, halves away from zero; a float by the digits that it prints, null where a decimal
    does not hold it."""
    value, given, scale = arguments["value"], bare(arguments["types"][0]), arguments["scale"]
    made = engine_type(Decimal(scale))
    if is_text(given):
        return decimal_of_text(value, scale)
    if given == FLOAT:
        return sql(f"CASE WHEN isfinite({{v}}) THEN TRY_CAST(CAST({{v}} AS VARCHAR) AS {made}) END", v=value)
    if given == BOOL:
        return sql(f"CAST(CAST({{v}} AS BIGINT) AS {made})", v=value)
    return sql(f"CAST({{v}} AS {made})", v=value)


def rounded_number(arguments: Mapping[str, Any]) -> Sql:
    """A decimal has no more digits after the point than it is rounded to."""
    value, digits = arguments["value"], arguments["digits"]
    if not is_decimal(arguments["types"][0]):
        return sql("round({value}, {digits}::INTEGER)", value=value, digits=digits)
    scale, known = scale_of(arguments["types"][0]), arguments["scale"]
    kept = engine_type(Decimal(max(0, min(scale, known))))
    if known >= scale:
        return sql("{v}", v=value)
    if known >= 0:
        return sql(f"CAST({{v}} AS {kept})", v=value)
    return sql(f"CAST(round({{v}}, {known}) AS {kept})" if -known < DIGITS else f"CAST(0 AS {kept})", v=value)


def whole(arguments: Mapping[str, Any], engine: str) -> Sql:
    """An int stays what it is: the way through a float would lose its last digits."""
    value = arguments["value"]
    return value if bare(arguments["types"][0]) == INT else sql(f"{engine}({{v}})::BIGINT", v=value)


FUNCTIONS = [
    arithmetic("+", "sum", ("1 + 2", 3)),
    arithmetic("-", "difference", ("1 - 2.5", -1.5)),
    arithmetic("*", "product", ("2 * 3", 6), product),
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
        gives=quotient,
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
        "rounded to `digits` decimals, halves away from zero; an int stays one, a decimal has so many digits then",
        rounded_number,
        gives=rounded,
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
        floating_number,
        gives=lambda types: parsed(types, FLOAT),
        examples=(('to_float("1.5")', 1.5), ('to_float("x")', None)),
    ),
    Function(
        "to_decimal(value: countable, digits: int = 2) -> decimal",
        "as an exact number, rounded to `digits` after the point; null if a text is none or has more digits",
        decimal_number,
        gives=lambda types: parsed(types, MONEY),
        examples=(('to_decimal("19.9")', "19.90"), ('to_decimal("1.234")', None), ("to_decimal(2 / 3, 4)", "0.6667")),
    ),
]
