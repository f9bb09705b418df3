"""Comparison, logic and choice. A null operand gives null, and `and` and `or` follow three-valued logic."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.sql import Sql, joined, sql
from rlm_dsl.language.types import BOOL, Type, bare, is_nullable, null_if, unify


def comparison(symbol: str, engine: str, summary: str, example: tuple[str, object]) -> Function:
    return Function(
        f"{symbol}(a: any, b: any) -> bool", summary, f"({{a}} {engine} {{b}})", symbol=symbol, examples=(example,)
    )


def all_common(types: tuple[Type, ...]) -> Type | None:
    """The common type of all, or None."""
    return reduce(lambda a, b: None if a is None else unify(a, b), types[1:], types[0])  # type: ignore[arg-type,return-value]


def first_present(types: tuple[Type, ...]) -> Type | None:
    """Nullable only if every argument is."""
    shared = all_common(types)
    return None if shared is None else null_if(all(map(is_nullable, types)), bare(shared))


def chosen(types: tuple[Type, ...]) -> Type | None:
    return all_common(types[1:])


def extreme(types: tuple[Type, ...]) -> Type | None:
    shared = all_common(types)
    return None if shared is None else null_if(any(map(is_nullable, types)), bare(shared))


def called(engine: str) -> Any:
    """A variadic engine function; null where any argument is null."""

    def lowered(arguments: Mapping[str, Any]) -> Sql:
        values = arguments["values"]
        whole = sql(f"{engine}({{all}})", all=joined(", ", values))
        absent = joined(" OR ", (sql("{v} IS NULL", v=value) for value in values))
        return sql("CASE WHEN {absent} THEN NULL ELSE {whole} END", absent=absent, whole=whole)

    return lowered


def among(arguments: Mapping[str, Any]) -> Sql:
    return sql("list_contains({list}, {value})", list=arguments["list"], value=arguments["value"])


FUNCTIONS = [
    comparison("==", "=", "equal", ("1 == 1.0", True)),
    comparison("!=", "<>", "not equal", ('"a" != "b"', True)),
    comparison("<", "<", "before; texts compare by code point", ('"B" < "a"', True)),
    comparison("<=", "<=", "before or equal", ("2 <= 2", True)),
    comparison(">", ">", "after", ("@2024-03-02 > @2024-03-01", True)),
    comparison(">=", ">=", "after or equal", ("1 >= 2", False)),
    Function(
        "and(a: bool, b: bool) -> bool", "both", "({a} AND {b})", symbol="and", examples=(("true and false", False),)
    ),
    Function(
        "or(a: bool, b: bool) -> bool", "at least one", "({a} OR {b})", symbol="or", examples=(("true or false", True),)
    ),
    Function("not(a: bool) -> bool", "the opposite", "(NOT {a})", symbol="not", examples=(("not true", False),)),
    Function(
        "in(value: scalar, list: list) -> bool",
        "whether the list has it",
        among,
        symbol="in",
        examples=(('"a" in ["a", "b"]', True), ("3 in [1, 2]", False)),
    ),
    Function(
        "between(value: scalar, low: scalar, high: scalar) -> bool",
        "from low to high, both included",
        "({value} BETWEEN {low} AND {high})",
        symbol="between",
        examples=(("2 between 1 and 2", True),),
    ),
    Function(
        "is null(value: any) -> bool",
        "whether it is null",
        "({value} IS NULL)",
        symbol="is null",
        takes_null=True,
        gives=lambda types: BOOL,
        examples=(("null is null", True),),
    ),
    Function(
        "coalesce(value: any, rest...: any) -> any",
        "the first that is not null",
        lambda a: sql("coalesce({v}, {rest})", v=a["value"], rest=joined(", ", a["rest"])),
        takes_null=True,
        gives=first_present,
        examples=(("coalesce(null, 2)", 2),),
    ),
    Function(
        "if(condition: bool, then: any, else: any) -> any",
        "`then` where the condition holds, else `else`",
        "CASE WHEN {condition} THEN {then} ELSE {else} END",
        takes_null=True,
        gives=chosen,
        examples=(('if(1 < 2, "yes", "no")', "yes"),),
    ),
    Function(
        "least(values...: any) -> any",
        "the smallest of the values",
        called("least"),
        takes_null=True,
        gives=extreme,
        examples=(("least(3, 2)", 2),),
    ),
    Function(
        "greatest(values...: any) -> any",
        "the largest of the values",
        called("greatest"),
        takes_null=True,
        gives=extreme,
        examples=(("greatest(3, 2)", 3),),
    ),
]
