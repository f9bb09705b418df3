"""A stage over contexts in shards: what is cut off runs on the shards, the rest here, where the rows meet.

In: a stage, its cut, the warehouse. Out: the stage's table in the warehouse, and how many rows each step had. Law: the
table is, row for row and place for place, the one that the stage's query makes of whole contexts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rlm_dsl.context.context import GivenRows
from rlm_dsl.language.operators.core.provenance import MOST_PLACES
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import Sql, joined, name, names, sql
from rlm_dsl.plan.cut import Cut, SentOn
from rlm_dsl.plan.row_counts import keeps_count
from rlm_dsl.plan.stages import ModelStage, QueryStage, physical_name

if TYPE_CHECKING:
    from rlm_dsl.engine.warehouse.warehouse import Warehouse


@dataclass(slots=True)
class ShardedStage:
    """One run of a stage. `held` are the tables here that stand for what was sent, or for parts that shards read."""

    stage: QueryStage
    cut: Cut
    warehouse: Warehouse
    counted: bool
    held: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    wholes: dict[str, Sql] = field(default_factory=dict)
    """Groups that are made of their parts."""

    def make(self) -> dict[str, int]:
        """The stage's table; gives the rows of its inner steps, where these are counted."""
        last = self.stage.name
        try:
            if last in self.cut.sent:
                self.send(last, last)
            else:
                self.prepare(last)
                self.warehouse.create(last, self.query(last))
                self.count_here(last)
        except BaseException:
            self.warehouse.drop(last)
            raise
        finally:
            for table in self.held.values():
                if table != last:
                    self.warehouse.drop(table)
        return {step: count for step, count in self.counts.items() if step != last} if self.counted else {}

    def prepare(self, part: str) -> None:
        """Bring what a part needs to be run here."""
        for read in self.cut.meets[part]:
            if read in self.cut.sent:
                if read not in self.held and read not in self.wholes:
                    self.send(read, f"#sent {read}")
            elif read in self.cut.meets and read not in self.held:
                self.prepare(read)

    def send(self, read: str, table: str) -> None:
        """What the shards make of a part, in a table here: a group's rows as long as all places are kept of them, and
        of more the groups of each shard."""
        sent = self.cut.sent[read]
        tables = {beside: self.beside(beside) for beside in sent.beside}
        vast = sent.partial is not None and not sent.chain and self.warehouse.count(sent.context) > MOST_PLACES
        most = None if sent.partial is None else MOST_PLACES
        if not vast and self.gather(replace(sent, partial=None), tables, table, most):
            self.held[read] = table
            return
        assert sent.partial is not None
        self.warehouse.drop(table)
        self.gather(sent, tables, sent.partial.kept, None)
        self.held[sent.partial.kept] = sent.partial.kept
        self.wholes[sent.reader] = sent.partial.whole
        self.wholes[sent.name] = sent.partial.whole  # it is read by nothing else

    def gather(self, sent: SentOn, tables: Mapping[str, Any], table: str, most: int | None) -> bool:
        """Ask every shard, and put what they give together; whether there are no more than `most` rows. Counted is how
        many rows `sent` has, be they sent or not."""
        known = counts_known(sent)
        all_sent = sent.partial is None and sent.first is None
        counted = tuple({step: None for step in known.values() if step != sent.context})
        if all_sent:
            counted = tuple(step for step in counted if step != known[sent.name])
        totals = dict.fromkeys((*known.values(), sent.context), 0)
        rows = 0
        for at, given in enumerate(self.asked(sent, counted, tables)):
            self.warehouse.put(table, given.rows, shifted(sent, totals.get(sent.numbered, 0)), fresh=not at)
            rows += given.rows.num_rows
            if most is not None and rows > most:
                return False
            for step, count in given.counts.items():
                totals[step] += count
            if all_sent:
                totals[known[sent.name]] += given.rows.num_rows
        totals[sent.context] = self.warehouse.count(sent.context)
        self.counts |= {step.name: totals[known[step.name]] for step in sent.chain if step.counted}
        for step, of in self.cut.counted.items():
            if of == sent.name:
                self.counts[step] = totals[known[sent.name]]
        return True

    def asked(self, sent: SentOn, counted: tuple[str, ...], tables: Mapping[str, Any]) -> Iterator[GivenRows]:
        query, counting = query_of(sent, self.stage), counting_of(sent, self.stage, counted)
        return self.warehouse.ask(sent.context, query, counting, counted, tables)

    def beside(self, table: str) -> Any:
        """A table that shards read, as rows."""
        if table in self.cut.meets:
            if table not in self.held:
                self.prepare(table)
                self.warehouse.create(f"#beside {table}", self.query(table))
                self.held[table] = f"#beside {table}"
            return self.warehouse.arrow(self.held[table])
        return self.warehouse.arrow(table)

    def query(self, part: str) -> Sql:
        """A part's query here, with those of the parts that it needs; what was sent stands in their place."""
        bodies = dict(self.stage.parts) | self.wholes
        before = {known: sql("SELECT * FROM {t}", t=name(t)) for known, t in self.held.items() if known != t}
        here = self.needed(part)
        before |= {known: bodies[known] for known, _ in self.stage.parts if known in here and known not in self.held}
        before.pop(part, None)
        if not before:
            return bodies[part]
        steps = joined(",\n", (sql("{n} AS NOT MATERIALIZED ({q})", n=name(n), q=q) for n, q in before.items()))
        return sql("WITH {steps}\n{last}", steps=steps, last=bodies[part])

    def needed(self, part: str) -> set[str]:
        """The parts that run here and that a part needs."""
        found: set[str] = set()
        stack = [part]
        while stack:
            for read in self.cut.meets.get(stack.pop(), ()):
                if read in self.cut.meets and read not in found:
                    found.add(read)
                    stack.append(read)
        return found

    def count_here(self, last: str) -> None:
        """How many rows the inner steps have that run here."""
        for step in self.stage.steps[:-1] if self.counted else ():
            if step.counted and step.name in self.cut.meets and step.name not in self.counts:
                query = sql("SELECT count(*) FROM ({q})", q=self.query(step.name))
                self.counts[step.name] = int(self.warehouse.rows(query)[0][0])


def query_of(sent: SentOn, stage: QueryStage) -> Sql:
    """What each shard is asked for."""
    if sent.partial is not None:
        body = sent.partial.of_part
    elif sent.first is not None:
        body = sent.first
    elif sent.columns is not None:
        body = sql("SELECT {c} FROM {t}", c=names((*sent.columns, *hidden(sent))), t=name(sent.name))
    else:
        body = sql("SELECT * FROM {t}", t=name(sent.name))
    return with_chain(sent, stage, body)


def hidden(sent: SentOn) -> tuple[str, ...]:
    """The hidden columns of what is sent, as whoever reads it first knows them."""
    assert sent.table is not None
    return sent.table.hidden


def counts_known(sent: SentOn) -> dict[str, str]:
    """Of each step that makes what is sent, by which one's rows it is known how many it has: its own, or those that it
    has as many as."""
    known = {sent.context: sent.context}
    before = sent.context
    for step in sent.chain:
        known[step.name] = known[before] if keeps_count(step) else step.name
        before = step.name
    return known


def counting_of(sent: SentOn, stage: QueryStage, counted: tuple[str, ...]) -> Sql | None:
    if not counted:
        return None
    counts = joined(", ", (sql("(SELECT count(*) FROM {n})", n=name(n)) for n in counted))
    return with_chain(sent, stage, sql("SELECT {counts}", counts=counts))


def with_chain(sent: SentOn, stage: QueryStage, body: Sql) -> Sql:
    bodies = dict(stage.parts)
    if not sent.chain:
        return body
    steps = joined(
        ",\n",
        (sql("{n} AS NOT MATERIALIZED ({q})", n=name(step.name), q=bodies[step.name]) for step in sent.chain),
    )
    return sql("WITH {steps}\n{body}", steps=steps, body=body)


def shifted(sent: SentOn, before: int) -> Sql:
    """The columns of a shard's rows, their places counted on from those of the shards before."""
    if not sent.numbered or not before:
        return sql("*")
    return sql("* REPLACE ({o} + {n} AS {o})", o=name(ORD), n=sql(str(int(before))))


def rows_asked_about(warehouse: Warehouse, stage: ModelStage) -> list[tuple[Any, ...]]:
    """The rows that a round of calls is about, in order. Of a context elsewhere each place gives its own, in which no
    row is grouped with one of another place."""
    context = physical_name(stage.input)
    if context not in warehouse.elsewhere or stage.step.arguments.get("by"):
        return warehouse.rows(stage.rows)
    return list(warehouse.rows_elsewhere(context, stage.rows))
