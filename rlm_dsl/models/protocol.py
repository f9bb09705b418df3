"""What answers requests: one model, and a run's stack of them; and what can go wrong between a request and its answer.

In: nothing. Out: `Model`, `ModelStack`, and failures as typed errors. Law: whatever answers (a server, the store, a
trace) is a `Model`, and whoever asks cannot tell which.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import StepFailed, UserError, printable
from rlm_dsl.models.request import Answer, ModelSettings, Request

T = TypeVar("T")
AUTO = 0
"""The number of rows in a pack that says: as many as evidence allows."""


@dataclass(frozen=True, slots=True)
class Pack:
    """How a round's rows may go together in one request: `size` at most, or AUTO. `read` reads a row's answer, so that
    two can be compared (None for one that does not read); `alike` says whether they can be, as texts in a model's own
    words cannot. `started` hears how many requests leave at once, and `answered` of each answer."""

    size: int
    read: Callable[[str], Any]
    alike: bool = True
    started: Callable[[int], None] = lambda requests: None
    answered: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Room:
    """What a budget has left: `calls` of the `allowed` ones; and how many `answers` there may be already, at most."""

    calls: int
    allowed: int
    answers: int


class Model(Protocol):
    """Answers requests. Raises the errors below; an answer that does not fit its type is still an answer."""

    async def answer(self, request: Request) -> Answer: ...


class ModelStack(Protocol):
    """What answers the requests of a run: live, recorded, or a share of either.

    `settings` are the models by alias; `model` answers for all of them; `wait` runs what is asked of it; `afford` is
    asked before a round leaves, and raises if the budget cannot pay for what is not known yet; where its rows may go
    together, they are then asked in packs as far as that holds. `packs` are those that rows, by their keys, were
    asked in. `room` says, before requests are made, what can surely not be paid for; None where nothing bounds it.
    """

    @property
    def settings(self) -> Mapping[str, ModelSettings]: ...
    @property
    def model(self) -> Model: ...
    def wait(self, work: Callable[[], Awaitable[T]]) -> T: ...
    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> None: ...
    def packs(self, rows: Set[str]) -> Iterable[tuple[Request, Answer]]: ...
    def room(self) -> Room | None: ...


class Attempt(Exception):
    """One attempt that came to nothing. `billed` if the server may have counted it; `wait` is its Retry-After in
    seconds; `again` if another attempt makes sense; `slow` if the server says that it is asked too much, which is no
    failure; `narrow` if fewer at once would help, as after a time-out; `error` is what the user is told if none
    succeeds; `cut` is an answer that had no end within less room than it may have, and is asked for again with all."""

    def __init__(
        self,
        error: UserError,
        *,
        again: bool,
        billed: bool = False,
        wait: float | None = None,
        slow: bool = False,
        narrow: bool = False,
        cut: Answer | None = None,
    ) -> None:
        self.error, self.again, self.billed, self.wait, self.slow = error, again, billed, wait, slow
        self.narrow, self.cut = narrow or slow, cut
        super().__init__(error.message)


class ModelUnavailable(UserError):
    """The server cannot be reached or does not answer; the run stops and can be taken up again."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(
            message, hint or "run the same command again: answers so far are kept", exit_code=3, code="outage"
        )


class RequestRefused(UserError):
    """The server takes the request for wrong: a bad key, an unknown model or parameter."""


class BudgetExceeded(UserError):
    """The budget does not allow the next call; the run stops before it and can be taken up again."""

    def __init__(
        self,
        message: str,
        hint: str = "narrow the rows first, or allow more with --budget calls=..,tokens=..; answers so far are kept",
    ) -> None:
        super().__init__(
            message,
            hint,
            exit_code=3,
            code="budget",
        )


class TooDear(BudgetExceeded, StepFailed):
    """A round that the budget cannot pay for, seen before any of it left: fewer rows may be asked about."""

    def saying(self, hint: str) -> TooDear:
        """The same, with another hint."""
        return TooDear(self.message, hint)

    @staticmethod
    def for_rows(step: str, rows: int, in_a_call: int, room: Room) -> TooDear:
        """Of so many rows, seen before they are made requests of."""
        together = f", {in_a_call} of them at most in each" if in_a_call > 1 else ""
        return TooDear(
            f"{step} needs more than {counted(room.calls, 'new model call')} "
            f"for {counted(rows, 'row')}{together}, and the budget of "
            f"{room.allowed:,} has {room.calls:,} left"
        )


SHOWN = 80
"""Characters of a text that has no recorded answer that are told."""


class NoRecordedAnswer(UserError):
    """A recorded run has no answer to this request; nothing is asked instead."""

    def __init__(self, request: Request) -> None:
        self.request = request
        shown = printable(" ".join(request.messages[-1].content[:SHOWN].split()))
        super().__init__(
            f"{request.purpose}: the recorded answers have none for this text: {shown!r}",
            "what is new is asked by: rlm-dsl rerun TRACE --context NAME=PATH",
            code="recorded",
        )
