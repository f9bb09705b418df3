"""The warehouse: a database in which contexts lie as tables beside the steps and answers made of them.

In: contexts, and tables of steps. Out: their rows, in their order. Law: contexts are read where they lie, in memory or
in files of the engine; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context, GivenRows, RowsElsewhere, RowsQuery, StoredPart
from rlm_dsl.context.format_registry import own_column
from rlm_dsl.engine.warehouse.context_rows import context_rows, is_vast, stored_rows
from rlm_dsl.engine.warehouse.database import Database
from rlm_dsl.engine.warehouse.errors import EngineError
from rlm_dsl.language.operators.core.relation import ORD, ROW, Relation
from rlm_dsl.language.sql import Sql, bound, name, names, sql
from rlm_dsl.language.types import Table
from rlm_dsl.plan.stages import physical_name

if TYPE_CHECKING:
    import pyarrow as pa


T = TypeVar("T")
MOST_CONTEXTS = 128
"""The upper bits of a row's id hold its context."""


class Warehouse(Database):
    """A database with the rows of `contexts`, to which more can be loaded."""

    def __init__(self, threads: int | None = None, memory: str | None = None, contexts: Iterable[Context] = ()) -> None:
        held = list(contexts)
        stored = [context.rows for context in held if isinstance(context.rows, tuple)]
        super().__init__(threads, memory, (part.path for parts in stored for part in parts))
        self.given = {context.name: context for context in held}
        self.contexts: dict[str, Relation] = {}
        self.elsewhere: dict[str, RowsElsewhere] = {}
        """Contexts whose rows lie elsewhere, and were not brought here whole."""
        for context in held:
            self.load(context.name, context.schema, context.rows, own_column(context))

    def load(
        self, context: str, schema: Table, rows: pa.Table | tuple[StoredPart, ...] | RowsElsewhere, own: str = ""
    ) -> Relation:
        """A context's rows as a table. Each row's id is unique over contexts and tells its source. `own` is the column
        that holds a row's own bytes."""
        number = len(self.contexts)
        if number >= MOST_CONTEXTS:
            raise UserError(
                f"more than {MOST_CONTEXTS} contexts at once",
                "files of one kind are one table: give their folder or a glob",
            )
        self.contexts[context] = Relation(name(context), Table(schema.columns), False, own, is_vast(rows))
        if lies_elsewhere(rows):
            self.elsewhere[context] = rows
            return self.contexts[context]
        held = f"#rows {context}"
        if isinstance(rows, tuple):
            self.run(sql("CREATE VIEW {v} AS {parts}", v=name(held), parts=stored_rows(rows, self.attached)))
        else:
            self.connection.register(held, rows)
        self.run(sql("CREATE VIEW {v} AS {q}", v=name(context), q=context_rows(number, schema, name(held))))
        return self.contexts[context]

    def ask(
        self,
        context: str,
        query: Sql,
        counting: Sql | None = None,
        counted: Sequence[str] = (),
        tables: Mapping[str, pa.Table] | None = None,
        wanted: Sequence[int] | None = None,
    ) -> Iterator[GivenRows]:
        """What a query gives of a context's rows elsewhere, place after place; of some rows alone, where `wanted`."""
        number, schema = list(self.contexts).index(context), self.contexts[context].type
        asked = RowsQuery(context, number, schema, query, counting, tuple(counted), dict(tables or {}), wanted)
        return self.elsewhere[context].ask(asked)

    def bring(self, context: str) -> None:
        """The rows of a context that lie elsewhere, all of them, here: for what reads them otherwise than in parts."""
        held = f"#rows {context}"
        for at, given in enumerate(self.ask(context, sql("SELECT * FROM {t}", t=name(held)))):
            self.put(held, given.rows, sql("*"), fresh=not at)
        relation = self.contexts[context]
        query = context_rows(list(self.contexts).index(context), relation.type, name(held))
        self.run(sql("CREATE VIEW {v} AS {q}", v=name(context), q=query))
        del self.elsewhere[context]

    def run(self, fragment: Sql) -> Any:
        """As a database does; contexts whose rows lie elsewhere and that the fragment reads whole are brought first."""
        return self.with_rows(lambda: Database.run(self, fragment))

    def relation(self, fragment: Sql) -> Any:
        return self.with_rows(lambda: Database.relation(self, fragment))

    def with_rows(self, work: Callable[[], T]) -> T:
        """What a piece of work gives once the contexts are here whose rows it misses."""
        while True:
            try:
                return work()
            except EngineError as failure:
                context = (failure.missing or "").removeprefix("#rows ")
                if context not in self.elsewhere:
                    raise
                self.bring(context)

    def count(self, table: str) -> int:
        return self.elsewhere[table].num_rows if table in self.elsewhere else super().count(table)

    @contextmanager
    def only(self, context: str, rows: Any) -> Iterator[None]:
        """While open, a context has none but the rows of these numbers (an array): what reads it reads them alone."""
        import pyarrow as pa

        numbers = f"#numbers {context}"
        self.connection.register(numbers, pa.table({"number": rows}))
        number, relation = list(self.contexts).index(context), self.contexts[context]
        try:
            held = sql(
                "(SELECT * FROM {t} WHERE {r} IN (SELECT number FROM {n}))",
                t=name(f"#rows {context}"),
                r=name(ROW),
                n=name(numbers),
            )
            rows_alone = context_rows(number, relation.type, held)
            self.run(sql("CREATE TEMP VIEW {v} AS {q}", v=name(context), q=rows_alone))
            yield
        finally:
            self.run(sql("DROP VIEW IF EXISTS temp.{v}", v=name(context)))
            self.connection.unregister(numbers)

    def table(self, relation: Relation, limit: int | None = None, *, hidden: bool = False) -> list[tuple[Any, ...]]:
        """A table's rows in its order: its typed columns, and the hidden ones too if asked for."""
        query = self.ordered(relation, limit, hidden=hidden)
        if limit is not None and physical_name(relation) in self.elsewhere:
            return list(islice(self.rows_elsewhere(physical_name(relation), query), limit))
        return self.rows(query)

    def rows_elsewhere(
        self, context: str, query: Sql, wanted: Sequence[int] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that a query gives of a context's places, place after place, as far as they are taken."""
        for given in self.ask(context, query, wanted=wanted):
            yield from zip(*(column.to_pylist() for column in given.rows.columns), strict=True)

    def ordered(self, relation: Relation, limit: int | None = None, *, hidden: bool = False) -> Sql:
        columns = relation.columns() if hidden else names(relation.type.names)
        last = sql(" LIMIT {n}", n=bound(limit, "rows")) if limit is not None else sql("")
        return sql("SELECT {c} FROM {t} ORDER BY {o}{last}", c=columns, t=relation.sql, o=name(ORD), last=last)

    def around(self, relation: Relation, limit: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """So many rows of a table from its middle on, and its last ones, both in its order. The middle is that of its
        places, which may have gaps."""
        context = physical_name(relation)
        look = partial(self.rows_elsewhere, context) if context in self.elsewhere else self.rows
        ends = look(sql("SELECT min({o}), max({o}) FROM {t} HAVING count(*) > 0", o=name(ORD), t=relation.sql))
        found = list(ends)
        if not found:
            return [], []
        parts = {"c": names(relation.type.names), "t": relation.sql, "o": name(ORD), "n": bound(limit, "rows")}
        half = bound((int(found[0][0]) + int(found[-1][1])) // 2, "middle")
        middle = look(sql("SELECT {c} FROM {t} WHERE {o} >= {half} ORDER BY {o} LIMIT {n}", half=half, **parts))
        ending = sql("(SELECT * FROM {t} ORDER BY {o} DESC LIMIT {n})", **parts)
        last = look(sql("SELECT {c} FROM {ending} ORDER BY {o}", c=parts["c"], o=parts["o"], ending=ending))
        return list(islice(middle, limit)), list(last)[-limit:]


def lies_elsewhere(rows: Any) -> TypeGuard[RowsElsewhere]:
    """Whether rows are sent queries, and are not held here."""
    return hasattr(rows, "ask")
