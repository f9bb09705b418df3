"""The same program for real: random tables in the warehouse, a program run on them, its answer with what is hidden.

In: tables as given, a program. Out: the answer's parts as the naive tables and values.
Law: nothing of an example is left when the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from rlm_dsl.common.source import Source
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.errors import EngineError
from rlm_dsl.engine.warehouse.origins import find_origins
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import SCALARS, Field, ListOf, Nullable, Record, Scalar, Type, bare, is_nullable, nullable
from rlm_dsl.language.types import Table as TableType
from rlm_dsl.plan.build import build
from tests.naive.rows import CONTEXT_BITS, SOURCE_BITS, Row, Table
from tests.naive.values import Kind, Stops, Value
from tests.support.small import calls_of

FAR = 1000
"""The bytes of a row whose source is not its text: more than any text drawn."""


@dataclass(frozen=True, repr=False)
class Given:
    """A context's rows: columns by name, the source of each row (rising), and the column that is the source's text."""

    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[Any, ...], ...]
    sources: tuple[int, ...]
    own: str | None = None

    def table(self, context: int) -> Table:
        """As the naive language has it."""
        names = [name for name, _ in self.columns]
        made, end = [], 0
        for number, (values, source) in enumerate(zip(self.rows, self.sources, strict=True)):
            text = None if self.own is None else (values[names.index(self.own)] or "").encode()
            start, end = end, end + (FAR if text is None else len(text))
            row = (context << CONTEXT_BITS) + (source << SOURCE_BITS) + number
            made.append(Row(values, ((row, start, end),), None if text is None else (start, text), row))
        return Table(self.columns, tuple(made), own=self.own)

    def type(self) -> TableType:
        """As the checker has it: a column is nullable where a null stands in it."""
        return TableType(
            tuple(
                Field(name, nullable(of_kind(kind)) if any(row[i] is None for row in self.rows) else of_kind(kind))
                for i, (name, kind) in enumerate(self.columns)
            )
        )

    def __repr__(self) -> str:
        return f"Given({len(self.rows)} rows)"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def shown(self) -> str:
        own = "" if self.own is None else f", text of the source: {self.own}"
        head = ", ".join(f"{name}: {kind}" for name, kind in self.columns)
        lines = (f"  {source} {values!r}" for source, values in zip(self.sources, self.rows, strict=True))
        return "\n".join([f"table({head}){own}", *lines])


def of_kind(kind: Kind) -> Type:
    if isinstance(kind, str):
        return SCALARS.get(kind) or Scalar("null")
    if kind[0] == "list":
        return ListOf(nullable(of_kind(kind[1])))
    return Record(tuple(Field(name, of_kind(of)) for name, of in kind[1]))


def kind_of(type_: Type) -> Kind:
    match type_:
        case Nullable(of):
            return kind_of(of)
        case ListOf(of):
            return ("list", kind_of(of))
        case Record(fields):
            return ("record", tuple((f.name, kind_of(f.type)) for f in fields))
    return str(type_)


class Broken(Stops):
    """The engine stops for no reason that the language knows."""


class Misfit(Exception):
    """A value is not of the type that the checker declares, or rows have no places of their own."""


class Engine:
    """A warehouse that forgets what an example put into it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.types: dict[str, TableType] = {}
        self.answers = 0

    @contextmanager
    def holding(self, given: Mapping[str, Given]) -> Iterator[None]:
        self.types = {name: context.type() for name, context in given.items()}
        try:
            for number, (name, context) in enumerate(given.items()):
                self.warehouse.load(
                    name, self.types[name], as_arrow(context, number, self.types[name]), context.own or ""
                )
            yield
        finally:
            connection = self.warehouse.connection
            for name in self.warehouse.contexts:
                connection.execute(f'DROP VIEW IF EXISTS "{name}"')
                connection.unregister(f"#arrow {name}")
            self.warehouse.contexts.clear()

    def answered(self, program: str) -> dict[tuple[str, ...], Table | Value]:
        """The answer's parts by path. Raises Stops where the engine stops."""
        source = Source("test.rlm", program)
        checked = check_program(parse(source), source, Environment(self.types, {}, {}))
        plan = build(checked.statements, self.warehouse.contexts, {})
        try:
            Runner(self.warehouse, calls_of(), NoProgress(), digests=False).run(plan)
            self.answers += 1
            relations = [*plan.made.values(), *self.warehouse.contexts.values()]
            return {
                leaf.path: self.rows(relation_of(leaf.table, relations))
                if isinstance(leaf.type, TableType)
                else self.value(leaf.table, leaf.type)
                for leaf in plan.targets[-1].leaves
            }
        except EngineError as stop:
            kind = Stops if "64 bits" in str(stop) else Broken
            raise kind(f"{stop}\n{stop.query}") from stop
        finally:
            for stage in plan.stages:
                self.warehouse.drop(stage.name)

    def rests_on(self, program: str) -> set[tuple[int, int, int]] | None:
        """The places that a value rests on; None where the program stops."""
        source = Source("test.rlm", program)
        checked = check_program(parse(source), source, Environment(self.types, {}, {}))
        plan = build(checked.statements, self.warehouse.contexts, {})
        try:
            Runner(self.warehouse, calls_of(), NoProgress(), digests=False).run(plan)
            (leaf,) = plan.targets[-1].leaves
            return set(find_origins(self.warehouse, leaf.evidence[0], leaf.chosen))
        except EngineError:
            return None
        finally:
            for stage in plan.stages:
                self.warehouse.drop(stage.name)

    def rows(self, relation: Any) -> Table:
        """A table's rows with where they came from. Its columns must hold the very types that the checker says."""
        cursor = self.warehouse.run(self.warehouse.ordered(relation, hidden=True))
        told = [str(column[1]) for column in cursor.description]
        width = len(relation.type.columns)
        declared = [engine_type(column.type) for column in relation.type.columns]
        if [t.replace('"', "") for t in told[:width]] != [d.replace('"', "") for d in declared]:
            raise Misfit(f"the columns hold {told[:width]} and are declared as {declared}")
        found = cursor.fetchall()
        for row in found:
            for value, column in zip(row, relation.type.columns, strict=False):
                assert_fits(value, column.type, column.name)
        numbers = [row[width] for row in found]
        if numbers != sorted(set(numbers)):
            raise Misfit(f"places that are not one a row: {numbers}")
        rows = tuple(Row(row[:width], places(row[width + 1 :], relation.united)) for row in found)
        return Table(tuple((c.name, kind_of(c.type)) for c in relation.type.columns), rows, relation.united)

    def value(self, table: str, type_: Type) -> Value:
        value = self.warehouse.value(table)
        assert_fits(value, type_, "the value")
        return Value(kind_of(type_), value)


def relation_of(table: str, relations: list[Any]) -> Any:
    return next(r for r in relations if r.sql.parts[0] == f'"{table}"')


def places(hidden: tuple[Any, ...], united: bool) -> tuple[tuple[int, int, int], ...]:
    if not united:
        return (hidden,)  # type: ignore[return-value]
    return tuple((place["row"], place["lo"], place["hi"]) for place in hidden[0])


def assert_fits(value: Any, type_: Type, what: str) -> None:
    """A value is of its declared type, and null only where the type says so."""
    if value is None:
        if not is_nullable(type_):
            raise Misfit(f"{what} is null and declared as {type_}")
        return
    match bare(type_):
        case Record(fields):
            for field in fields:
                assert_fits(value[field.name], field.type, f"{what}.{field.name}")
        case ListOf(of):
            for item in value:
                assert_fits(item, of, f"an element of {what}")


def as_arrow(context: Given, number: int, schema: TableType) -> pa.Table:
    naive = context.table(0)
    columns = {
        "#row": pa.array(range(len(context.rows)), pa.int64()),
        "#source": pa.array(context.sources, pa.int32()),
        "#line": pa.array(range(1, len(context.rows) + 1), pa.int64()),
        "#lo": pa.array([row.origin[0][1] for row in naive.rows], pa.int64()),
        "#hi": pa.array([row.origin[0][2] for row in naive.rows], pa.int64()),
    }
    for index, column in enumerate(schema.columns):
        columns[column.name] = pa.array([row[index] for row in context.rows], arrow_type(column.type))
    return pa.table(columns)
