"""Runs a plan: queries in the warehouse, rounds of calls with whatever models are handed in.

In: a plan, a warehouse, models by alias. Out: tables in the warehouse and one record a step.
Law: the runner does not know whether an answer is live, stored or recorded; it makes no call but through the models.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.common.json_ready import json_ready, json_text
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.engine.calls.dispatch import ask_rows
from rlm_dsl.engine.calls.failed_rows import LISTED, RowsFailed, StepRejected, all_rejected, failed_rows
from rlm_dsl.engine.calls.options import Calls
from rlm_dsl.engine.calls.packing import with_packs
from rlm_dsl.engine.calls.round import fields_of, model_step, prepare_round, shown_rows
from rlm_dsl.engine.calls.rows import RoundResult
from rlm_dsl.engine.calls.too_many import most_rows_paid, refuse_too_many
from rlm_dsl.engine.indexes import count_look, narrowed
from rlm_dsl.engine.interrupts import interruptible
from rlm_dsl.engine.one_answer import MOSTLY, UNSCORED, one_answer
from rlm_dsl.engine.progress import Progress
from rlm_dsl.engine.shards.sharded_stage import ShardedStage, rows_asked_about
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.digests import table_digest
from rlm_dsl.engine.warehouse.origins import row_places
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.relation import KEY, Relation
from rlm_dsl.language.program import Instruction, Literal, Node, Param, Step, resolved, steps_of
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import INT, Field, Table, Type
from rlm_dsl.models.protocol import ModelStack
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.small_model import SmallModel
from rlm_dsl.plan.bounds import most_rows, rows_made
from rlm_dsl.plan.cut import cut
from rlm_dsl.plan.explain import query
from rlm_dsl.plan.index_lookups import looks
from rlm_dsl.plan.row_counts import counting, inner_counts
from rlm_dsl.plan.stages import ModelStage, Plan, PlannedStep, QueryStage, Stage, physical_name

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step came to. `rows` is None for a value; `digest` stands where the step is a table of its own."""

    name: str
    operator: str
    key: str
    inputs: tuple[str, ...]
    type: str
    line: int
    rows: int | None
    digest: str | None
    asked: Mapping[str, int] | None
    value: Any = None
    seconds: float = field(default=0.0, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The deterministic line of `steps.jsonl`: no time in it."""
        line: dict[str, Any] = {
            "step": self.name,
            "operator": self.operator,
            "key": self.key,
            "inputs": list(self.inputs),
            "type": self.type,
            "line": self.line,
        }
        if self.rows is not None:
            line["rows"] = self.rows
        if self.digest is not None:
            line["digest"] = self.digest
        if self.rows is None and self.digest is not None:
            line["value"] = self.value
        if self.asked is not None:
            line["asked"] = dict(self.asked)
        return line


EventSink = Callable[[str, Mapping[str, Any]], None]
"""Told of each step as it starts and ends: a type of event and its fields."""


def ignore_event(kind: str, fields: Mapping[str, Any]) -> None:
    """A sink for events that nobody keeps."""


@dataclass(slots=True)
class Runner:
    """Runs plans in one warehouse; keeps what each round came to until its step is recorded."""

    warehouse: Warehouse
    calls: Calls[ModelStack]
    progress: Progress
    emit: EventSink = ignore_event
    place: Callable[[PlannedStep], int] = lambda step: 0
    digests: bool = True
    """Whether steps are recorded to be verified: digests of tables, and the rows of steps inside a query, which cost as
    much as the query itself. An exploration records neither."""
    made: dict[str, Relation] = field(default_factory=dict)
    rounds: dict[str, RoundResult] = field(default_factory=dict)
    asking: dict[str, float] = field(default_factory=dict)
    """Seconds that each round took, until its step is recorded: they are its step's."""

    def run(self, plan: Plan) -> tuple[StepRecord, ...]:
        """Every stage in order. An error or interrupt takes back what the plan made, so that it can be run again."""
        records: list[StepRecord] = []
        before = dict(self.made)
        there = {physical_name(relation) for relation in [*before.values(), *self.warehouse.contexts.values()]}
        self.made.update(plan.made)
        try:
            with interruptible(self.warehouse.interrupt):
                for stage in plan.stages:
                    match stage:
                        case QueryStage():
                            self.refuse_unmade(stage, plan, there)
                            records += self.query(stage, plan.stages)
                            there.add(stage.name)
                        case ModelStage():
                            self.ask(stage)
        except BaseException:
            self.made = before
            for stage in plan.stages:
                self.warehouse.drop(stage.name)
            raise
        return tuple(records)

    def make(self, stage: QueryStage, stages: Sequence[Stage]) -> dict[str, int]:
        """The stage's table, and how many rows its inner steps have, where they are recorded."""
        parted = {context: rows.num_rows for context, rows in self.warehouse.elsewhere.items()}
        made = cut(stage, parted, self.made, stages) if parted else None
        if made is not None:
            return ShardedStage(stage, made, self.warehouse, self.digests).make()
        with self.narrowed(stage):
            self.warehouse.create(stage.name, query(stage))
        return dict(self.inner_counts(stage)) if self.digests else {}

    def query(self, stage: QueryStage, stages: Sequence[Stage]) -> list[StepRecord]:
        self.emit("step.start", {"step": stage.name})
        started = time.perf_counter()
        counts = self.make(stage, stages)
        if stage.relation is not None:
            counts[stage.name] = self.warehouse.count(stage.name)
        digest = self.digest(stage) if self.digests else None
        value = (
            None
            if stage.relation is not None
            else shorten_value(self.warehouse.value(stage.name), self.calls.options.redact)
        )
        seconds = time.perf_counter() - started
        records = [self.record(step, stage, counts, digest, value, seconds) for step in stage.steps]
        for record in records:
            told = {"result_type" if name == "type" else name: value for name, value in record.as_json().items()}
            self.emit("step.end", {**told, "seconds": record.seconds})
        return records

    def refuse_unmade(self, stage: QueryStage, plan: Plan, there: Set[str]) -> None:
        """Refuse a round before the table of its rows is made, where its operators tell how many there will be."""
        asked = next((s for s in plan.stages if isinstance(s, ModelStage) and asks_about(s, stage)), None)
        if asked is None or stage.relation is None or (room := self.calls.models.room()) is None:
            return
        counts = {context: self.warehouse.count(context) for context in self.warehouse.contexts}
        most, paid = most_rows(asked.step.inputs[0], counts, {}), most_rows_paid(asked, self.calls.options, room)
        if paid is None or (most is not None and most <= paid):
            return

        def made(known: str) -> int | None:
            relation = self.made.get(known) or self.warehouse.contexts.get(known)
            if relation is None or (table := physical_name(relation)) not in there:
                return None
            return self.warehouse.count(table)

        def inside(identity: str) -> int | None:
            part = next((step.name for step in stage.steps if step.identity == identity), None)
            if part is None or stage.relation is None or stage.relation.vast:
                return None
            return int(self.warehouse.rows(counting(stage, [part]))[0][0])

        rows = rows_made(asked.step.inputs[0], made, inside)
        if rows is not None:
            table = sql("({q})", q=query(stage))
            refuse_too_many(asked, rows, table, self.warehouse, self.calls.options, room, made=False)

    @contextmanager
    def narrowed(self, stage: QueryStage) -> Iterator[None]:
        """While open, contexts that the stage only looks for texts in show it the rows alone that may have them."""
        with ExitStack() as opened:
            for name, wanted in looks(stage, self.warehouse.contexts).items():
                context = self.warehouse.given.get(name)
                if context is not None and isinstance(context.rows, tuple):
                    count_look(context)
                    if (found := narrowed(context, wanted)) is not None:
                        opened.enter_context(self.warehouse.only(name, found.rows))
            yield

    def inner_counts(self, stage: QueryStage) -> Mapping[str, int]:
        made = None if stage.relation is None else self.warehouse.count(stage.name)
        return inner_counts(stage, made, self.warehouse.count, lambda query: self.warehouse.rows(query)[0])

    def digest(self, stage: QueryStage) -> str:
        columns = stage.type.columns if isinstance(stage.type, Table) else (Field("value", stage.type),)
        return table_digest(self.warehouse, stage.name, columns)

    def record(
        self,
        step: PlannedStep,
        stage: QueryStage,
        counts: Mapping[str, int],
        digest: str | None,
        value: Any,
        seconds: float,
    ) -> StepRecord:
        last = step.name == stage.name
        came = self.rounds.pop(step.identity, None)
        return StepRecord(
            step.name,
            step.operator,
            self.key(step),
            step.inputs,
            str(step.type),
            self.place(step),
            counts.get(step.name),
            digest if last else None,
            None if came is None else asked_counts(came),
            value if last else None,
            (seconds if last else 0.0) + self.asking.pop(step.identity, 0.0),
        )

    def key(self, step: PlannedStep) -> str:
        """The step's identity together with the models that it and the steps before it ask."""
        used = {
            inner.arguments["using"]
            for inner in steps_of(step.step)
            if table_operators()[inner.operator].model is not None
        }
        used |= {small.using for inner in steps_of(step.step) if (small := self.small_model(inner)) is not None}
        models = {alias: without_floats(self.settings(alias).as_json()) for alias in sorted(used)}
        together = self.calls.options.rows_per_call.get(step.name, 1)
        more = {"rows_per_call": together} if together > 1 else {}
        return identity("step-v1", {"step": step.identity, "models": models, **more})

    def small_model(self, step: Step) -> SmallModel | None:
        """The smaller model that stands in for a step's own where it is sure."""
        proxy = self.calls.options.proxies.get(step.arguments.get("proxy", ""))
        return proxy if isinstance(proxy, SmallModel) else None

    def settings(self, alias: str) -> ModelSettings:
        if not self.calls.models.settings:
            raise UserError("this program asks a model, and none is named", "name one: --model gpt-5-mini")
        found = self.calls.models.settings.get(alias)
        if found is None:
            raise UserError(
                f"no model is called `{alias}`",
                *did_you_mean(alias, list(self.calls.models.settings), what="models of this run"),
            )
        return found

    def ask(self, stage: ModelStage) -> None:
        """One round: words and rows of this run, answers as a table."""
        started = time.perf_counter()
        values = {name: self.argument(value) for name, value in stage.step.arguments.items()}
        round_ = prepare_round(stage, self.settings(values["using"]), values, self.calls.options)
        if (room := self.calls.models.room()) is not None:
            count = self.warehouse.count(physical_name(stage.input))
            refuse_too_many(stage, count, stage.input.sql, self.warehouse, self.calls.options, room, made=True)
        rows = shown_rows(stage, rows_asked_about(self.warehouse, stage))
        try:
            came = ask_rows(round_, rows, self.calls, self.progress)
            came = with_packs(came, round_, self.calls.models.packs)
            if not stage.tree:
                filters = model_step(stage).filters
                came = replace(came, mostly=one_answer(came, round_.result, filters=filters))
            self.emit("round.end", {"step": stage.step_name, **asked_counts(came)})
            if rejected := all_rejected(came):
                raise StepRejected(stage.step_name, rejected)
            if values["on_error"] == "fail" and (failed := [*failed_rows(rows, came.outcomes, round_.redact)]):
                raise RowsFailed(stage.step_name, failed, len(rows))
        except RowsFailed as failure:
            listed = [row.key for row in failure.failed[:LISTED]]
            raise failure.among(rows, row_places(self.warehouse, stage.input, listed)) from None
        columns: dict[str, Type] = {KEY: INT, **{f.name: f.type for f in round_.columns}}
        answers = [{KEY: key, **fields_of(outcome, round_.columns)} for key, outcome in came.outcomes.items()]
        self.warehouse.add(stage.name, arrow_rows(answers, columns), columns)
        self.rounds[stage.step.identity] = came
        self.asking[stage.step.identity] = time.perf_counter() - started

    def argument(self, value: Any) -> Any:
        """An argument of a model step as a plain value of this run."""
        if isinstance(value, Instruction):
            return "".join(p if isinstance(p, str) else as_instruction_text(self.value(p)) for p in value.parts)
        if isinstance(value, Node):
            return self.value(value)
        return value

    def value(self, node: Node) -> Any:
        inner = resolved(node)
        if isinstance(inner, Literal | Param):
            return inner.value
        return self.warehouse.value(physical_name(self.made[inner.identity]))


LONGEST = 300
"""Characters of a step's value that its record shows; the digest is of the whole."""


def shorten_value(value: Any, redact: Callable[[str], str]) -> Any:
    """A value for a step's record: as JSON has it, a long one cut."""
    told = json_ready(value)
    text = redact(json.dumps(told, ensure_ascii=False))
    return told if len(text) <= LONGEST else text[:LONGEST] + "..."


def as_instruction_text(value: Any) -> str:
    """A value inside an instruction, as JSON: its text stays a quoted text and cannot pass for an instruction."""
    return json_text(value)


def asked_counts(came: RoundResult) -> dict[str, Any]:
    """How many rows came to what. They add up: every row is in one of the counts from `ok` on."""
    statuses = {status: came.count(status) for status in ("ok", "invalid", "refused", "error")}
    absent = sum(1 for outcome in came.outcomes.values() if outcome is None)
    counts: dict[str, Any] = {"rows": len(came.outcomes) + came.not_needed, "requests": came.requests, **statuses}
    counts["nothing_shown"] = absent
    if came.not_needed:
        counts["not_needed"] = came.not_needed
    counts |= came.packed
    if came.levels:
        counts["levels"] = list(came.levels)
    if came.rechecked or came.by_proxy:
        counts["ok"] -= came.by_proxy
        counts |= {"by_proxy": came.by_proxy, "rechecked": came.rechecked, "rechecked_wrong": came.rechecked_wrong}
    if came.unscored:
        counts[UNSCORED] = came.unscored
    if came.withdrawn:
        counts["proxy_withdrawn"] = 1
    if came.mostly is not None:
        counts[MOSTLY] = dict(came.mostly)
    return counts


def asks_about(stage: ModelStage, made: QueryStage) -> bool:
    """Whether a round asks about the rows of the table that a query makes."""
    return bool(made.steps) and physical_name(stage.input) == made.name


def arrow_rows(rows: list[dict[str, Any]], columns: Mapping[str, Type]) -> Any:
    """Rows as an Arrow table of the columns' types."""
    import pyarrow as pa

    schema = pa.schema([(name, arrow_type(type_)) for name, type_ in columns.items()])
    return pa.Table.from_pylist(rows, schema=schema)
