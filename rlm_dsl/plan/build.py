"""A typed program to a plan.

In: targets, the relations of contexts and of steps already made. Out: a plan.
Law: steps that are used once and not looked at are fused into the query that uses them; a step that several use, a
model step's input and a target are tables of their own; nothing is computed that no target needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rlm_dsl.language.operators.core.kinds import Rows
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import Arguments
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.relation import KEY, ORD, Relation
from rlm_dsl.language.program import (
    Bound,
    ContextRows,
    Literal,
    Node,
    Param,
    RecordValue,
    Step,
    children,
    known_value,
    resolved,
    steps_of,
)
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.language.types import Record, Table
from rlm_dsl.plan.expressions import Writer
from rlm_dsl.plan.rules import Rewrite, rewritten, uses_of
from rlm_dsl.plan.stages import Leaf, ModelStage, Plan, PlannedStep, QueryStage, Stage, Target, physical_name

DEEPEST = 24
"""At most so many steps are fused into one query: past that, planning costs more than a table."""


def build(
    statements: Sequence[Bound], contexts: Mapping[str, Relation], made: Mapping[str, Relation], *, whole: bool = True
) -> Plan:
    """The plan of checked statements. With `whole`, what is shown and the answer are the targets, and bindings are
    named steps on the way; without, every statement is a target, as in an exploration."""
    rewrites: tuple[Rewrite, ...] = ()
    if whole:
        statements, rewrites = rewritten(statements, targets_of(statements, whole))
    builder = _Builder(contexts, made, statements)
    targets = targets_of(statements, whole)
    builder.uses = uses_of(target.node for target in targets)
    builder.enough = enough_of([target.node for target in targets], builder.uses)
    if whole:
        builder.bindings_first(statements)
    return replace(builder.plan(targets), rewrites=rewrites)


def targets_of(statements: Sequence[Bound], whole: bool) -> list[Bound]:
    """What a plan is for: what is shown and answered, or all there is."""
    return [s for s in statements if not whole or s.kind != "binding"] or list(statements[-1:])


def enough_of(nodes: Sequence[Node], uses: Mapping[str, int]) -> dict[str, int]:
    """How many rows are enough of each step that keeps rows by a model, where all that reads it takes the first."""
    found: dict[str, int] = {}
    for step in (step for node in nodes for step in steps_of(node)):
        if step.operator != "take" or step.arguments["by"]:
            continue
        kept, counts = resolved(step.inputs[0]), [known_value(step.arguments[count]) for count in ("n", "skip")]
        if isinstance(kept, Step) and uses[kept.identity] == 1 and None not in counts:
            model = table_operators()[kept.operator].model
            if model is not None and model.filters and model.rows is None:
                found[kept.identity] = sum(counts)
    return found


class _Builder:
    """Grows a plan. Relations of physical tables are in `made`; a step on its way is in a block."""

    def __init__(
        self, contexts: Mapping[str, Relation], made: Mapping[str, Relation], statements: Sequence[Bound]
    ) -> None:
        self.contexts = contexts
        self.made: dict[str, Relation] = dict(made)
        self.stages: list[Stage] = []
        self.answers: dict[str, Relation] = {}
        self.uses: Counter[str] = Counter()
        self.enough: Mapping[str, int] = {}
        self.depth: dict[str, int] = {}
        self.taken: dict[str, str] = {context.lower(): "" for context in contexts}
        self.taken |= {physical_name(relation).lower(): "" for relation in made.values()}
        self.names: dict[str, str] = {}
        for statement in statements:
            inner = resolved(statement.node)
            if statement.kind == "binding" and isinstance(inner, Step):
                self.names.setdefault(inner.identity, statement.name)

    def plan(self, targets: Sequence[Bound]) -> Plan:
        made = tuple(self.target(statement) for statement in targets)
        return Plan(tuple(self.stages), made, self.made)

    def bindings_first(self, statements: Sequence[Bound]) -> None:
        """Bound steps that must be tables are made in the program's order, which keeps every query shallow."""
        for statement in statements:
            inner = resolved(statement.node)
            if statement.kind == "binding" and isinstance(inner, Step) and self.uses[inner.identity]:
                depth = self.fused(inner)
                self.depth[inner.identity] = depth
                if self.own_table(inner) or depth > DEEPEST:
                    self.table(inner, statement.name)
                    self.depth[inner.identity] = 0

    def fused(self, step: Step) -> int:
        """How many steps would be fused into the query of this one."""
        count = 0
        stack: list[Node] = [step]
        seen: set[str] = set()
        while stack:
            inner = resolved(stack.pop())
            if isinstance(inner, Step):
                if inner.identity in seen or inner.identity in self.made:
                    continue
                seen.add(inner.identity)
                if inner.identity in self.depth:
                    count += self.depth[inner.identity]
                    continue
                count += 1
            stack.extend(children(inner))
        return count

    def own_table(self, step: Step) -> bool:
        return self.uses[step.identity] > 1

    def free_name(self, wanted: str) -> str:
        """A name no other table has; the engine ignores case."""
        candidate, number = wanted, 1
        while candidate.lower() in self.taken:
            number += 1
            candidate = f"{wanted}_{number}"
        self.taken[candidate.lower()] = candidate
        return candidate

    def step_name(self, step: Step, outer: str) -> str:
        return self.free_name(self.names.get(step.identity) or f"{outer}_{step.operator}")

    def table(self, step: Step, wanted: str) -> Relation:
        """The step as a physical table, made now if it is not there."""
        if step.identity not in self.made:
            block = _Block(self, self.free_name(self.names.get(step.identity, wanted)))
            relation = block.lowered(step, block.name, block.name)
            self.stages.append(block.stage(step, relation))
            self.made[step.identity] = relation
        return self.made[step.identity]

    def rows_of(self, node: Node, wanted: str) -> Relation:
        """A table's rows where they lie: a context's, or a step's as a physical table."""
        inner = resolved(node)
        if isinstance(inner, ContextRows):
            return self.contexts[inner.name]
        assert isinstance(inner, Step)
        return self.table(inner, wanted)

    def target(self, statement: Bound) -> Target:
        outer = statement.name or "shown"
        rests = statement.kind == "answer"
        leaves = tuple(self.leaf(path, node, outer, rests) for path, node in parts(statement.node))
        return Target(statement.kind, statement.name, statement.node, leaves, statement.span)

    def leaf(self, path: tuple[str, ...], node: Node, outer: str, rests: bool) -> Leaf:
        """A part of a target; only an answer tells what it rests on."""
        inner = resolved(node)
        wanted = "_".join((outer, *path))
        evidence = tuple(self.rested_on(inner, wanted)) if rests else ()
        if isinstance(inner, ContextRows):
            return Leaf(path, inner.name, inner.type, evidence)
        if isinstance(inner, Step):
            relation = self.table(inner, wanted)
            chosen = inner.operator if inner.operator in ("first", "last") else ""
            return Leaf(path, physical_name(relation), inner.type, evidence, chosen)
        return Leaf(path, self.value_table(inner, wanted), inner.type, evidence)

    def known_value(self, node: Node, wanted: str) -> None:
        """A value that a model step's words need, as a table, unless it stands in the program."""
        inner = resolved(node)
        if isinstance(inner, Step):
            self.table(inner, wanted)
        elif not isinstance(inner, Literal | Param):
            self.value_table(inner, wanted)

    def value_table(self, node: Node, wanted: str) -> str:
        """A value that is no step's (such as `a / b`) as a table of one row."""
        if node.identity in self.made:
            return physical_name(self.made[node.identity])
        block = _Block(self, self.free_name(wanted))
        value = sql('SELECT {v} AS "value"', v=block.writer("", block.name)(node))
        relation = Relation(name(block.name), Table(()), False)
        self.stages.append(
            QueryStage(block.name, (*block.parts, (block.name, value)), tuple(block.steps), None, node.type)
        )
        self.made[node.identity] = relation
        return block.name

    def rested_on(self, node: Node, wanted: str) -> Iterable[Relation]:
        """The tables whose rows a value comes from, nearest first; each is made a table of its own."""
        inner = resolved(node)
        if isinstance(inner, ContextRows):
            yield self.contexts[inner.name]
        elif isinstance(inner, Step) and isinstance(inner.type, Table):
            yield self.table(inner, wanted)
        elif isinstance(inner, Step):
            yield from self.rested_on(inner.inputs[0], f"{wanted}_rows")
        else:
            seen: set[str] = set()
            for child in children(inner):
                for relation in self.rested_on(child, wanted):
                    if physical_name(relation) not in seen:
                        seen.add(physical_name(relation))
                        yield relation


class _Block:
    """One query on its way: common table expressions in order, each a step's."""

    def __init__(self, builder: _Builder, table: str) -> None:
        self.builder, self.name = builder, table
        self.parts: list[tuple[str, Sql]] = []
        self.steps: list[PlannedStep] = []
        self.here: dict[str, Relation] = {}

    def writer(self, table: str, outer: str) -> Writer:
        """Writes values; a step's own constants are named after it."""
        return Writer(lambda step: self.relation(step, outer).sql, f"{table}_" if table else "")

    def relation(self, node: Node, outer: str) -> Relation:
        """Where a node's rows are read: a context, a table, or a part of this query. A step without a name of its own
        is called after `outer`, the nearest bound step that uses it."""
        inner = resolved(node)
        if isinstance(inner, ContextRows):
            return self.builder.contexts[inner.name]
        assert isinstance(inner, Step)
        if inner.identity in self.builder.made:
            return self.builder.made[inner.identity]
        if inner.identity in self.here:
            return self.here[inner.identity]
        if self.builder.own_table(inner):
            return self.builder.table(inner, f"{outer}_{inner.operator}")
        return self.lowered(inner, self.builder.step_name(inner, outer), outer)

    def lowered(self, step: Step, table: str, outer: str) -> Relation:
        """The step written as a part of this query."""
        outer = self.builder.names.get(step.identity, outer)
        operator = table_operators()[step.operator]
        if operator.model is not None:
            written, united = self.asked(step, operator, table)
            inputs = tuple(self.relation(node, outer) for node in step.inputs)
        else:
            inputs = tuple(self.relation(node, outer) for node in step.inputs)
            united = operator.united(step, inputs)
            assert operator.lower is not None
            written = operator.lower(Lowering(step, inputs, self.writer(table, outer), united))
        self.parts.append((table, written))
        self.steps.append(PlannedStep(table, step, inputs))
        type_ = step.type if isinstance(step.type, Table) else Table(())
        vast = any(relation.vast for relation in inputs)
        relation = Relation(name(table), type_, united, operator.own_column(step, inputs), vast)
        self.here[step.identity] = relation
        return relation

    def asked(self, step: Step, operator: Operator, table: str) -> tuple[Sql, bool]:
        """A model step: its input becomes a table, a round of calls is planned, and its answers are joined back."""
        assert operator.model is not None
        if operator.model.rows is None:
            t = self.builder.rows_of(step.inputs[0], f"{table}_rows")
            inputs: tuple[Relation, ...] = (t,)
        else:
            inputs = tuple(self.builder.rows_of(node, f"{table}_rows") for node in step.inputs)
            t = self.asked_rows(step, operator, table, inputs)
            inputs = (*inputs, t)
        united = operator.united(step, inputs)
        for value in values_before(step):
            self.builder.known_value(value, f"{table}_value")
        answers = self.builder.answers.get(step.identity)
        if answers is None:
            answer_name = self.builder.free_name(f"{table}_answers")
            answers = Relation(name(answer_name), Table(()), False)
            self.builder.answers[step.identity] = answers
            self.builder.stages.append(self.round(step, operator, table, answer_name, t))
        lowering = Lowering(step, inputs, self.writer(table, table), united)
        return operator.model.combine(lowering, answers.sql), united

    def asked_rows(self, step: Step, operator: Operator, table: str, inputs: tuple[Relation, ...]) -> Relation:
        """The table that a model step asks about, where it makes one of its own."""
        model = operator.model
        assert model is not None and model.rows is not None and model.rows_type is not None
        made = self.builder.free_name(f"{table}_candidates")
        rows = model.rows(Lowering(step, inputs, self.writer(table, table), True))
        others = [parameter.name for parameter in operator.parameters if isinstance(parameter.kind, Rows)]
        types = {other: relation.type for other, relation in zip(others, inputs[1:], strict=True)}
        vast = any(relation.vast for relation in inputs)
        type_ = model.rows_type(Arguments(inputs[0].type, step.arguments, types))
        relation = Relation(name(made), type_, True, vast=vast)
        self.builder.stages.append(QueryStage(made, ((made, rows),), (), relation, relation.type))
        return relation

    def round(self, step: Step, operator: Operator, table: str, answers: str, t: Relation) -> ModelStage:
        assert operator.model is not None
        write = self.writer(table, table)
        shown = tuple(column for column, _ in step.arguments["on"])
        columns = joined(
            ", ",
            (
                sql("{e} AS {n}", e=write(node), n=name(f"shown {index}"))
                for index, (_, node) in enumerate(step.arguments["on"])
            ),
        )
        by = step.arguments.get("by", ()) if operator.model.tree else ()
        keys = joined(", ", (write(node) for _, node in by))
        if by:
            key = sql("min({ord}) OVER (PARTITION BY {keys})", ord=name(ORD), keys=keys)
        else:
            key = sql("0") if operator.model.tree else name(ORD)
        rows = sql(
            "SELECT {key} AS {k}, {columns} FROM {t} ORDER BY {k}, {ord}",
            key=key,
            k=name(KEY),
            columns=columns,
            t=t.sql,
            ord=name(ORD),
        )
        enough = self.builder.enough.get(step.identity)
        return ModelStage(answers, step, table, t, rows, columns, shown, operator.model.tree, enough)

    def stage(self, step: Step, relation: Relation) -> QueryStage:
        made = relation if isinstance(step.type, Table) else None
        return QueryStage(self.name, tuple(self.parts), tuple(self.steps), made, step.type)


def values_before(step: Step) -> Iterable[Node]:
    """The values that a model step's words and labels need, which must be known before it asks."""
    for argument, value in step.arguments.items():
        if argument == "labels":
            yield value
        elif hasattr(value, "parts"):
            yield from (part for part in value.parts if not isinstance(part, str))


def parts(node: Node, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Node]]:
    """A record that holds tables is taken apart; anything else is one value."""
    inner = resolved(node)
    if isinstance(inner, RecordValue) and holds_table(inner.type):
        for field, value in inner.fields:
            yield from parts(value, (*path, field))
    else:
        yield path, node


def holds_table(type_: Record) -> bool:
    return any(isinstance(f.type, Table) or (isinstance(f.type, Record) and holds_table(f.type)) for f in type_.fields)
