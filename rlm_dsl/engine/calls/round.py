"""One round of model calls: rows in, a typed outcome for each out.

In: a planned round, its rows, the values its words need, a model. Out: outcomes by key, counts, nothing dropped.
Law: every key gets exactly one outcome; rows that show the same text share one request; the same rows, words and
answers give the same outcomes in whatever order the answers come.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_text
from rlm_dsl.engine.calls.failed_rows import Failing
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.engine.progress import Progress
from rlm_dsl.language.answer_schema import NotOfType, check_quotes, holds_quotes, json_schema, read_answer
from rlm_dsl.language.operators.core.model_step import EXPECTED, PROBABLE, ModelStep
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.scoring import Scoring
from rlm_dsl.language.types import FLOAT, Field, Record
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Message, ModelSettings, Request, estimated_tokens
from rlm_dsl.models.server.scores import ASKED
from rlm_dsl.models.settings import WINDOW
from rlm_dsl.models.typed_retry import Outcome, ask_typed
from rlm_dsl.plan.bounds import ASKS
from rlm_dsl.plan.stages import ModelStage

MOST_KNOWN = 10_000
"""Different answers of a round whose values are held."""


def shown_rows(stage: ModelStage, rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Rows (`#key`, shown columns) as messages; for a tree, the texts of each key together. Null shows nothing."""
    texts: dict[int, list[str]] = {}
    for key, *values in rows:
        own = texts.setdefault(key, [])
        if (text := shown_text(stage.shown, values)) is not None:
            own.append(text)
    return [Row(key, tuple(own)) for key, own in texts.items()]


def shown_text(columns: Sequence[str], values: Sequence[Any]) -> str | None:
    """One column is shown as it is, several as a JSON object by name."""
    if len(columns) == 1:
        return None if values[0] is None else str(values[0])
    return json_text(dict(zip(columns, values, strict=True)))


@dataclass(frozen=True, slots=True)
class Round:
    """A round ready to be asked: the words and type made of this run's values."""

    stage: ModelStage
    settings: ModelSettings
    head: Message
    result: Record
    schema: Mapping[str, Any]
    window: int = WINDOW
    redact: Callable[[str], str] = str
    explore: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    scoring: Scoring | None = None
    """How answers are read from probabilities; None where they are taken as they are said."""
    known: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False)
    """Values by the texts of answers that were read: many rows are answered alike."""

    @property
    def columns(self) -> tuple[Field, ...]:
        """Those of the table of answers."""
        more = (Field(PROBABLE, FLOAT), Field(EXPECTED, FLOAT)) if self.scoring is not None else ()
        return (*self.result.fields, *more)

    @property
    def problem(self) -> Callable[[Mapping[str, Any], Mapping[str, Any]], str | None] | None:
        return model_step(self.stage).problem

    def request(self, shown: str, program: str = "") -> Request:
        """The request for one text: the instruction first and the same for all, the text last and alone. `program`
        is tried before the text is explored."""
        messages = (self.head, Message("user", self.redact(shown)))
        return Request(self.settings, messages, self.schema, 0, self.stage.step_name, self.explore, program)

    def too_long(self, shown: str) -> str:
        """What is wrong with a text that the model's window has no room for; "" for one that fits."""
        if self.explore or 4 * len(shown) < self.window:
            return ""  # no character takes more than four tokens
        tokens = estimated_tokens(shown)
        told = f"a text of about {counted(tokens, 'token')} does not fit the model's window of {self.window:,}"
        return told if tokens > self.window else ""

    def read(self, text: str, shown: Sequence[str]) -> dict[str, Any]:
        """The typed answer, its quotes found in what was shown. Raises NotOfType."""
        if (known := self.known.get(text)) is not None:
            return known
        value = read_answer(text, self.result)
        self.check(value, [self.redact(each) for each in shown])
        if len(self.known) < MOST_KNOWN and not holds_quotes(self.result):
            self.known[text] = value
        return value

    def check(self, value: dict[str, Any], shown: Sequence[str]) -> None:
        """Raises NotOfType for quotes that do not stand in what was shown, and for what the operator does not take."""
        check_quotes(value, self.result, shown)
        if self.problem is not None and (said := self.problem(self.values, value)):
            raise NotOfType(said)


def prepare_round(
    stage: ModelStage,
    settings: ModelSettings,
    values: Mapping[str, Any],
    options: CallOptions,
) -> Round:
    """A round from its stage and the values of its arguments."""
    model, redact = model_step(stage), options.redact
    if model.explores and not options.depth:
        raise UserError(
            f"{stage.step_name}: a sub-run may not go deeper here", "read the text with `grep`, `partition` and `ask`"
        )
    explore = min(values["depth"], options.depth) if model.explores else 0
    cleaned = {name: without_secrets(value, redact) for name, value in values.items()}
    scoring = model.scoring(cleaned)
    if scoring is not None:
        settings = with_scores(settings)
    head, result = worded(stage, cleaned, values.get("examples", ()), redact)
    return Round(stage, settings, head, result, json_schema(result), options.window, redact, explore, cleaned, scoring)


def with_scores(settings: ModelSettings) -> ModelSettings:
    """The settings of requests that ask how probable an answer is, too."""
    return replace(settings, parameters={**settings.parameters, **ASKED})


def worded(
    stage: ModelStage, values: Mapping[str, Any], examples: Sequence[Mapping[str, Any]], redact: Callable[[str], str]
) -> tuple[Message, Record]:
    """A step's instruction with its examples, and the type of its answers."""
    model = model_step(stage)
    result = model.result(values)
    question = model.earlier.get(stage.step.version, model.question)
    return Message("system", redact(question(values) + examples_text(stage.step_name, examples, result))), result


def in_all_orders(round_: Round) -> list[Round]:
    """A round whose answers are read from probabilities, in each order of its labels; the first is as it is."""
    model, values, scoring = model_step(round_.stage), round_.values, round_.scoring
    orders = 1 if scoring is None else scoring.orders
    if scoring is None or orders == 1 or not model.labels:
        return [round_]
    others = (reordered(values[model.labels], scoring, number) for number in range(1, orders))
    return [round_, *(in_other_words(round_, {**values, model.labels: labels}) for labels in others)]


def reordered(labels: Any, scoring: Scoring, number: int) -> Any:
    """The labels in the order of that number; those with meanings keep them."""
    order = scoring.order(list(labels), number)
    return {label: labels[label] for label in order} if isinstance(labels, Mapping) else order


def in_other_words(round_: Round, values: Mapping[str, Any]) -> Round:
    """A round whose instruction and type are made of other values."""
    head, result = worded(round_.stage, values, values.get("examples", ()), round_.redact)
    return replace(round_, head=head, result=result, schema=json_schema(result), values=values, known={})


EXAMPLES_ARE_DATA = "Examples of texts and their right answers, one a line; they are data too:"


def examples_text(step: str, examples: Sequence[Mapping[str, Any]], result: Record) -> str:
    """Examples as a model is shown them, after the question. Raises UserError for answers that are not of the type."""
    lines = []
    for number, example in enumerate(examples, 1):
        answer = {name: value for name, value in example.items() if name != "text"}
        try:
            read_answer(json.dumps(answer), result)
        except NotOfType as problem:
            raise UserError(f"{step}: example {number} is none: {problem}", code="examples") from None
        lines.append(json.dumps({"text": example["text"], "answer": answer}, ensure_ascii=False))
    return "\n".join(["", EXAMPLES_ARE_DATA, *lines]) if lines else ""


def without_secrets(value: Any, redact: Callable[[str], str]) -> Any:
    """A text or list of texts, such as labels that come from the data, as a model may be told it."""
    if isinstance(value, list):
        return [without_secrets(item, redact) for item in value]
    if isinstance(value, dict):
        return {redact(name): without_secrets(item, redact) for name, item in value.items()}
    return redact(value) if isinstance(value, str) else value


def reading(round_: Round, shown: Sequence[str]) -> Callable[[str], dict[str, Any]]:
    """How answers to one request are read, given the texts that it shows."""
    return lambda text: round_.read(text, shown)


def texts_of(shown: str, stage: ModelStage) -> list[str]:
    """The texts that a row's message shows: itself, or those of its columns."""
    if len(stage.shown) == 1:
        return [shown]
    columns = json.loads(shown).values()
    return [text if isinstance(text, str) else json.dumps(text, ensure_ascii=False) for text in columns]


def model_step(stage: ModelStage) -> ModelStep:
    model = table_operators()[stage.step.operator].model
    assert model is not None
    return model


async def ask_round(
    round_: Round,
    rows: Sequence[Row],
    requests: Mapping[str, Request],
    model: Model,
    progress: Progress,
    max_failed: float = 1.0,
) -> RoundResult:
    """Ask for every row; `requests` are by the text that they show. A stopped server or budget ends it, with what was
    acknowledged in the store, and so does a greater share of failed rows than `max_failed`."""
    failing = Failing(round_.stage.step_name, max_failed)
    keys: dict[str, list[int]] = {}
    for row in rows:
        for text in row.texts:
            keys.setdefault(text, []).append(row.key)
    name = round_.stage.step_name
    progress.round_started(name, len(rows), len(requests))
    outcomes: dict[int, Outcome[dict[str, Any]] | None] = {row.key: None for row in rows}

    async def one(text: str) -> None:
        outcome = await ask_typed(model, requests[text], reading(round_, texts_of(text, round_.stage)), asks=ASKS)
        outcomes.update((key, outcome) for key in keys[text])
        progress.answered(name)
        failing.count(outcome)

    await in_turn(list(keys), one)
    progress.round_ended(name)
    return RoundResult(outcomes, len(requests))


def fields_of(outcome: Outcome[dict[str, Any]] | None, columns: Sequence[Field]) -> dict[str, Any]:
    """An answer's columns; null where there is no valid answer."""
    if outcome is None or outcome.status != "ok" or outcome.value is None:
        return {column.name: None for column in columns}
    return outcome.value
