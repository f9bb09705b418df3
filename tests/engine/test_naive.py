"""The engine against the naive language: every operator, aggregate and function, over random tables.

In: nothing. Out: agreement, or the program, the tables and both results. Law: what the engine answers, with the order
of the rows, the kinds of the columns and where each row comes from, is what the documents say.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.registry import aggregates, functions, table_operators
from tests.naive import making
from tests.naive.aggregates import AGGREGATES
from tests.naive.engine import Engine, Given, Misfit
from tests.naive.functions import FUNCTIONS
from tests.naive.operators import OPERATORS
from tests.naive.reading import answered
from tests.naive.rows import Row, Table, grouped
from tests.naive.values import Stops, Unsaid, Value

PRESENT = [name for name, entry in table_operators().items() if entry.lower is not None]
TABLES = sorted(name for name in PRESENT if name in making.STAGES)
VALUES = sorted(name for name in PRESENT if name in making.VALUE_FORMS)
FAMILIES = ["calendar", "lists", "logic", "moments", "numbers", "powers", "text"]
LOOSE = ("median", "quantile", "search", "running", "describe", "log(")
"""Uses whose floats may differ in the last digits."""


FRESH = 10
"""Examples drawn anew before Hypothesis begins to change earlier ones, which gives the same programs over again."""


def for_all(engine: Engine, count: int, check: Callable[..., None], *drawn: st.SearchStrategy[Any]) -> None:
    """Checks `count` random examples, the same in every run; the engine must have answered most of them."""
    before = engine.answers
    for start in range(0, count, FRESH):
        some = settings(
            max_examples=min(FRESH, count - start),
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        seed(start)(some(given(*drawn)(check)))()
    assert engine.answers - before >= count / 2


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Warehouse(threads=2) as warehouse:
        yield Engine(warehouse)


# ---- every one has a twin ----


def test_every_operator_has_a_naive_twin() -> None:
    assert set(PRESENT) <= set(OPERATORS) | set(AGGREGATES)
    assert set(PRESENT) <= set(making.STAGES) | set(making.VALUE_FORMS)


def test_every_aggregate_has_a_naive_twin() -> None:
    assert set(aggregates()) <= set(AGGREGATES)
    assert set(aggregates()) <= set(making.AGGREGATE_USES)


def test_every_function_has_a_naive_twin() -> None:
    assert set(functions()) <= set(FUNCTIONS)
    assert set(functions()) <= {name for _, name, _ in making.FORMULAS}


# ---- agreement ----


@pytest.mark.parametrize("operator", TABLES)
def test_an_operator_is_what_its_twin_is(engine: Engine, operator: str) -> None:
    operators_agree(engine, operator, 7)


@pytest.mark.parametrize("operator", VALUES)
def test_a_value_is_what_its_twin_is(engine: Engine, operator: str) -> None:
    values_agree(engine, operator, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_functions_are_what_their_twins_are(engine: Engine, family: str) -> None:
    functions_agree(engine, st.sampled_from(of_family(family)).flatmap(making.uses), 12)


def test_a_sample_is_so_many_rows_of_each_group_in_order_and_always_the_same(engine: Engine) -> None:
    samples_agree(engine, 8)


@pytest.mark.proof
def test_a_sample_is_so_many_times(engine: Engine) -> None:
    samples_agree(engine, 400)


@pytest.mark.proof
@pytest.mark.parametrize("operator", TABLES)
def test_an_operator_is_what_its_twin_is_many_times(engine: Engine, operator: str) -> None:
    operators_agree(engine, operator, 300)


@pytest.mark.proof
@pytest.mark.parametrize("operator", VALUES)
def test_a_value_is_what_its_twin_is_many_times(engine: Engine, operator: str) -> None:
    values_agree(engine, operator, 60)


@pytest.mark.proof
@pytest.mark.parametrize("function", sorted(functions()))
def test_a_function_is_what_its_twin_is_many_times(engine: Engine, function: str) -> None:
    functions_agree(engine, making.uses(function), 60)


def of_family(family: str) -> list[str]:
    """The functions of one file."""
    from importlib import import_module

    from rlm_dsl.language.operators.core.function import Function

    held = vars(import_module(f"rlm_dsl.language.operators.functions.{family}")).values()
    entries = [entry for value in held for entry in (value if isinstance(value, list) else [value])]
    return sorted({entry.name for entry in entries if isinstance(entry, Function)})


def operators_agree(engine: Engine, operator: str, count: int) -> None:
    for_all(engine, count, alike(engine), making.givens(), making.programs(operator))


def values_agree(engine: Engine, operator: str, count: int) -> None:
    """The value, and the rows that it rests on: the table's, or the first or last one."""

    def agree(contexts: dict[str, Given], given: str, use: str) -> None:
        program = f"{given}\nanswer {use}"
        (table,) = answered(f"{given}\nanswer given", naive_tables(contexts)).values()
        rows = table.rows
        if use.startswith(("first(", "last(")):
            rows = rows[:1] if use.startswith("first(") else rows[-1:]
        with engine.holding(contexts):
            compare(engine, program, contexts)
            rests_on = {place for row in rows for place in row.origin}
            assert engine.rests_on(program) in (rests_on, None), f"{program} rests on {rests_on}"

    for_all(engine, count, agree, making.givens(), making.givens_before(), making.VALUE_FORMS[operator])


def alike(engine: Engine) -> Callable[[dict[str, Given], str], None]:
    def agree(contexts: dict[str, Given], program: str) -> None:
        with engine.holding(contexts):
            compare(engine, program, contexts)

    return agree


def samples_agree(engine: Engine, count: int) -> None:
    """What holds of a sample of any table, whichever rows it draws."""

    def agree(contexts: dict[str, Given], given: str, n: int, number: int, by: bool) -> None:
        stage = f"given | sample({n}, seed={number}{', by=k' if by else ''})"
        program = f"{given}\nanswer {{whole: given, some: {stage}, again: {stage} | where(true)}}"
        with engine.holding(contexts):
            found = engine.answered(program)
        whole, some, again = (found[(part,)] for part in ("whole", "some", "again"))
        assert some.rows == again.rows, program
        left = iter(whole.rows)
        assert all(row in left for row in some.rows), f"not in order: {program}"
        place = whole.names.index("k")
        groups = grouped(whole.rows, lambda row: [row.values[place]] if by else [])
        drawn = grouped(some.rows, lambda row: [row.values[place]] if by else [])
        assert {group: len(drawn.get(group, [])) for group in groups} == {
            group: min(n, len(rows)) for group, rows in groups.items()
        }, program

    chosen = (making.givens_before(), st.integers(0, 4), st.integers(-5, 5), st.booleans())
    for_all(engine, count, agree, making.givens(), *chosen)


def functions_agree(engine: Engine, uses: making.Strings, count: int) -> None:
    """Formulas whose twins give values stand in one program; one that must stop the run is run alone."""

    def agree(contexts: dict[str, Given], formulas: list[str]) -> None:
        tables = naive_tables(contexts)
        fine, stopping = [], []
        for formula in formulas:
            try:
                answered(f"answer t | select(c={formula})", tables)
            except Stops:
                stopping.append(formula)
            except Unsaid:
                continue
            else:
                fine.append(formula)
        with engine.holding(contexts):
            if fine:
                columns = ", ".join(f"c{i}={formula}" for i, formula in enumerate(fine))
                compare(engine, f"answer t | select({columns})", contexts, needed=True)
            for formula in stopping[:1]:
                compare(engine, f"answer t | select(c={formula})", contexts, needed=True)

    for_all(engine, count, agree, making.givens(), st.lists(uses, min_size=1, max_size=6))


def naive_tables(contexts: Mapping[str, Given]) -> dict[str, Table]:
    return {name: context.table(number) for number, (name, context) in enumerate(contexts.items())}


Outcome = dict[tuple[str, ...], Table | Value] | Stops


def compare(engine: Engine, program: str, contexts: Mapping[str, Given], *, needed: bool = False) -> None:
    """Runs the program both ways. Where the documents say nothing there is nothing to compare; they do not say either
    whether a value stops the run that no answer needs, so it must do so only where it is `needed`."""
    try:
        expected: Outcome = answered(program, naive_tables(contexts))
    except Stops as stop:
        expected = stop
    except Unsaid:
        return
    try:
        found: Outcome = engine.answered(program)
    except Stops as stop:
        found = stop
    except Misfit as misfit:
        raise AssertionError("\n".join([str(misfit), program, *given_shown(contexts)])) from None
    if isinstance(expected, Stops) and not isinstance(found, Stops) and not needed:
        return
    difference = differing(found, expected, any(word in program for word in LOOSE))
    if difference:
        raise AssertionError("\n".join(told(program, contexts, found, expected, difference)))


def differing(found: Outcome, expected: Outcome, loosely: bool) -> str:
    """What differs, or nothing."""
    if isinstance(found, Stops) or isinstance(expected, Stops):
        return "" if type(found) is type(expected) else "one stops and the other does not"
    if set(found) != set(expected):
        return "the answer's parts"
    for path, part in expected.items():
        other = found[path]
        if isinstance(part, Value):
            if not isinstance(other, Value) or not same(other.value, part.value, loosely):
                return "the value"
            if not same_kind(other.kind, part.kind):
                return f"the value's kind: {other.kind} and {part.kind}"
        elif isinstance(other, Value) or (how := differing_tables(other, part, loosely)):
            return "a value for a table" if isinstance(other, Value) else how
    return ""


def differing_tables(found: Table, expected: Table, loosely: bool) -> str:
    if found.names != expected.names:
        return "the columns"
    for (name, a), (_, b) in zip(found.columns, expected.columns, strict=True):
        if not same_kind(a, b):
            return f"the kind of {name}: {a} and {b}"
    if len(found.rows) != len(expected.rows):
        return "the number of rows"
    for number, (a, b) in enumerate(zip(found.rows, expected.rows, strict=True), 1):
        for name, one, other in zip(found.names, a.values, b.values, strict=True):
            if not same(one, other, loosely):
                return f"row {number}, column {name}: {one!r} and {other!r}"
        if a.origin != b.origin:
            return f"where row {number} comes from: {a.origin} and {b.origin}"
    return ""


def same_kind(a: Any, b: Any) -> bool:
    return a == b


def same(a: Any, b: Any, loosely: bool = False) -> bool:
    """Equal, of one type: 1 is not 1.0 and not true. No sign is told of zero."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (loosely and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)) or (a != a and b != b)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, loosely) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[name], b[name], loosely) for name in a)
    if isinstance(a, datetime.date) and isinstance(b, datetime.date):
        return type(a) is type(b) and a == b
    return type(a) is type(b) and a == b


def told(
    program: str, contexts: Mapping[str, Given], found: Outcome, expected: Outcome, difference: str
) -> Iterator[str]:
    yield f"they differ in {difference}"
    yield program
    yield from given_shown(contexts)
    yield "the engine:"
    yield from shown(found)
    yield "the naive language:"
    yield from shown(expected)


def given_shown(contexts: Mapping[str, Given]) -> Iterator[str]:
    for name, context in contexts.items():
        yield f"{name} = {context.shown()}"


def shown(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome, Stops):
        yield f"  stops: {outcome}"
        return
    for path, part in outcome.items():
        yield f"  {'.'.join(path) or 'answer'}: {part.kind if isinstance(part, Value) else part.columns}"
        yield from [f"    {part.value!r}"] if isinstance(part, Value) else map(row_shown, part.rows)


def row_shown(row: Row) -> str:
    return f"    {row.values!r} from {row.origin}"
