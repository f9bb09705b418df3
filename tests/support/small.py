"""Small tables for tests: columns in, a loaded warehouse and run programs out."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import pyarrow as pa

from rlm_dsl.common.source import Source
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner, StepRecord
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.sql import name, sql
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TEXT, TIMESTAMP, Field, ListOf, Table, Type, nullable
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.plan.build import build
from rlm_dsl.plan.stages import Plan

KINDS: list[tuple[type, Type]] = [
    (bool, BOOL),
    (int, INT),
    (float, FLOAT),
    (datetime.datetime, TIMESTAMP),
    (datetime.date, DATE),
    (str, TEXT),
]


def column_type(values: list[Any]) -> Type:
    present = [value for value in values if value is not None]
    if present and isinstance(present[0], list):
        inner = column_type([item for value in present for item in value])
        return nullable(ListOf(inner)) if len(present) < len(values) else ListOf(inner)
    found = next((t for kind, t in KINDS if present and isinstance(present[0], kind)), TEXT)
    if found == INT and any(isinstance(value, float) for value in present):
        found = FLOAT
    return nullable(found) if len(present) < len(values) else found


def loaded(warehouse: Warehouse, name: str, columns: Mapping[str, list[Any]]) -> Table:
    """The columns as a context: row k (from 0) is line k + 1, bytes 10k to 10k + 9."""
    schema = Table(tuple(Field(column, column_type(values)) for column, values in columns.items()))
    count = len(next(iter(columns.values())))
    hidden: dict[str, Any] = {
        "#row": pa.array(range(count), pa.int64()),
        "#source": pa.array([0] * count, pa.int32()),
        "#line": pa.array(range(1, count + 1), pa.int64()),
        "#lo": pa.array([10 * row for row in range(count)], pa.int64()),
        "#hi": pa.array([10 * row + 9 for row in range(count)], pa.int64()),
    }
    typed = {c.name: pa.array(columns[c.name], arrow_type(c.type)) for c in schema.columns}
    warehouse.load(name, schema, pa.table({**hidden, **typed}))
    return schema


class OneModel:
    """A stack over one model, for tests."""

    def __init__(self, model: Any = None) -> None:
        self.settings = {alias: ModelSettings("m", "http://localhost/v1") for alias in ("root", "sub", "small")}
        self.model = model

    def wait(self, work: Callable[[], Awaitable[Any]]) -> Any:
        import asyncio

        return asyncio.run(work())  # type: ignore[arg-type]

    def afford(self, step: str, requests: Any, pack: Any = None) -> None: ...
    def room(self) -> None: ...
    def packs(self, rows: Any) -> Any:
        return ()


def calls_of(model: Any = None) -> Calls[OneModel]:
    """Calls of one model, with nothing set."""
    return Calls(OneModel(model), CallOptions())


def planned(program: str, types: Mapping[str, Table], warehouse: Warehouse, params: Mapping[str, Any] = {}) -> Plan:
    source = Source("test.rlm", program)
    checked = check_program(parse(source), source, Environment(types, {}, params))
    return build(checked.statements, warehouse.contexts, {})


@cache
def shared(threads: int) -> Warehouse:
    """The one that all programs share: to open one takes as long as to run a program."""
    return Warehouse(threads=threads)


@contextmanager
def emptied(threads: int) -> Iterator[Warehouse]:
    """The shared warehouse, in which nothing is left afterwards."""
    warehouse = shared(threads)
    try:
        yield warehouse
    finally:
        for context in warehouse.contexts:
            warehouse.run(sql("DROP VIEW IF EXISTS {v}", v=name(context)))
            warehouse.connection.unregister(f"#rows {context}")
        warehouse.contexts.clear()
        for (table,) in warehouse.rows(sql("SELECT table_name FROM duckdb_tables()")):
            warehouse.drop(table)


def ran(
    program: str, contexts: Mapping[str, Mapping[str, list[Any]]], model: Any = None, threads: int = 2
) -> tuple[dict[tuple[str, ...], Any], tuple[StepRecord, ...]]:
    """The answer's parts by path (tables as lists of rows), and the records of the steps."""
    with emptied(threads) as warehouse:
        types = {name: loaded(warehouse, name, columns) for name, columns in contexts.items()}
        plan = planned(program, types, warehouse)
        records = Runner(warehouse, calls_of(model), NoProgress()).run(plan)
        parts: dict[tuple[str, ...], Any] = {}
        for leaf in plan.targets[-1].leaves:
            if isinstance(leaf.type, Table):
                relation = next(
                    r
                    for r in [*plan.made.values(), *warehouse.contexts.values()]
                    if r.sql.parts[0] == f'"{leaf.table}"'
                )
                parts[leaf.path] = [list(row) for row in warehouse.table(relation)]
            else:
                parts[leaf.path] = warehouse.value(leaf.table)
        return parts, records


def answer(program: str, contexts: Mapping[str, Mapping[str, list[Any]]], model: Any = None) -> Any:
    return ran(program, contexts, model)[0][()]
