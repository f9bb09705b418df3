"""Where a query is cut: what of it runs on each part of a table that lies in parts, and what where the rows meet.

In: a stage, and which contexts lie in parts. Out: by the name of what is sent on, how its rows are made of one part.
Law: what is made of the parts and put together gives what the query gives of the whole, row for row.

Steps that look at one row at a time, or join it with a small table, run beside the rows. What runs where rows meet is
sent no more than it reads: the columns it names, the first rows of each part, or sums of which its own are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rlm_dsl.language.operators.core.lowering import Lowering, sort_list
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import (
    ContextRows,
    Node,
    Step,
    argument_nodes,
    children,
    known_value,
    resolved,
)
from rlm_dsl.language.sql import Sql, bound, name, render, sql
from rlm_dsl.plan.expressions import Writer
from rlm_dsl.plan.partial_groups import PartialGroup, no_step, partial_group
from rlm_dsl.plan.rules import columns_read
from rlm_dsl.plan.stages import ModelStage, PlannedStep, QueryStage, Stage, physical_name

SMALL_TABLE = 1_000_000
"""Rows of a context up to which it is sent to every part that joins it."""


@dataclass(frozen=True, slots=True)
class SentOn:
    """What is sent from each part of a context: the rows of `name`, a part of the query or the context itself.

    `chain` are the steps that make them of the context's rows, in order; `numbered` is the last of these that counts
    its rows anew. `columns` are those that are read of them, None for all; `first` is done to each part's rows before
    they are sent, as it is done again where they meet; `partial` are the sums that a group is made of, where a table
    has very many rows. `reader` is the step of the query that all this is for, `table` the rows as it knows them.
    `beside` are the tables that the chain reads too, which are sent to the parts.
    """

    name: str
    context: str
    chain: tuple[PlannedStep, ...] = ()
    numbered: str = ""
    columns: tuple[str, ...] | None = None
    first: Sql | None = None
    partial: PartialGroup | None = None
    reader: str = ""
    table: Relation | None = None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """A stage's query in two: what each part of a context makes, by the names of what is sent on, and the names of the
    query's parts that run where rows meet, with what each reads."""

    sent: Mapping[str, SentOn]
    meets: Mapping[str, tuple[str, ...]]
    counted: Mapping[str, str] = field(default_factory=dict)
    """Steps that make as many rows as what they read, of which less is sent on: both by name."""


def cut(
    stage: QueryStage, parted: Mapping[str, int], made: Mapping[str, Relation], stages: Sequence[Stage]
) -> Cut | None:
    """The cut of a stage, None where it reads no context that is `parted` (with how many rows it has)."""
    work = _Cutting(stage, parted, made, {s.step.identity: s.name for s in stages if isinstance(s, ModelStage)})
    return work.cut() if work.reads_any() else None


class _Cutting:
    """Goes through a stage's parts in order."""

    def __init__(
        self, stage: QueryStage, parted: Mapping[str, int], made: Mapping[str, Relation], answers: Mapping[str, str]
    ) -> None:
        self.stage, self.parted, self.made, self.answers = stage, parted, made, answers
        self.steps = {step.name: step for step in stage.steps}
        self.named = {step.identity: step.name for step in stage.steps}
        self.reads = {part: self.read_by(part) for part, _ in stage.parts}
        self.chains: dict[str, SentOn] = {context: SentOn(context, context) for context in parted}

    def reads_any(self) -> bool:
        return any(self.parted.keys() & reads for reads in self.reads.values())

    def read_by(self, part: str) -> tuple[str, ...]:
        """The names of the tables that a part reads, the piped one first."""
        step = self.steps.get(part)
        if step is None:  # a value, or the rows that a model step asks about
            text, _ = render(dict(self.stage.parts)[part])
            return tuple(table for table in self.known_tables() if str(name(table).parts[0]) in text and table != part)
        model = table_operators()[step.operator].model
        more = (self.answers[step.identity],) if model is not None else ()
        values = map(self.table_of, values_read(step.step))
        return tuple(dict.fromkeys((*step.inputs, *values, *more)))

    def known_tables(self) -> list[str]:
        return [*self.parted, *self.steps, *(physical_name(relation) for relation in self.made.values())]

    def table_of(self, node: Node) -> str:
        if isinstance(node, ContextRows):
            return node.name
        assert isinstance(node, Step)
        return self.named.get(node.identity) or physical_name(self.made[node.identity])

    def cut(self) -> Cut:
        for part, _ in self.stage.parts:
            if (chain := self.chain_of(part)) is not None:
                self.chains[part] = chain
        meets = {part: self.reads[part] for part, _ in self.stage.parts if part not in self.chains}
        last = self.stage.parts[-1][0]
        needed = Counter(read for reads in meets.values() for read in reads if read in self.chains)
        sent = {read: self.chains[read] for read in needed}
        if last in self.chains:
            sent[last] = self.chains[last]
        beside = {table for chain in sent.values() for table in chain.beside if table in meets}
        less = {read: self.less(read, meets, beside) for read in sent if read != last and needed[read] == 1}
        counted = {part: read for read, (_, part) in less.items() if part}
        return Cut({**sent, **{read: chain for read, (chain, _) in less.items()}}, meets, counted)

    def chain_of(self, part: str) -> SentOn | None:
        """How a part is made beside the rows; None where its rows meet."""
        step = self.steps.get(part)
        if step is None or not (reads := self.reads[part]) or (before := self.chains.get(reads[0])) is None:
            return None
        kind = over_parts(step)
        if kind not in ("kept", "numbered") or not all(map(self.can_be_sent, reads[1:])):
            return None
        return SentOn(
            part,
            before.context,
            (*before.chain, step),
            part if kind == "numbered" else before.numbered,
            beside=tuple(dict.fromkeys((*before.beside, *reads[1:]))),
        )

    def can_be_sent(self, table: str) -> bool:
        """Whether a table is sent to the parts: one that lies where rows meet, or a small context."""
        return table not in self.chains or (table in self.parted and self.parted[table] <= SMALL_TABLE)

    def less(self, read: str, meets: Mapping[str, tuple[str, ...]], beside: set[str]) -> tuple[SentOn, str]:
        """What has to be sent for the one part that reads these rows; and that part, where its rows are not to be
        counted of what is sent."""
        chain = self.chains[read]
        reader = self.steps.get(next(part for part, reads in meets.items() if read in reads))
        if reader is None or self.reads[reader.name][0] != read:
            return chain, ""
        kind, operator = over_parts(reader), table_operators()[reader.operator]
        if kind == "again" or (kind == "drawn" and not chain.numbered):
            return replace(chain, first=dict(self.stage.parts)[reader.name], reader=reader.name), ""
        most = self.taken_of(reader, meets, beside) if reader.operator == "sort" else None
        if most is not None and (first := first_rows(reader, read, most)) is not None:
            return replace(chain, first=first, reader=reader.name), reader.name
        if operator.reads_named:
            columns = tuple(sorted(columns_read(operator, reader.step)))
            table = reader.tables[0]
            grouped = reader.operator == "group" and table.vast
            partial = partial_group(reader.step, table, f"#parts {reader.name}") if grouped else None
            return replace(chain, columns=columns, partial=partial, reader=reader.name, table=table), ""
        return chain, ""

    def taken_of(self, step: PlannedStep, meets: Mapping[str, tuple[str, ...]], beside: set[str]) -> int | None:
        """How many first rows are all that is read of a sorted table."""
        readers = [part for part, reads in meets.items() if step.name in reads]
        taking = self.steps.get(readers[0]) if len(readers) == 1 and step.name not in beside else None
        if taking is None or taking.operator != "take" or taking.step.arguments["by"]:
            return None
        counts = [known_value(taking.step.arguments[count]) for count in ("n", "skip")]
        return None if None in counts else sum(counts)


def over_parts(step: PlannedStep) -> str:
    """What a step makes of the parts of a table (see Operator.over_parts); a model's answers go to the rows that they
    are of, wherever these lie."""
    operator = table_operators()[step.operator]
    if operator.model is not None:
        return "" if operator.model.tree or operator.model.rows is not None else "kept"
    return operator.over_parts(step.step.arguments)


def values_read(step: Step) -> Iterator[Node]:
    """The steps and contexts that a step's values read, beside the tables that it takes."""
    stack = list(argument_nodes(step.arguments))
    while stack:
        inner = resolved(stack.pop())
        if isinstance(inner, Step | ContextRows):
            yield inner
        else:
            stack.extend(children(inner))


def first_rows(sorting: PlannedStep, read: str, most: int) -> Sql | None:
    """The rows of a part that may be among the first of the whole table as it is sorted; None where the keys need what
    is computed elsewhere."""
    if next(values_read(sorting.step), None) is not None:
        return None
    lowering = Lowering(sorting.step, sorting.tables, Writer(no_step, f"{sorting.name}_"))
    keys = sort_list(sorting.step.arguments["keys"], lowering)
    return sql("SELECT * FROM {t} ORDER BY {keys} LIMIT {n}", t=name(read), keys=keys, n=bound(most, "first"))
