"""Where candidates are tried: programs are asked about examples, by the stack of models that runs use.

In: a candidate, examples. Out: answers, and what they cost. Law: a row is asked about in the request that a run would
make; whatever is asked is budgeted, stored and recorded; what was asked before costs nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import re2

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.dispatch import ask_rows
from rlm_dsl.engine.calls.options import Calls
from rlm_dsl.engine.calls.round import Round, Row, reading, texts_of
from rlm_dsl.engine.execution import Execution, checked_program, declared_types, execute
from rlm_dsl.engine.progress import NoProgress, Progress
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.answer_schema import NotOfType, read_answer
from rlm_dsl.language.types import Table
from rlm_dsl.models.attempts import Log
from rlm_dsl.models.protocol import Model, ModelStack
from rlm_dsl.models.proxy_model import proxies_of
from rlm_dsl.models.recording import Recording, Usage, usage_of
from rlm_dsl.models.request import Answer, Message, Request
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.models.typed_retry import ask_typed
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.steps import Tunable, tunables
from rlm_dsl.optimize.tuned import TunedCall, with_calls
from rlm_dsl.plan.bounds import ASKS, bounds
from rlm_dsl.plan.build import build

T = TypeVar("T")
Stack = TypeVar("Stack", bound=ModelStack)


@dataclass(frozen=True)
class Candidate:
    """A program to be tried: its text, arguments that are set in it, rows together by step, proxies by digest. Where a
    pattern in the text rules rows out before a step, `wanted` has it by the step: such rows are not asked about."""

    text: str
    calls: tuple[TunedCall, ...] = ()
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    proxies: Mapping[str, Any] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    origin: str = "as it is"

    def whole(self) -> str:
        return with_calls(Source("program", self.text), self.calls)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a candidate came to on examples, in their order: answers (None: none that is valid) and what they took.
    `seconds` is the time of its calls one after the other, as they took when they were made; `asked` counts examples
    about which a model was asked, but for those `rechecked` that a proxy had decided too."""

    answers: tuple[Any, ...]
    usage: tuple[Usage, ...]
    requests: int
    seconds: float | None
    asked: int
    rechecked: int = 0

    @property
    def tokens(self) -> int:
        return sum(each.prompt_tokens + each.completion_tokens for each in self.usage)


class Times:
    """A log that notes how long each live answer took, by its key."""

    def __init__(self, log: Log, seconds: dict[str, float]) -> None:
        self.log, self.seconds = log, seconds

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "call.end" and "seconds" in fields:
            self.seconds.setdefault(fields["key"], fields["seconds"])
        self.log(kind, fields)


class CandidateStack:
    """A candidate's stack: the models of the whole optimization, a recording of its own."""

    def __init__(self, models: LiveStack) -> None:
        self.models, self.settings = models, models.settings
        self.recording = Recording(models.model, models.origin)

    @property
    def model(self) -> Model:
        return self.recording

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        return self.models.wait(work)

    def afford(self, step: str, requests: Iterable[Request]) -> None:
        self.models.afford(step, requests)


class Unknown(Exception):
    """Not everything that a round would ask is in the store."""


class KnownStack(CandidateStack):
    """A stack that asks nothing: it collects what the store knows of each round's requests, and ends a run where that
    is not all."""

    def __init__(self, bench: Bench, candidate: Candidate) -> None:
        super().__init__(bench.calls.models)
        self.rounds = bench.rounds(candidate.whole())
        self.found: dict[str, dict[str, Any]] = {}

    def afford(self, step: str, requests: Iterable[Request]) -> None:
        asked = list(requests)
        texts = self.models.stored.look_up(request.key for request in asked)
        if step in self.rounds:
            round_ = self.rounds[step][1]
            for request in asked:
                if request.key in texts:
                    shown = request.messages[-1].content
                    with suppress(NotOfType, ValueError):
                        said = Answer.from_json(json.loads(texts[request.key])).text
                        self.found.setdefault(step, {})[shown] = read_answer(said, round_.result)
        if len(texts) < len({request.key for request in asked}):
            raise Unknown


def holds(pattern: str, text: str) -> bool:
    return bool(re2.search(pattern, text))


class Bench:
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
    ) -> None:
        self.source, self.contexts, self.params, self.settings = source, contexts, params, settings
        self.calls, self.progress, self.load = calls, progress, load
        self.warehouse = Warehouse(settings.threads, settings.memory, contexts.values())
        self.planned: dict[str, dict[str, tuple[Tunable, Round]]] = {}
        self.loaded: dict[tuple[str, str], Context] = {}
        self.lock = threading.RLock()
        self.seconds = seconds

    def steps(self, text: str | None = None) -> dict[str, Tunable]:
        return {name: step for name, (step, _) in self.rounds(text or self.source.text).items()}

    def rounds(self, text: str) -> dict[str, tuple[Tunable, Round]]:
        """The steps of a program that can be tuned, ready to be asked. Raises ProgramError."""
        with self.lock:
            if text not in self.planned:
                program = checked_program(Source(self.source.name, text), self.contexts, self.params)
                self.planned[text] = tunables(
                    program, text, self.warehouse.contexts, self.calls.models.settings, self.calls.options.window
                )
            return self.planned[text]

    def row(self, candidate: Candidate, step: str, text: str, sample: int, parameters: Mapping[str, Any]) -> Any:
        """The answer about one row, from any thread; None where there is none that is valid. A `sample` other than 0
        is another answer to the same question."""
        _, round_ = self.rounds(candidate.whole())[step]
        settings = replace(round_.settings, parameters={**round_.settings.parameters, **parameters})
        request = replace(round_.request(text), settings=settings, sample=sample)
        outcome = self.calls.models.wait(
            lambda: ask_typed(
                self.calls.models.model, request, reading(round_, texts_of(text, round_.stage)), asks=ASKS
            )
        )
        return outcome.value if outcome.status == "ok" else None

    def tried(self, candidate: Candidate, examples: Sequence[Labelled]) -> Tried:
        """A candidate's answers on examples: rows in rounds as a run asks them, and whole runs one by one."""
        calls = self.calls_of(candidate, CandidateStack(self.calls.models))
        text = candidate.whole()
        found: dict[int, Any] = {}
        requests = asked = rechecked = 0
        for step in dict.fromkeys(example.step for example in examples if example.step):
            at = [number for number, example in enumerate(examples) if example.step == step]
            tunable, round_ = self.rounds(text)[step]
            if step in candidate.wanted:
                found.update((n, tunable.ruled_out) for n in at if not holds(candidate.wanted[step], examples[n].text))
                at = [number for number in at if number not in found]
            came = ask_rows(round_, [Row(number, (examples[number].text,)) for number in at], calls, self.progress)
            requests += came.requests
            asked += len(at) - came.by_proxy - came.rechecked
            rechecked += came.rechecked
            for number in at:
                outcome = came.outcomes.get(number)
                found[number] = outcome.value if outcome is not None and outcome.status == "ok" else None
        for number, example in enumerate(examples):
            if not example.step:
                found[number] = self.run(text, example, calls)
                asked += 1
        recorded = calls.models.recording.calls
        timed = [self.seconds[key] for key in recorded if key in self.seconds]
        return Tried(
            tuple(found[number] for number in range(len(examples))),
            usage_of(recorded.values()),
            requests or len(recorded),
            sum(timed) * len(recorded) / len(timed) if timed else None,
            asked,
            rechecked,
        )

    def calls_of(self, candidate: Candidate, models: Stack) -> Calls[Stack]:
        """How a candidate asks: with its own rows a call and proxies, and no row's failure ending it."""
        proxies = proxies_of(candidate.proxies)
        rows_per_call = candidate.rows_per_call
        options = replace(self.calls.options, max_failed=1.0, rows_per_call=rows_per_call, proxies=proxies)
        return Calls(models, options)

    def known(self, candidate: Candidate) -> dict[str, dict[str, Any]]:
        """What the store knows of a program's steps over the contexts, by step and text: nothing is asked. It ends at
        the first step of which not everything is known."""
        held = KnownStack(self, candidate)
        with suppress(Unknown, UserError):
            self.executed(candidate.whole(), self.contexts, self.params, self.calls_of(candidate, held))
        return held.found

    def run(self, text: str, example: Labelled, calls: Calls[ModelStack]) -> Any:
        """The answer of a whole run, None where it has none. Raises UserError for an empty budget or broken server."""
        try:
            return self.executed(text, self.contexts_of(example), {**self.params, **example.params}, calls).answer
        except UserError as failure:
            if failure.code in ("rows", "failing"):
                return None
            raise

    def executed(
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
            found = [bound.calls for bound in bounds(plan, counts)]
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

    def ask(self, messages: Sequence[Message], parameters: Mapping[str, Any]) -> Answer:
        """What an optimizer asks on its own account: of the root's model, in words."""
        settings = self.calls.models.settings.get("root") or next(iter(self.calls.models.settings.values()))
        settings = replace(settings, parameters={**settings.parameters, **parameters})
        request = Request(settings, tuple(messages), None, 0, "optimizer")
        return self.calls.models.wait(lambda: self.calls.models.model.answer(request))

    def close(self) -> None:
        self.warehouse.close()
