"""Tables in parts: a warehouse whose contexts all lie elsewhere, each cut between rows and asked part by part.

In: tables as any warehouse takes them. Out: the same contexts, elsewhere. Law: nothing but where rows lie is other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rlm_dsl.context.context import GivenRows, RowsQuery
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.context_rows import context_rows
from rlm_dsl.engine.warehouse.database import Database
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.sql import name, sql
from rlm_dsl.language.types import Table
from tests.naive.engine import Engine


@dataclass(frozen=True)
class PartedRows:
    """A table in so many parts, of which the first is empty, asked one after the other in another database."""

    rows: Any
    parts: int
    elsewhere: Database

    @property
    def num_rows(self) -> int:
        return int(self.rows.num_rows)

    def ask(self, asked: RowsQuery) -> Iterator[GivenRows]:
        ends = [0, *(self.num_rows * part // max(1, self.parts - 1) for part in range(self.parts))]
        return (self.of_part(self.rows.slice(begin, past - begin), asked) for begin, past in itertools.pairwise(ends))

    def of_part(self, part: Any, asked: RowsQuery) -> GivenRows:
        import pyarrow as pa

        database, held = self.elsewhere, f"#rows {asked.context}"
        beside = {held: part, **asked.tables}
        if asked.wanted is not None:
            beside["#wanted"] = numbers_of(asked.wanted)
        for table, rows in beside.items():
            database.hold(table, rows)
        shown = context_rows(asked.number, asked.schema, name(held))
        database.run(sql("CREATE VIEW {v} AS {q}", v=name(asked.context), q=shown))
        try:
            rows = pa.concat_tables(database.tables(asked.query))
            counts = () if asked.counting is None else database.rows(asked.counting)[0]
            return GivenRows(rows, dict(zip(asked.counted, counts, strict=True)))
        finally:
            database.run(sql("DROP VIEW {v}", v=name(asked.context)))
            for table in beside:
                database.connection.unregister(table)


def numbers_of(wanted: Sequence[int]) -> Any:
    import pyarrow as pa

    return pa.table({"number": pa.array(wanted, pa.int64())})


class Parted(Warehouse):
    """A warehouse that cuts each table that it is given into parts."""

    def __init__(self, parts: int, elsewhere: Database) -> None:
        super().__init__(1)
        self.parts, self.other = parts, elsewhere

    def load(self, context: str, schema: Table, rows: Any, own: str = "") -> Relation:
        return super().load(context, schema, PartedRows(rows, self.parts, self.other), own)


@contextmanager
def parted(parts: int = 4) -> Iterator[Parted]:
    with Database(1) as elsewhere, Parted(parts, elsewhere) as warehouse:
        yield warehouse


class PartedEngine(Engine):
    """The naive language's partner over tables in parts."""

    def __init__(self, warehouse: Parted) -> None:
        super().__init__(warehouse)
        self.parted = warehouse

    @contextmanager
    def holding(self, given: Any) -> Iterator[None]:
        with super().holding(given):
            try:
                yield
            finally:
                for context in self.parted.contexts:
                    self.parted.elsewhere.pop(context, None)
                    self.parted.connection.execute(f'DROP VIEW IF EXISTS "{context}"')
                    self.parted.drop(f"#rows {context}")
