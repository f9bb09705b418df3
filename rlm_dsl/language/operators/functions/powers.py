"""Roots, powers and logarithms: null where there is none, and the same float on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.sql import Sql, sql
from rlm_dsl.language.types import FLOAT, NULL, Type


def as_float(value: Sql, type_: Type) -> Sql:
    return sql("{v}::DOUBLE", v=widened(value, type_, FLOAT))


def root(arguments: Mapping[str, Any]) -> Sql:
    return sql("CASE WHEN {v} >= 0 THEN sqrt({v}) END", v=as_float(arguments["value"], arguments["types"][0]))


def power(arguments: Mapping[str, Any]) -> Sql:
    of_base, of_exponent = arguments["types"]
    base, exponent = as_float(arguments["base"], of_base), as_float(arguments["exponent"], of_exponent)
    return sql(
        "CASE WHEN ({b} = 0 AND {e} < 0) OR ({b} < 0 AND floor({e}) <> {e}) THEN NULL ELSE power_of({b}, {e}) END",
        b=base,
        e=exponent,
    )


def logarithm(arguments: Mapping[str, Any]) -> Sql:
    value = as_float(arguments["value"], arguments["types"][0])
    if arguments["types"][1] == NULL:
        return sql("CASE WHEN {v} > 0 THEN log_of({v}) END", v=value)
    base = as_float(arguments["base"], arguments["types"][1])
    return sql("CASE WHEN {v} > 0 AND {b} > 0 AND {b} <> 1 THEN log_to_base({v}, {b}) END", v=value, b=base)


FUNCTIONS = [
    Function(
        "sqrt(value: number) -> float?",
        "the square root; null of what is negative",
        root,
        examples=(("sqrt(9)", 3.0), ("sqrt(-1)", None)),
    ),
    Function(
        "power(base: number, exponent: number) -> float?",
        "`base` to the power of `exponent`, as a float; null where there is none",
        power,
        examples=(("power(2, 10)", 1024.0), ("power(10, -2)", 0.01), ("power(-8, 0.5)", None)),
    ),
    Function(
        "log(value: number, base: number = null) -> float?",
        "the natural logarithm, or that to `base`; null of what is not above zero",
        logarithm,
        examples=(("log(1)", 0.0), ("log(1000, 10)", 3.0), ("log(0)", None)),
    ),
]
