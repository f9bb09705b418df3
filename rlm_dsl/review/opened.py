"""A trace opened for review: its model steps with their rows, what each showed, and what the model said.

In: a sealed trace, where its data lies. Out: `OpenedRun`, an engine with the run's tables, and its steps. Law: no model
is asked: the program is run once more on the recorded answers; what is shown is without the recorder's secrets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError, UserError, did_you_mean
from rlm_dsl.common.hashing import identity, tagged, without_floats
from rlm_dsl.common.json_ready import json_ready, json_text
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.cascade import proxy_of
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.round import Round, model_step, prepare_round, shown_rows
from rlm_dsl.engine.calls.sub_runs import replayed_calls
from rlm_dsl.engine.execution import checked_program
from rlm_dsl.engine.garbage_collection import collected_seldom
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.redaction import recorded_redaction
from rlm_dsl.engine.run_trace import recorded_calls, recorded_settings
from rlm_dsl.engine.runner import Runner, ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.origins import row_places
from rlm_dsl.language.answer_schema import NotOfType, read_answer
from rlm_dsl.language.operators.core.model_step import PROBABLE
from rlm_dsl.language.operators.core.registry import recorded_versions
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.sql import bound, name, names, sql
from rlm_dsl.language.types import BOOL, Enum, Field, Record
from rlm_dsl.models.proxy_model import Proxy
from rlm_dsl.models.recorded import Recorded
from rlm_dsl.plan.build import build
from rlm_dsl.plan.stages import ModelStage, Plan
from rlm_dsl.replay.sources import load_context, require_names
from rlm_dsl.replay.verify import differences
from rlm_dsl.review.doubt import by_margin, by_probability
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.secrets import Redaction

Answer = Mapping[str, Any]

ASKED = ("labels", "guide", "criterion", "instruction", "question", "returns")
"""Arguments that are a model step's question: not whom it asks, in which way, what it shows, what becomes of it."""


@dataclass(frozen=True)
class ReviewedStep:
    """A step that asks a model about rows one by one. `question` is the digest of what is asked, `words` that for
    people; `keys` are the rows that showed something, in their order, `texts` what they showed, `digests` of these;
    `answers` what the model said, None where it gave no valid answer."""

    name: str
    operator: str
    question: str
    words: str
    result: Record
    keys: tuple[int, ...]
    texts: tuple[str, ...]
    digests: tuple[str, ...]
    answers: tuple[Answer | None, ...]
    stage: ModelStage = field(repr=False)
    round: Round = field(repr=False)
    """How a row of it is asked about."""
    complete: bool = True
    """Whether every row was asked about."""
    explores: bool = False
    more: tuple[Field, ...] = ()
    """What its table of answers has beside the answer, such as how probable a label is."""
    doubts: tuple[float, ...] = ()
    """How little speaks for each answer, where the run says so: by probability, or by its proxy's margin."""

    @property
    def labels(self) -> list[str | bool] | None:
        """The closed set of its answers, if its one field is an enum or a truth value."""
        type_ = self.result.fields[0].type
        if len(self.result.fields) > 1:
            return None
        return [True, False] if type_ == BOOL else list(type_.values) if isinstance(type_, Enum) else None

    def fields(self) -> list[str]:
        return [each.name for each in self.result.fields]

    def typed(self, answer: Answer | None) -> Answer | None:
        """An answer as a file of labels has it, with values of the step's types; None for what is no answer of it."""
        if answer is None:
            return None
        try:
            return read_answer(json_text(dict(answer)), self.result)
        except NotOfType:
            return None


@dataclass(slots=True)
class _Kept:
    """A round as it was asked again."""

    round: Round
    rows: list[tuple[int, str]]
    answers: dict[int, Answer | None]
    complete: bool
    probable: dict[int, float]
    proxy: Proxy | None


@dataclass(slots=True)
class _Runner(Runner):
    """Keeps what each round asked, and what it came to."""

    kept: dict[str, _Kept] = field(default_factory=dict)

    def ask(self, stage: ModelStage) -> None:
        Runner.ask(self, stage)
        if stage.tree:
            return
        values = {name: self.argument(value) for name, value in stage.step.arguments.items()}
        round_ = prepare_round(stage, self.settings(values["using"]), values, self.calls.options)
        outcomes = self.rounds[stage.step.identity].outcomes
        shown = shown_rows(stage, self.warehouse.rows(stage.rows))
        rows = [(row.key, row.texts[0]) for row in shown if row.texts]
        fields = [field.name for field in round_.result.fields]
        answers: dict[int, Answer | None] = {}
        for key, outcome in outcomes.items():
            value = outcome.value if outcome is not None and outcome.status == "ok" else None
            answers[key] = None if value is None else {name: value[name] for name in fields}
        said = {key: outcome.value for key, outcome in outcomes.items() if outcome is not None and outcome.value}
        probable = {key: value[PROBABLE] for key, value in said.items() if value.get(PROBABLE) is not None}
        proxy = proxy_of(round_, self.calls.options)
        complete = all(key in answers for key, _ in rows)
        known = proxy if isinstance(proxy, Proxy) else None
        self.kept[stage.step.identity] = _Kept(round_, rows, answers, complete, probable, known)


@dataclass
class OpenedRun:
    """A run's tables and its model steps, by name; `skipped` says why others cannot be reviewed."""

    trace: Trace
    plan: Plan
    warehouse: Warehouse
    contexts: Mapping[str, Context]
    steps: Mapping[str, ReviewedStep]
    skipped: Mapping[str, str]
    redact: Redaction
    learned: bool = False
    """Whether its program was tuned by labels of reviews."""

    def step(self, wanted: str = "") -> ReviewedStep:
        """The step that is named, or the only one. Raises UserError."""
        if not self.steps:
            why = "; ".join(f"{step}: {reason}" for step, reason in self.skipped.items())
            raise UserError("the trace has no step to review", why or "no step of its program asks a model")
        if not wanted and len(self.steps) == 1:
            return next(iter(self.steps.values()))
        names = list(self.steps)
        if not wanted:
            raise UserError("which step is to be reviewed?", f"name one of: {', '.join(names)}")
        if wanted in self.skipped:
            raise UserError(f"`{wanted}` cannot be reviewed row by row", self.skipped[wanted])
        if wanted not in self.steps:
            raise UserError(f"the trace has no model step `{wanted}`", *did_you_mean(wanted, names, what="steps")[:1])
        return self.steps[wanted]

    def columns(self, step: ReviewedStep, keys: Sequence[int] | None = None) -> tuple[list[str], dict[int, list[Any]]]:
        """The columns of a step's rows, all or some, by key."""
        relation = step.stage.input
        every = relation.type.names
        query = sql("SELECT {c} FROM {t}", c=names((ORD, *every)), t=relation.sql)
        if keys is not None:
            wanted = bound(sorted(keys), "keys")
            query = sql("{q} WHERE {o} IN (SELECT unnest({w}::BIGINT[]))", q=query, o=name(ORD), w=wanted)
        return list(every), {row[0]: list(row[1:]) for row in self.warehouse.rows(query)}

    def values(self, step: ReviewedStep, column: str) -> list[Any]:
        """One column of every row of a step, in the order of its keys."""
        relation = step.stage.input
        if column not in relation.type.names:
            known = list(relation.type.names)
            raise UserError(
                f"rows of `{step.name}` have no column `{column}`", *did_you_mean(column, known, what="columns")[:1]
            )
        query = sql("SELECT {o}, {c} FROM {t}", o=name(ORD), c=name(column), t=relation.sql)
        held = dict(self.warehouse.rows(query))
        return [held[key] for key in step.keys]

    def contents(self, step: ReviewedStep) -> list[str]:
        """A digest of all that each row holds, by which rows that show the same are put in order."""
        _, held = self.columns(step)
        return [content_digest(held[key]) for key in step.keys]

    def places(self, step: ReviewedStep, keys: Sequence[int]) -> dict[int, str]:
        """Where rows stand in their sources: context and line."""
        return row_places(self.warehouse, step.stage.input, list(keys))


def content_digest(values: Sequence[Any]) -> str:
    told = json.dumps([json_ready(value) for value in values], ensure_ascii=False, default=str)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def row_digest(text: str) -> str:
    """The digest of what a row shows: by it labels are found again, wherever the row stands."""
    return tagged("review-row-v1", text.encode("utf-8", "surrogatepass"))


def question_digest(operator: str, values: Mapping[str, Any], result: Record) -> str:
    """The digest of what a step asks: the same in next month's run, and in a program that changed elsewhere."""
    asked = {key: values[key] for key in ASKED if key in values}
    told = {key: json.dumps(json_ready(value), ensure_ascii=False, default=str) for key, value in asked.items()}
    return identity("review-question-v1", without_floats([operator, told, str(result)]))


@contextmanager
def open_run(trace: Trace, given: Mapping[str, str | Context]) -> Iterator[OpenedRun]:
    """A run to be reviewed. Raises UserError where its data is not there or not as it was, or an answer is missing."""
    header = trace.header
    require_names(given, (str(context["name"]) for context in header["contexts"]))
    with collected_seldom():
        contexts = {c["name"]: load_context(c, given, trace.folder) for c in header["contexts"]}
        for recorded in header["contexts"]:
            if changes := differences(recorded, contexts[recorded["name"]]):
                told = f"{changes[0].message}: what the run asked about is no longer there"
                raise UserError(told, f"say where the data lies: --context {recorded['name']}=PATH")
        redaction, _, _ = recorded_redaction(header, contexts)
        with Warehouse(contexts=contexts.values()) as warehouse:
            yield run_again(trace, contexts, warehouse, redaction)


def run_again(trace: Trace, contexts: Mapping[str, Context], warehouse: Warehouse, redaction: Redaction) -> OpenedRun:
    """The program once more on its recorded answers, in a warehouse that keeps its tables."""
    header, source = trace.header, Source("program.rlm", trace.program)
    answers = recorded_calls(trace)
    options = CallOptions.recorded(header, redaction.redact)
    calls = replayed_calls(recorded_settings(trace), Recorded(answers.answer, answers.packs), options)
    try:
        program = checked_program(source, contexts, header.get("params", {}), recorded_versions(header))
    except ProgramError as failure:
        raise UserError(f"{trace.name}: its program does not check: {failure}", "see: rlm-dsl verify") from None
    plan = build(program.statements, warehouse.contexts, {})
    runner = _Runner(warehouse, calls, NoProgress(), ignore_event, digests=False)
    runner.run(plan)
    asked = questions_before(trace, contexts, runner)
    steps: dict[str, ReviewedStep] = {}
    skipped: dict[str, str] = {}
    for stage in plan.stages:
        if not isinstance(stage, ModelStage):
            continue
        kept = runner.kept.get(stage.step.identity)
        if kept is None:
            skipped[stage.step_name] = "it makes one answer of many rows"
            continue
        steps[stage.step_name] = reviewed_step(stage, kept, asked.get(stage.step_name))
    learned = bool(tuned_of(header).get("made", {}).get("labels"))
    return OpenedRun(trace, plan, warehouse, contexts, steps, skipped, redaction, learned)


def tuned_of(header: Mapping[str, Any]) -> Mapping[str, Any]:
    found = header.get("tuned")
    return found if isinstance(found, Mapping) else {}


def questions_before(
    trace: Trace, contexts: Mapping[str, Context], runner: Runner
) -> dict[str, tuple[ModelStage, Mapping[str, Any]]]:
    """The steps of the program as it was before it was tuned, with their arguments: what people are asked is that, in
    whatever words models are asked now. Arguments that follow from the data are left to the steps as they ran."""
    text = tuned_of(trace.header).get("before")
    if not isinstance(text, str):
        return {}
    versions = recorded_versions(trace.header)
    try:
        program = checked_program(Source("program.rlm", text), contexts, trace.header.get("params", {}), versions)
    except ProgramError:
        return {}
    found: dict[str, tuple[ModelStage, Mapping[str, Any]]] = {}
    for stage in build(program.statements, runner.warehouse.contexts, {}).stages:
        if isinstance(stage, ModelStage):
            with suppress(LookupError, UserError):
                values = {name: runner.argument(value) for name, value in stage.step.arguments.items()}
                found[stage.step_name] = stage, values
    return found


def doubts_of(kept: _Kept, rows: Sequence[tuple[int, str]]) -> tuple[float, ...]:
    """How little speaks for each row's answer, by the run itself; nothing where it does not say."""
    if kept.probable:
        return by_probability([kept.probable.get(key) for key, _ in rows])
    if kept.proxy is None:
        return ()
    field = kept.round.result.fields[0].name
    answers = [None if (answer := kept.answers[key]) is None else answer[field] for key, _ in rows]
    return by_margin(kept.proxy, [text for _, text in rows], answers)


def reviewed_step(
    stage: ModelStage, kept: _Kept, before: tuple[ModelStage, Mapping[str, Any]] | None = None
) -> ReviewedStep:
    known: dict[str, str] = {}
    rows = [(key, kept.round.redact(text)) for key, text in kept.rows if key in kept.answers]
    for _, text in rows:
        if text not in known:
            known[text] = row_digest(text)
    result, values = kept.round.result, kept.round.values
    if before is not None and before[0].step.operator == stage.step.operator:
        values = {name: value for name, value in values.items() if name not in ASKED}
        values |= {name: before[1][name] for name in ASKED if name in before[1]}
    result_names = {field.name for field in result.fields}
    return ReviewedStep(
        stage.step_name,
        stage.step.operator,
        question_digest(stage.step.operator, values, result),
        question_words(values) or kept.round.head.content,
        result,
        tuple(key for key, _ in rows),
        tuple(text for _, text in rows),
        tuple(known[text] for _, text in rows),
        tuple(kept.answers[key] for key, _ in rows),
        stage,
        kept.round,
        kept.complete,
        model_step(stage).explores,
        tuple(field for field in kept.round.columns if field.name not in result_names),
        doubts_of(kept, rows),
    )


def question_words(values: Mapping[str, Any]) -> str:
    """What a person is asked: the words of the program, without what is told to models alone."""
    for argument in ("guide", "criterion", "instruction", "question"):
        if isinstance(words := values.get(argument), str):
            return words
    return ""
