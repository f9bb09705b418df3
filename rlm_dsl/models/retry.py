"""Attempts until one succeeds: waiting as the server asks, or longer each time.

In: a request, or any call to a server. Out: what the first success gives. Law: at most `attempts` attempts that failed
and `patience` seconds of waiting; that the server is asked too much is no failure, only a reason to wait. What another
attempt cannot mend is raised at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from rlm_dsl.models.protocol import Attempt, Model, RequestRefused
from rlm_dsl.models.request import ERROR, REJECTED, Answer, Request

T = TypeVar("T")
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


async def first_success(
    attempt: Callable[[], Awaitable[T]],
    sleep: Callable[[float], Awaitable[None]],
    draw: Callable[[], float],
    attempts: int = 8,
    patience: float = 120.0,
) -> T:
    """What the first attempt that succeeds gives. Raises the last Attempt where none does."""
    waited, failed = 0.0, 0
    for number in count(1):
        try:
            return await attempt()
        except Attempt as failure:
            if failure.cut is not None:
                continue  # a server that answers is asked for more at once, and once
            failed += 0 if failure.slow else 1 if failure.billed else 2  # who is not there is not waited for long
            wait = waiting_time(number, failure, draw())
            if not failure.again or failed >= attempts or waited + wait > patience:
                raise
            waited += wait
            await sleep(wait)
    raise AssertionError("unreachable")


def waiting_time(number: int, failure: Attempt, drawn: float) -> float:
    """Full jitter over a doubling span; never less than the server asks for."""
    own = drawn * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(number - 1, 10))
    return max(failure.wait or 0.0, own)


@dataclass(frozen=True, slots=True)
class Retrying:
    """A model that tries again. `draw` gives a number from 0 to 1 for jitter, `sleep` waits so many seconds."""

    inner: Model
    sleep: Callable[[float], Awaitable[None]]
    draw: Callable[[], float]
    attempts: int = 8
    patience: float = 120.0

    async def answer(self, request: Request) -> Answer:
        try:
            return await first_success(
                lambda: self.inner.answer(request), self.sleep, self.draw, self.attempts, self.patience
            )
        except Attempt as failure:
            if (end := row_end(failure, request)) is not None:
                error = failure.error
                return Answer(f"{error.message}; {error.hint}" if error.hint else error.message, finish=end)
            raise failure.error from None


def row_end(failure: Attempt, request: Request) -> str | None:
    """How a row's answer ends that a server refuses to give: for what the row holds, such as its length, or for no
    reason that it says; None for a refusal that ends the run."""
    if request.schema is None or not isinstance(failure.error, RequestRefused):
        return None
    return {"row": ERROR, "request": REJECTED}.get(failure.error.code)
