"""The registry: every operator, aggregate and scalar function, found by reading `operators/`.

In: the modules of `operators/` and of its `functions/`. Out: three mappings by name.
Law: adding an operator is adding one file; nothing else names it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from rlm_dsl.language import operators
from rlm_dsl.language.operators.core.aggregate import AggregateFunction, whole_table
from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.operators.core.operator import Operator


def modules() -> Iterator[ModuleType]:
    """The modules of `operators/` and of `functions/`, in the order of their names."""
    for package in (operators, importlib.import_module("rlm_dsl.language.operators.functions")):
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg:
                yield importlib.import_module(f"{package.__name__}.{module.name}")


@cache
def entries() -> tuple[Any, ...]:
    """Every registered value, once, in the order of the modules' names and within them of their definition."""
    found: dict[tuple[str, str], Any] = {}
    for module in modules():
        for value in vars(module).values():
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, Operator | AggregateFunction | Function):
                    found.setdefault((type(entry).__name__, entry.name), entry)
    return tuple(found.values())


@cache
def table_operators() -> Mapping[str, Operator]:
    """Operators on tables by name, those that aggregates give over whole tables among them."""
    own = {entry.name: entry for entry in entries() if isinstance(entry, Operator)}
    return {**{a.name: whole_table(a) for a in aggregates().values() if a.name not in own}, **own}


@cache
def aggregates() -> Mapping[str, AggregateFunction]:
    return {entry.name: entry for entry in entries() if isinstance(entry, AggregateFunction)}


@cache
def functions() -> Mapping[str, Function]:
    """Scalar functions by name; those whose name is no word are the expressions' operators (`+`, `in`, ...)."""
    return {entry.name: entry for entry in entries() if isinstance(entry, Function)}


BEFORE_HEADERS_TOLD = {"search": 2}
"""The versions of operators in runs whose headers do not tell them; of all others it was 1."""


def operator_versions() -> dict[str, int]:
    """The versions of operators and functions that have had more than one, as a header tells them."""
    known: dict[str, Operator | Function] = {**functions(), **table_operators()}
    return {name: entry.version for name, entry in known.items() if entry.version > 1}


def recorded_versions(header: Mapping[str, Any]) -> Mapping[str, int]:
    """The versions of operators in a recorded run, by which its program means again what it meant then."""
    found: Mapping[str, int] = header.get("operators", BEFORE_HEADERS_TOLD)
    return found


def version_of(operator: Operator | Function, recorded: Mapping[str, int] | None) -> int:
    """The version of an operator or function in a recorded run; today's where there is none."""
    return operator.version if recorded is None else recorded.get(operator.name, 1)


def function_names() -> list[str]:
    """The functions that are called by name; the others are written as operators of expressions."""
    return [name for name, entry in functions().items() if not entry.symbol]
