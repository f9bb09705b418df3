"""One side of a comparison: a program as typed steps, with the data, params and models that it ran on.

In: a trace, or a program that is about to run. Out: a side. Law: nothing is run and no data is read; a trace's header
says of what types its contexts were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.run_trace import header_contexts, recorded_settings
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.edit.call_sites import argument_texts
from rlm_dsl.language.operators.core.registry import recorded_versions, table_operators
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import ContextRows, Step, children, params_of, resolved, steps_of
from rlm_dsl.language.sql import name as named
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import Table
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.plan.build import build, parts
from rlm_dsl.plan.stages import QueryStage
from rlm_dsl.trace.reader import Trace


@dataclass(frozen=True)
class NamedStep:
    """A step as a program names it: its node, the words of its arguments, its line, the steps before it."""

    name: str
    node: Step
    written: Mapping[str, str]
    line: int
    inputs: tuple[str, ...]

    @property
    def operator(self) -> str:
        return self.node.operator

    @property
    def asks(self) -> bool:
        return table_operators()[self.node.operator].model is not None

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """The params that its own arguments hold, with their values; not those of the steps before it."""
        own = Step(self.node.operator, self.node.version, (), self.node.arguments, self.node.type)
        return {param.name: param.value for param in params_of(own)}

    @cached_property
    def contexts(self) -> frozenset[str]:
        """The contexts that it rests on."""
        found: set[str] = set()
        for step in steps_of(self.node):
            stack = list(children(step))
            while stack:
                node = stack.pop()
                if isinstance(node, ContextRows):
                    found.add(node.name)
                elif not isinstance(node, Step):
                    stack.extend(children(node))
        return frozenset(found)

    @cached_property
    def answered(self) -> frozenset[str]:
        """The columns that a model answered, here or in a step before, by the names that they were given."""
        return answered_columns(self.node)


def answered_columns(table: Step) -> frozenset[str]:
    """The columns that a model answered, in a step or before it, by the names that they were given."""
    found: set[str] = set()
    for step in steps_of(table):
        if table_operators()[step.operator].model is not None and isinstance(step.type, Table):
            before = {c for node in step.inputs if isinstance(node.type, Table) for c in node.type.names}
            found |= set(step.type.names) - before
    return frozenset(found)


@dataclass(frozen=True)
class Side:
    """A program with what it runs on. `contexts` are as a header has them, by name; `params` have their values in this
    run, given or not."""

    name: str
    text: str
    steps: Mapping[str, NamedStep]
    contexts: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    models: Mapping[str, ModelSettings]
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    answer: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of each part of the answer that is a step's rows, the columns that a model answered."""


def side_of_trace(trace: Trace) -> Side:
    """The side of a finished run. Raises ProgramError for a program that this version does not take."""
    header = trace.header
    contexts = {str(context["name"]): context for context in header["contexts"]}
    return side(
        trace.name,
        Source(f"{trace.name}/program.rlm", trace.program),
        contexts,
        header.get("params", {}),
        recorded_settings(trace),
        header.get("rows_per_call", {}),
        recorded_versions(header),
    )


def side_of_program(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    models: Mapping[str, ModelSettings],
    rows_per_call: Mapping[str, int],
    versions: Mapping[str, int] | None,
) -> Side:
    """The side of a run that is yet to be, by the operators of these versions."""
    known = {str(context["name"]): context for context in header_contexts(contexts)}
    return side("now", source, known, params, models, rows_per_call, versions)


def side(
    name: str,
    source: Source,
    contexts: Mapping[str, Mapping[str, Any]],
    params: Mapping[str, Any],
    models: Mapping[str, ModelSettings],
    rows_per_call: Mapping[str, int],
    versions: Mapping[str, int] | None = None,
) -> Side:
    types = {each: table for each, c in contexts.items() if (table := parse_table_type(str(c["schema"]))) is not None}
    environment = Environment(types, {}, params, versions)
    check_program(parse(source), source, environment)  # problems are told in the text as given
    shown = Source(source.name, show(parse(source)))
    tree = parse(shown)
    program = check_program(tree, shown, environment)
    relations = {each: Relation(named(each), table, False) for each, table in types.items()}
    plan = build(program.statements, relations, {})
    written = argument_texts(tree, shown.text)
    steps: dict[str, NamedStep] = {}
    for planned in (step for stage in plan.stages if isinstance(stage, QueryStage) for step in stage.steps):
        span = planned.step.span
        words = written.get((span.start, span.end), {})
        line = shown.place(span.start).line
        steps[planned.name] = NamedStep(planned.name, planned.step, words, line, planned.inputs)
    values = {param.name: param.value for param in program.params}
    answer = {
        ".".join(path): answered_columns(node)
        for target in plan.targets
        if target.kind == "answer"
        for path, part in parts(target.node)
        if isinstance(node := resolved(part), Step)
    }
    return Side(name, shown.text, steps, contexts, values, models, rows_per_call, answer)
