"""Literals that meet decimals: `19.99` beside a decimal is that very number, and no float near it.

In: a function's name and its arguments as nodes. Out: the arguments, float literals among them as decimals where
decimals stand beside them; what only decimals ask of a function. Law: a value that is no literal keeps its type.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as PyDecimal

from rlm_dsl.common.exact import DIGITS, at_scale, scale_needed, shortest
from rlm_dsl.common.source import Span
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.operators.functions.meeting import MEETING
from rlm_dsl.language.program import Literal, Node, known_value, resolved
from rlm_dsl.language.types import (
    FLOAT,
    Decimal,
    ListOf,
    Nullable,
    Type,
    bare,
    is_decimal,
    is_nullable,
    null_if,
    scale_of,
)


def exact_literals(function: str, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The arguments of a function, float literals as decimals where they meet decimals."""
    if function not in MEETING:
        return nodes
    first = 1 if function == "if" else 0
    return (*nodes[:first], *meet_exactly(nodes[first:]))


def meet_exactly(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Float literals as decimals, where a decimal stands among the others and no float."""
    exact = tuple(as_exact(node) for node in nodes)
    others = [element(node.type) for node, made in zip(nodes, exact, strict=True) if made is None]
    if FLOAT in others or not any(map(is_decimal, others)):
        return nodes
    return tuple(node if made is None else made for node, made in zip(nodes, exact, strict=True))


def element(type_: Type) -> Type:
    """The type of a value, or of a list's elements."""
    inner = bare(type_)
    return bare(inner.of) if isinstance(inner, ListOf) else inner


def as_exact(node: Node) -> Literal | None:
    """A float literal, or a list of floats written out, as decimals; None for anything else."""
    inner = resolved(node)
    if not isinstance(inner, Literal) or element(inner.type) != FLOAT or inner.value is None:
        return None
    values = inner.value if isinstance(inner.value, list) else [inner.value]
    numbers = [None if value is None else inner.exact or shortest(value) for value in values]
    scale = max((scale_needed(number) for number in numbers if number is not None), default=0)
    made = [None if number is None else at_scale(number, scale) for number in numbers]
    if scale > DIGITS or any(a is None and b is not None for a, b in zip(made, numbers, strict=True)):
        return None
    of = Decimal(scale)
    if isinstance(inner.value, list):
        listed = bare(inner.type)
        assert isinstance(listed, ListOf)
        return Literal(made, ListOf(null_if(is_nullable(listed.of), of)))
    return replace(inner, value=made[0], type=Nullable(of) if is_nullable(inner.type) else of, exact=None)


def exact_param(node: Node, wanted: Type) -> Node:
    """A param's default as a decimal, where one is wanted and the float written out is one."""
    made = as_exact(node)
    if made is None or not is_decimal(element(wanted)):
        return node
    return made


def keeps_decimal_rules(names: Names, function: str, given: tuple[Node, ...], places: list[Span]) -> bool:
    """The number of digits makes the type of a decimal, and is known before the run."""
    if function == "to_decimal" or (function == "round" and is_decimal(given[0].type)):
        digits = known_value(given[1])
        least = 0 if function == "to_decimal" else -DIGITS
        if not isinstance(digits, int) or not least <= digits <= DIGITS:
            names.report("C12", f"`digits` must be a whole number from 0 to {DIGITS}, written out", places[1])
            return False
    return True


def with_digits(function: str, given: tuple[Node, ...], result: Type) -> Type:
    """The type of a result whose digits after the point are said."""
    if function not in ("round", "to_decimal") or not is_decimal(result):
        return result
    digits = known_value(given[1])
    assert isinstance(digits, int)
    scale = digits if function == "to_decimal" else max(0, min(digits, scale_of(result)))
    return null_if(is_nullable(result), Decimal(scale))


def at_type(value: object, wanted: Type) -> object:
    """A constant that fits a type, in that type: decimals with all the digits after the point."""
    match bare(wanted), value:
        case Decimal(scale), int() | PyDecimal():
            return at_scale(PyDecimal(value), scale)
        case ListOf(of), list():
            return [at_type(item, of) for item in value]
        case _:
            return value
