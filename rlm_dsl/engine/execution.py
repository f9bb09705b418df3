"""One whole run of a program: from its text and loaded contexts to its answer with evidence.

In: a program's text, contexts, params, whom and how to ask. Out: an execution, whose parts are what a trace records.
Law: the same program on the same contexts with the same answers gives the same execution, times apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError, render
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import Calls
from rlm_dsl.engine.evidence import Evidence, evidence
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.runner import EventSink, Runner, StepRecord
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.check import Environment, check, check_program
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Program
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.syntax.tree import ContextStatement, Tree
from rlm_dsl.language.types import Table
from rlm_dsl.models.protocol import ModelStack
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import plan_sql
from rlm_dsl.plan.stages import Leaf, Plan, PlannedStep, physical_name


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer: a value, or a table's columns and rows as JSON-ready lists."""

    path: tuple[str, ...]
    type: str
    value: Any
    columns: tuple[str, ...] | None

    def as_json(self) -> dict[str, Any]:
        columns = {} if self.columns is None else {"columns": list(self.columns)}
        return {"part": list(self.path), "type": self.type, "value": self.value, **columns}


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run came to."""

    text: str
    sql: str
    plan: Plan
    records: tuple[StepRecord, ...]
    parts: tuple[Part, ...]
    evidence: tuple[Evidence, ...]
    shown: tuple[tuple[str, Part], ...] = ()
    """What the program shows on its way: the statement, and a part of its value."""
    warnings: tuple[str, ...] = ()
    """What is allowed in the program and may surprise, with its places in the text as given."""

    def answer_json(self) -> dict[str, Any]:
        """The typed answer and its evidence, as `answer.json` keeps it."""
        return {
            "schema": "rlm-answer/1",
            "parts": [part.as_json() for part in self.parts],
            "evidence": [e.as_json() for e in self.evidence],
        }

    @property
    def answer(self) -> Any:
        """The answer as plain Python: a value, a list of records for a table, a dict for a record of parts."""
        return assemble_answer(self.parts)


def assemble_answer(parts: Sequence[Part]) -> Any:
    """The parts of an answer as one value."""
    if len(parts) == 1 and not parts[0].path:
        return part_value(parts[0])
    whole: dict[str, Any] = {}
    for part in parts:
        inner = whole
        for name in part.path[:-1]:
            inner = inner.setdefault(name, {})
        inner[part.path[-1]] = part_value(part)
    return whole


def part_value(part: Part) -> Any:
    if part.columns is None:
        return part.value
    return [dict(zip(part.columns, row, strict=True)) for row in part.value]


def declared_types(source: Source) -> dict[str, Table]:
    """The types of a program's `context` lines, which say how its data is to be loaded."""
    heads = tuple(s for s in parse(source).statements if isinstance(s, ContextStatement))
    return dict(check(Tree(heads), Environment()).environment.contexts)


def checked_program(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    versions: Mapping[str, int] | None = None,
) -> Program:
    """The program checked against the contexts that are loaded, by a recorded run's `versions` of operators or by
    today's. Raises ProgramError."""
    types = {name: context.schema for name, context in contexts.items()}
    return check_program(parse(source), source, Environment(types, {}, params, versions))


def execute(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    calls: Calls[ModelStack],
    progress: Progress,
    emit: EventSink,
    warehouse: Warehouse,
) -> Execution:
    """Check, plan and run a program in a fresh warehouse over its contexts.

    The warehouse keeps its tables for whoever records them.

    What runs is the canonical text, so that layout changes nothing; problems are reported in the text as given.
    """
    warnings = tuple(render(w, source) for w in checked_program(source, contexts, params).warnings)
    source = Source(source.name, show(parse(source)))
    if (cleaned := calls.options.redact(source.text)) != source.text:
        mark = cleaned[cleaned.index("‹secret:") :].split("›")[0] + "›"
        raise UserError(f"{source.name} holds a secret: {mark}", "take it out: programs are recorded", code="secret")
    program = checked_program(source, contexts, params, calls.options.versions)
    if program.answer is None:
        raise UserError(f"{source.name} has no answer", "end it with: answer expression", code="program")
    plan = build(program.statements, warehouse.contexts, {})
    runner = Runner(warehouse, calls, progress, emit, place=lambda step: line_of(step, source))
    records = runner.run(plan)
    leaves = next(target for target in plan.targets if target.kind == "answer").leaves
    parts = tuple(part_of(leaf, plan, warehouse) for leaf in leaves)
    places = tuple(
        evidence(
            leaf,
            warehouse,
            contexts,
            relation_of(leaf.table, plan, warehouse) if isinstance(leaf.type, Table) else None,
        )
        for leaf in leaves
    )
    shown = tuple(
        (source.text[target.span.start : target.span.end], part_of(leaf, plan, warehouse))
        for target in plan.targets
        if target.kind == "show"
        for leaf in target.leaves
    )
    return Execution(source.text, plan_sql(plan), plan, records, parts, places, shown, warnings)


def line_of(step: PlannedStep, source: Source) -> int:
    """The line on which a step stands."""
    return source.place(step.step.span.start).line


def part_of(leaf: Leaf, plan: Plan, warehouse: Warehouse) -> Part:
    if not isinstance(leaf.type, Table):
        return Part(leaf.path, str(leaf.type), json_ready(warehouse.value(leaf.table)), None)
    rows = warehouse.table(relation_of(leaf.table, plan, warehouse))
    return Part(leaf.path, str(leaf.type), [json_ready(list(row)) for row in rows], leaf.type.names)


def relation_of(table: str, plan: Plan, warehouse: Warehouse) -> Relation:
    held = [*warehouse.contexts.values(), *plan.made.values()]
    return next(relation for relation in held if physical_name(relation) == table)
