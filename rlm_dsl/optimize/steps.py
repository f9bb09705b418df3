"""The steps of a program that can be tuned: each asks a model about one row at a time.

In: a plan. Out: for each step what it shows, in which words it asks, and the type of its answers.
Law: a step is asked here in the very request that a run would make of the row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.round import Round, prepare_round, shown_text
from rlm_dsl.language.answer_schema import NotOfType, read_answer
from rlm_dsl.language.edit.call_sites import calls_in
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import Instruction, Literal, Param, Program, known_value, plain_value, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import BOOL, Enum, Record
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.plan.build import build
from rlm_dsl.plan.stages import ModelStage


@dataclass(frozen=True, slots=True)
class Tunable:
    """A step that can be tuned. `words` names the argument that holds its instruction, "" where that inserts values of
    the run and stays as it is; a tuned file calls it by the statement it stands in and by `call`."""

    name: str
    statement: str
    call: str
    words: str
    instruction: str
    shown: tuple[str, ...]
    result: Record
    using: str
    examples: tuple[Mapping[str, Any], ...]

    def text_of(self, row: Mapping[str, Any]) -> str:
        return shown_text(self.shown, [row[name] for name in self.shown]) or ""

    def misfit(self, answer: Mapping[str, Any]) -> str:
        """What is wrong with an answer; nothing where it is of the step's type."""
        try:
            read_answer(json.dumps(answer), self.result)
        except NotOfType as problem:
            return str(problem)
        return ""

    @property
    def ruled_out(self) -> dict[str, Any]:
        """The answer about a row that a pattern rules out before a `keep`."""
        return {self.result.fields[0].name: False}

    @property
    def labels(self) -> list[str | bool] | None:
        """The closed set of its answers, if it has one field of an enum or truth value."""
        type_ = self.result.fields[0].type
        if len(self.result.fields) > 1:
            return None
        return [False, True] if type_ == BOOL else list(type_.values) if isinstance(type_, Enum) else None


def tunable_steps(
    program: Program, text: str, made: Mapping[str, Any], settings: Mapping[str, ModelSettings], window: int
) -> dict[str, tuple[Tunable, Round]]:
    """Every step of a checked program that can be tuned, by name, with its round; `made` are the tables of its
    contexts."""
    plan = build(program.statements, made, {})
    found: dict[str, tuple[Tunable, Round]] = {}
    places = places_of(text)
    for stage in plan.stages:
        if not isinstance(stage, ModelStage) or not is_tunable(stage) or stage.step.span.start not in places:
            continue
        round_ = round_of(stage, settings, window, str)
        if round_ is not None:
            found[stage.step_name] = (describe_step(stage, round_, *places[stage.step.span.start]), round_)
    return found


def places_of(text: str) -> dict[int, tuple[str, str]]:
    """The statement of each call and what it is called there, by where it begins."""
    found: dict[int, tuple[str, str]] = {}
    for statement in parse(Source("program", text)).statements:
        if isinstance(statement, t.Binding | t.Answer):
            name = statement.name if isinstance(statement, t.Binding) else "answer"
            calls = list(calls_in(statement))
            for call in calls:
                same = [each.span.start for each in calls if each.operator == call.operator]
                number = f"[{same.index(call.span.start) + 1}]" if len(same) > 1 else ""
                found[call.span.start] = (name, f"{call.operator}{number}")
    return found


def is_tunable(stage: ModelStage) -> bool:
    names = {parameter.name for parameter in table_operators()[stage.step.operator].parameters}
    return "examples" in names


def round_of(
    stage: ModelStage, settings: Mapping[str, ModelSettings], window: int, redact: Callable[[str], str]
) -> Round | None:
    """A step's round, made of what is written in the program; None where its arguments are computed from data."""
    values: dict[str, Any] = {}
    for name, value in stage.step.arguments.items():
        if isinstance(value, Instruction):
            parts = [part if isinstance(part, str) else known_value(part) for part in value.parts]
            if any(part is None for part in parts):
                return None
            values[name] = "".join(p if isinstance(p, str) else json.dumps(p, ensure_ascii=False) for p in parts)
        elif name == "labels":
            found = plain_value(value)
            if not isinstance(found, list | dict):
                return None
            values[name] = found
        else:
            values[name] = value.value if isinstance(value, Literal | Param) else value
    return prepare_round(stage, settings[values["using"]], values, CallOptions(window, redact, 0))


def describe_step(stage: ModelStage, round_: Round, statement: str, call: str) -> Tunable:
    operator = table_operators()[stage.step.operator]
    words = next(p.name for p in operator.parameters if isinstance(p.kind, kinds.Words))
    instruction = stage.step.arguments[words]
    fixed = all(isinstance(part, str) for part in instruction.parts)
    return Tunable(
        stage.step_name,
        statement,
        call,
        words if fixed else "",
        str(round_.values[words]),
        stage.shown,
        round_.result,
        str(round_.values["using"]),
        tuple(resolved_examples(stage.step.arguments.get("examples", ()))),
    )


def resolved_examples(value: Any) -> list[Mapping[str, Any]]:
    return [dict(each) for each in value] if isinstance(value, tuple) else list(plain_value(resolved(value)))


def escape_braces(instruction: str) -> str:
    """An instruction as it is written in a program, where braces insert values."""
    return instruction.replace("{", "{{").replace("}", "}}")
