"""Evaluating candidates: a program is asked about examples, by the stack of models that runs use.

In: a candidate, examples. Out: answers, and what they cost. Law: a row is asked about in the request that a run would
make; whatever is asked is budgeted, stored and recorded; what was asked before costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.by_probability import all_requests, held_probable
from rlm_dsl.engine.calls.cascade import round_of_small
from rlm_dsl.engine.calls.dispatch import ask_rows
from rlm_dsl.engine.calls.options import Calls
from rlm_dsl.engine.calls.round import Round, in_all_orders, reading, texts_of
from rlm_dsl.engine.calls.rows import Row
from rlm_dsl.engine.execution import Execution, checked_program, declared_types, execute
from rlm_dsl.engine.progress import NoProgress, Progress
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.model_step import PROBABLE
from rlm_dsl.language.types import Table
from rlm_dsl.models.protocol import ModelStack
from rlm_dsl.models.proxies import proxies_of
from rlm_dsl.models.recording import Call, Usage, usage_of
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.small_model import SmallModel, sureness
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.models.typed_retry import ask_typed
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.candidate_stack import CandidateStack, NotStored, StoreOnlyStack
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.steps import Tunable, tunable_steps
from rlm_dsl.optimize.timing import asked_anew
from rlm_dsl.plan.bounds import ASKS, bounds
from rlm_dsl.plan.build import build

WRITING = "optimizer"
"""The purpose of what an optimizer asks on its own account."""
Stack = TypeVar("Stack", bound=ModelStack)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a candidate came to on examples, in their order: answers (None: none that is valid) and what they took.
    `requests` are its calls; `seconds` is their time one after the other, as they took when they were made; `asked`
    counts examples about which a model was asked, but for those `rechecked` that a proxy had decided too. It `lapsed`
    where rows that were asked about together took no fewer calls than one by one: answers to packs did not hold, and
    their rows were asked about again. `small` is what a smaller model took in a cascade, asked about every row."""

    answers: tuple[Any, ...]
    usage: tuple[Usage, ...]
    requests: int
    seconds: float | None
    asked: int
    rechecked: int = 0
    lapsed: bool = False
    small: Trial | None = None

    @property
    def tokens(self) -> int:
        return sum(each.prompt_tokens + each.completion_tokens for each in self.usage)


def writer_of(models: Mapping[str, ModelSettings]) -> ModelSettings:
    """The model that writes instructions: the one called so, else the root's."""
    return models.get("writer") or models.get("root") or next(iter(models.values()))


def asks_small(call: Call, calls: Calls[CandidateStack]) -> bool:
    """Whether a call asks a smaller model in a cascade."""
    smaller = [proxy.using for proxy in calls.options.proxies.values() if isinstance(proxy, SmallModel)]
    models = {calls.models.settings[alias].model for alias in smaller if alias in calls.models.settings}
    return call.request.settings.model in models and "logprobs" in call.request.settings.parameters


class Evaluator:
    """Owns a warehouse over the contexts, by which programs are planned; asks as the calls say that are handed in."""

    def __init__(
        self,
        source: Source,
        contexts: Mapping[str, Context],
        params: Mapping[str, Any],
        settings: Settings,
        calls: Calls[LiveStack],
        progress: Progress,
        load: Callable[[str, str, Table | None], Context],
        seconds: dict[str, float],
        notify: Callable[[str], None],
    ) -> None:
        self.source, self.contexts, self.params, self.settings = source, contexts, params, settings
        self.calls, self.progress, self.load = calls, progress, load
        self.warehouse = Warehouse(settings.threads, settings.memory, contexts.values())
        self.planned: dict[str, dict[str, tuple[Tunable, Round]]] = {}
        self.loaded: dict[tuple[str, str], Context] = {}
        self.lock = threading.RLock()
        self.seconds, self.notify = seconds, notify
        self.measures = False
        """Whether a few calls are made anew where none of a model's was timed."""

    def steps(self, text: str | None = None) -> dict[str, Tunable]:
        return {name: step for name, (step, _) in self.rounds(text or self.source.text).items()}

    def rounds(self, text: str) -> dict[str, tuple[Tunable, Round]]:
        """The steps of a program that can be tuned, ready to be asked. Raises ProgramError."""
        with self.lock:
            if text not in self.planned:
                program = checked_program(Source(self.source.name, text), self.contexts, self.params)
                self.planned[text] = tunable_steps(
                    program, text, self.warehouse.contexts, self.calls.models.settings, self.calls.options.window
                )
            return self.planned[text]

    def answer_row(self, candidate: Candidate, step: str, text: str, sample: int, parameters: Mapping[str, Any]) -> Any:
        """The answer about one row, from any thread; None where there is none that is valid. A `sample` other than 0
        is another answer to the same question."""
        _, round_ = self.rounds(candidate.program_text())[step]
        settings = replace(round_.settings, parameters={**round_.settings.parameters, **parameters})
        request = replace(round_.request(text), settings=settings, sample=sample)
        models = self.calls.models
        outcome = models.wait(
            lambda: ask_typed(models.model, request, reading(round_, texts_of(text, round_.stage)), asks=ASKS)
        )
        return outcome.value if outcome.status == "ok" else None

    def held_probable(self, candidate: Candidate, step: str, texts: Sequence[str]) -> dict[str, dict[Any, Decimal]]:
        """How probable the model holds each label of texts, where a step reads its answers so; otherwise nothing."""
        _, round_ = self.rounds(candidate.program_text())[step]
        if round_.scoring is None or round_.schema["properties"].keys() != {"label"}:
            return {}
        rounds, models = in_all_orders(round_), self.calls.models
        models.afford(step, all_requests(rounds, texts))
        return models.wait(lambda: held_probable(rounds, texts, models.model))

    def said_by_small(
        self, candidate: Candidate, step: str, small: SmallModel, texts: Sequence[str]
    ) -> dict[str, tuple[Any, int]]:
        """What a smaller model says of texts in a step's stead, and how sure it is."""
        _, round_ = self.rounds(candidate.program_text())[step]
        asked = round_of_small(round_, small, self.calls.models)
        rows = [Row(at, (text,)) for at, text in enumerate(texts)]
        found = ask_rows(asked, rows, self.calls_of(candidate, CandidateStack(self.calls.models)), self.progress)
        field = round_.result.fields[0].name
        values = ((texts[at], each.value) for at, each in found.outcomes.items() if each is not None and each.value)
        return {t: (v[field], sureness(v[field], v[PROBABLE])) for t, v in values if v[PROBABLE] is not None}

    def evaluate(self, candidate: Candidate, examples: Sequence[Labelled]) -> Trial:
        """A candidate's answers on examples: rows in rounds as a run asks them, and whole runs one by one."""
        calls = self.calls_of(candidate, CandidateStack(self.calls.models))
        text = candidate.program_text()
        answers: dict[int, Any] = {}
        asked = rechecked = 0
        for step in dict.fromkeys(example.step for example in examples if example.step):
            tunable, round_ = self.rounds(text)[step]
            numbers = [number for number, example in enumerate(examples) if example.step == step]
            answers |= {n: tunable.ruled_out for n in numbers if candidate.rules_out(step, examples[n].text)}
            numbers = [number for number in numbers if number not in answers]
            found = ask_rows(round_, [Row(n, (examples[n].text,)) for n in numbers], calls, self.progress)
            asked += len(numbers) - found.by_proxy - found.rechecked
            rechecked += found.rechecked
            for number in numbers:
                outcome = found.outcomes.get(number)
                answers[number] = outcome.value if outcome is not None and outcome.status == "ok" else None
        together = any(rows > 1 for rows in candidate.rows_per_call.values())
        lapsed = together and len(calls.models.recording.calls) >= asked + rechecked > 1
        for number, example in enumerate(examples):
            if not example.step:
                answers[number] = self.run_example(text, example, calls)
                asked += 1
        recorded = calls.models.recording.calls
        by_small = {key: call for key, call in recorded.items() if asks_small(call, calls)}
        own = {key: call for key, call in recorded.items() if key not in by_small}
        return Trial(
            tuple(answers[number] for number in range(len(examples))),
            usage_of(own.values()),
            len(own),
            self.timed(own),
            asked,
            rechecked,
            lapsed,
            Trial((), usage_of(by_small.values()), len(by_small), self.timed(by_small), 0) if by_small else None,
        )

    def timed(self, calls: Mapping[str, Call]) -> float | None:
        """What calls took one after the other, as far as any of them was timed; each as its own model's."""
        by_model: dict[tuple[str, str], list[Call]] = {}
        for call in calls.values():
            by_model.setdefault((call.request.settings.base_url, call.request.settings.model), []).append(call)
        each = {name: self.seconds_each(some) for name, some in by_model.items()}
        known = [seconds for seconds in each.values() if seconds is not None]
        if not known:
            return None
        usual = sum(known) / len(known)
        return sum(len(by_model[name]) * (usual if took is None else took) for name, took in each.items())

    def seconds_each(self, calls: Sequence[Call]) -> float | None:
        """How long a model's calls take in the mean."""
        known = [self.seconds[call.request.key] for call in calls if call.request.key in self.seconds]
        if known:
            return sum(known) / len(known)
        return asked_anew(calls, self.calls.models, self.seconds, self.notify) if self.measures else None

    def calls_of(self, candidate: Candidate, models: Stack) -> Calls[Stack]:
        """How a candidate asks: with its own rows a call and proxies, and no row's failure ending it."""
        proxies = proxies_of(candidate.proxies)
        rows_per_call = candidate.rows_per_call
        options = replace(self.calls.options, max_failed=1.0, rows_per_call=rows_per_call, proxies=proxies, pack=1)
        options = replace(options, together="packs")
        return Calls(models, options)

    def stored_answers(self, candidate: Candidate) -> dict[str, dict[str, Any]]:
        """What the store knows of a program's steps over the contexts, by step and text: nothing is asked. It ends at
        the first step of which not everything is known."""
        text = candidate.program_text()
        models = StoreOnlyStack(self.calls.models, {name: round_ for name, (_, round_) in self.rounds(text).items()})
        with suppress(NotStored, UserError):
            self.execute(text, self.contexts, self.params, self.calls_of(candidate, models))
        return models.answers

    def run_example(self, text: str, example: Labelled, calls: Calls[ModelStack]) -> Any:
        """The answer of a whole run, None where it has none. Raises UserError for an empty budget or broken server."""
        try:
            return self.execute(text, self.contexts_of(example), {**self.params, **example.params}, calls).answer
        except UserError as failure:
            if failure.code in ("rows", "failing"):
                return None
            raise

    def execute(
        self, text: str, contexts: Mapping[str, Context], params: Mapping[str, Any], calls: Calls[ModelStack]
    ) -> Execution:
        with Warehouse(self.settings.threads, self.settings.memory, contexts.values()) as warehouse:
            source = Source(self.source.name, text)
            return execute(source, contexts, params, calls, NoProgress(), ignore_event, warehouse)

    def most_calls(self) -> int | None:
        """How many questions a run over the contexts asks at most, where that is known before its rows are."""
        with Warehouse(self.settings.threads, self.settings.memory, self.contexts.values()) as warehouse:
            program = checked_program(self.source, self.contexts, self.params)
            plan = build(program.statements, warehouse.contexts, {})
            counts = {name: context.count for name, context in self.contexts.items()}
            found = [bound.calls for bound in bounds(plan, counts, alone=True)]
        return None if None in found else sum(each for each in found if each is not None) // ASKS

    def contexts_of(self, example: Labelled) -> dict[str, Context]:
        found = dict(self.contexts)
        declared = declared_types(self.source)
        with self.lock:
            for given, path in example.contexts.items():
                name = given or next(iter(self.contexts))
                if (name, path) not in self.loaded:
                    self.loaded[name, path] = self.load(name, path, declared.get(name))
                found[name] = self.loaded[name, path]
        return found

    def ask_writer(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> Answer:
        """What an optimizer asks on its own account, such as for a better instruction: in words."""
        models = self.calls.models
        settings = writer_of(models.settings)
        settings = replace(settings, parameters={**settings.parameters, **parameters})
        request = Request(settings, tuple(messages), None, 0, WRITING)
        return models.wait(lambda: models.model.answer(request))

    def close(self) -> None:
        self.warehouse.close()
