"""Sub-runs: one long text explored as a context of its own, live or from what was recorded.

In: a request that asks to explore its text. Out: an answer that holds the value and the program it was come to by.
Law: a sub-run spends its parent's budget and no more than its own share of it; a recorded sub-run's program is run
again on the recorded answers, and another value is an error.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.common.well_formed import well_formed
from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.context.formats.lines import text_lines
from rlm_dsl.context.loading import memory_context
from rlm_dsl.context.rows.value_rows import HALVES
from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.execution import execute
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.recurse import CALLS, TURNS
from rlm_dsl.models.attempts import Log
from rlm_dsl.models.protocol import BudgetExceeded, Model, ModelStack, Pack, Room
from rlm_dsl.models.recorded import Recorded, RecordedStack
from rlm_dsl.models.recording import Recording
from rlm_dsl.models.request import Answer, ModelSettings, Request
from rlm_dsl.models.stack import SubRunner

T = TypeVar("T")
NAME = "text"
"""What a sub-run's program calls its context."""


def text_context(text: str, name: str = NAME) -> Context:
    """A text as lines, as a file of it would be."""
    whole = well_formed(text)
    content = whole.encode("utf-8")
    source = SourceFile(0, name, len(content), sha256(content).hexdigest(), name, content)
    context = memory_context(name, name, text_lines(source, content))
    return context if whole == text else replace(context, notes=(*context.notes, f"some {HALVES}"))


def sub_run_question(request: Request) -> str:
    """The question of a sub-run, with what was wrong with its earlier answers."""
    return "\n\n".join([request.messages[0].content, *(message.content for message in request.messages[2:])])


@dataclass(slots=True)
class Named:
    """A model whose requests say which sub-run they come from."""

    inner: Model
    within: str

    async def answer(self, request: Request) -> Answer:
        return await self.inner.answer(replace(request, purpose=f"{self.within}/{request.purpose}"))


@dataclass(slots=True)
class SubRunStack:
    """A sub-run's stack: its parent's models and budget, and of the budget a share of its own."""

    parent: ModelStack
    within: str
    recording: Recording = field(init=False)

    def __post_init__(self) -> None:
        self.recording = Recording(Named(self.parent.model, self.within), lambda key: "parent")

    @property
    def settings(self) -> Mapping[str, ModelSettings]:
        return self.parent.settings

    @property
    def model(self) -> Model:
        return self.recording

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        return self.parent.wait(work)

    def ask(self, request: Request) -> Answer:
        self.afford("root", [request])
        return self.wait(lambda: self.recording.answer(request))

    def left(self) -> str:
        """The same for the same answers, whatever other sub-runs do meanwhile."""
        return f"Model calls left: {CALLS - len(self.recording.calls):,}."

    def room(self) -> Room | None:
        return self.parent.room()

    def packs(self, rows: Set[str]) -> Iterable[tuple[Request, Answer]]:
        """None: a sub-run's rows are few, and each goes alone."""
        return ()

    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> None:
        held = list(requests)
        new = len({request.key for request in held} - set(self.recording.calls))
        if len(self.recording.calls) + new > CALLS:
            raise BudgetExceeded(f"{self.within}/{step}: a sub-run may make {CALLS} model calls at most")
        self.parent.afford(f"{self.within}/{step}", held)


@dataclass(frozen=True, slots=True)
class SubRun:
    """What an exploration of one text has at hand: how it asks, how many turns, where its events go, and how much of
    the language its root is told, where that is said."""

    calls: Calls[SubRunStack]
    turns: int
    log: Log
    card: str = ""


Explorer = Callable[[SubRun, Request], Answer]
"""What explores a text live; floors above this one have it."""


def live_sub_runs(explorer: Explorer, options: CallOptions, turns: int, log: Log, card: str = "") -> SubRunner:
    """How requests to explore are answered live: by the program that they bring, else by an exploration."""

    def answer(parent: ModelStack, request: Request) -> Answer:
        calls = Calls(SubRunStack(parent, request.purpose), options.within(request.explore - 1))
        return try_program(request, calls) or explorer(SubRun(calls, min(turns, TURNS), log, card), request)

    return answer


def replayed_calls(
    settings: Mapping[str, ModelSettings], recorded: Recorded, options: CallOptions
) -> Calls[RecordedStack]:
    """How a recorded run asks: its answers, and its sub-runs' programs run again on them, each one depth down."""

    def answer(stack: RecordedStack, request: Request) -> Answer:
        found = stack.recorded.found(request)
        below = replayed_calls(settings, stack.recorded, options.within(request.explore - 1))
        rerun(request, found, below)
        stack.recording.calls.update(below.models.recording.calls)
        return found

    return Calls(RecordedStack(settings, recorded, answer), options)


def rerun(request: Request, answer: Answer, calls: Calls[ModelStack]) -> Answer:
    """A recorded sub-run's program run again over its text on the recorded answers. Raises UserError where it gives
    another value than was recorded; an answer without a program (a refusal) is handed on."""
    if not answer.program:
        return answer
    now = run_program_over(request, answer.program, calls)
    if now != answer.text:
        raise UserError(
            f"{request.purpose}: the recorded program of a sub-run gives another answer than was recorded",
            f"recorded {answer.text[:200]}, now {now[:200]}",
            code="sub-run",
        )
    return answer


def try_program(request: Request, calls: Calls[ModelStack]) -> Answer | None:
    """What the program that a request brings gives for its text; None where it fails, or was tried before. What stops
    the whole run, a budget or an outage, is raised."""
    if not request.program or len(request.messages) > 2:
        return None
    try:
        text = run_program_over(request, request.program, calls)
    except ProgramError:
        return None
    except UserError as failure:
        if failure.exit_code == 3:
            raise
        return None
    return Answer(text, program=request.program, model=request.settings.model)


def run_program_over(request: Request, program: str, calls: Calls[ModelStack]) -> str:
    """The value of a program over a request's text, as the JSON that the step reads."""
    context = text_context(request.messages[1].content)
    source = Source(f"sub-run of {request.purpose}", program)
    with Warehouse(threads=1, contexts=[context]) as warehouse:
        execution = execute(source, {NAME: context}, {}, calls, NoProgress(), ignore_event, warehouse)
    return as_text(execution.answer)


def as_text(value: Any) -> str:
    """A sub-run's value as the JSON that the step reads."""
    return json.dumps({"result": value}, ensure_ascii=False)
