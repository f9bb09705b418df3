"""Sub-runs: one long text explored as a context of its own, live or from what was recorded.

In: a request that asks to explore its text. Out: an answer that holds the value and the program it was come to by.
Law: a sub-run spends its parent's budget and no more than its own share of it; a recorded sub-run's program is run
again on the recorded answers, and another value is an error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context, SourceFile
from rlm_dsl.context.formats.lines import text_lines
from rlm_dsl.context.loading import held
from rlm_dsl.engine.calls.round import Silent
from rlm_dsl.engine.execution import execute
from rlm_dsl.engine.runner import Caller
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.recurse import CALLS
from rlm_dsl.models.protocol import BudgetExceeded, Model
from rlm_dsl.models.proxy_model import Proxy
from rlm_dsl.models.recording import Recording
from rlm_dsl.models.request import Answer, ModelSettings, Request

T = TypeVar("T")
NAME = "text"
"""What a sub-run's program calls its context."""
AT_ONCE = 4
"""Sub-runs of one depth under way at once: each holds a warehouse."""


def text_context(text: str, name: str = NAME) -> Context:
    """A text as lines, as a file of it would be."""
    content = text.encode("utf-8")
    source = SourceFile(0, name, len(content), sha256(content).hexdigest(), name, content)
    return held(name, name, text_lines(source, content))


def told_question(request: Request) -> str:
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
class Share:
    """A sub-run's caller: its parent's models and budget, a share of its own, one depth less."""

    parent: Caller
    within: str
    depth: int
    turns: int
    tell: Callable[[str, Mapping[str, Any]], None]
    recording: Recording = field(init=False)

    def __post_init__(self) -> None:
        self.recording = Recording(Named(self.parent.model, self.within), lambda key: "parent")

    @property
    def settings(self) -> Mapping[str, ModelSettings]:
        return self.parent.settings

    @property
    def window(self) -> int:
        return self.parent.window

    @property
    def redact(self) -> Callable[[str], str]:
        return self.parent.redact

    @property
    def max_failed(self) -> float:
        return self.parent.max_failed

    @property
    def rows_per_call(self) -> Mapping[str, int]:
        """Settings name the steps of a program; those of a sub-run are its own."""
        return {}

    @property
    def proxies(self) -> Mapping[str, Proxy]:
        """As the steps, so their proxies."""
        return {}

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

    def afford(self, step: str, requests: Iterable[Request]) -> None:
        held = list(requests)
        new = len({request.key for request in held} - set(self.recording.calls))
        if len(self.recording.calls) + new > CALLS:
            raise BudgetExceeded(f"{self.within}/{step}: a sub-run may make {CALLS} model calls at most")
        self.parent.afford(f"{self.within}/{step}", held)


@dataclass(slots=True)
class Exploring:
    """A model that answers requests to explore by a sub-run, in a thread of its own, and hands on all others."""

    inner: Model
    explored: Callable[[Request], Answer]
    gates: dict[tuple[Any, int], asyncio.Semaphore] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    async def answer(self, request: Request) -> Answer:
        if not request.explore:
            return await self.inner.answer(request)
        from anyio import to_thread

        self.keys.add(request.key)
        here = (asyncio.get_running_loop(), request.explore)
        async with self.gates.setdefault(here, asyncio.Semaphore(AT_ONCE)):
            return await to_thread.run_sync(self.explored, request, abandon_on_cancel=True)


def rerun(request: Request, answer: Answer, caller: Any) -> Answer:
    """A recorded sub-run's program run again over its text on the recorded answers. Raises UserError where it gives
    another value than was recorded; an answer without a program (a refusal) is handed on."""
    if not answer.program:
        return answer
    now = given_by(request, answer.program, caller)
    if now != answer.text:
        raise UserError(
            f"{request.purpose}: the recorded program of a sub-run gives another answer than was recorded",
            f"recorded {answer.text[:200]}, now {now[:200]}",
            code="sub-run",
        )
    return answer


def tried(request: Request, caller: Any) -> Answer | None:
    """What the program that a request brings gives for its text; None where it fails, or was tried before. What stops
    the whole run, a budget or an outage, is raised."""
    if not request.program or len(request.messages) > 2:
        return None
    try:
        text = given_by(request, request.program, caller)
    except ProgramError:
        return None
    except UserError as failure:
        if failure.exit_code == 3:
            raise
        return None
    return Answer(text, program=request.program, model=request.settings.model)


def given_by(request: Request, program: str, caller: Any) -> str:
    """The value of a program over a request's text, as the JSON that the step reads."""
    context = text_context(request.messages[1].content)
    source = Source(f"sub-run of {request.purpose}", program)
    with Warehouse(threads=1, contexts=[context]) as warehouse:
        told: Callable[..., None] = lambda kind, fields: None  # noqa: E731
        execution = execute(source, {NAME: context}, {}, caller, Silent(), told, warehouse)
    return as_text(execution.answer)


def as_text(value: Any) -> str:
    """A sub-run's value as the JSON that the step reads."""
    return json.dumps({"result": value}, ensure_ascii=False)
