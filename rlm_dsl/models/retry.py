"""Attempts until one succeeds: waiting as the server asks, or longer each time.

In: a request. Out: the first answer. Law: at most `attempts` attempts that failed and `patience` seconds of waiting;
that the server is asked too much is no failure, only a reason to wait. What another attempt cannot mend is raised at
once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from rlm_dsl.models.protocol import Attempt, Model, RequestRefused
from rlm_dsl.models.request import ERROR, REJECTED, Answer, Request

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Retrying:
    """A model that tries again. `draw` gives a number from 0 to 1 for jitter, `sleep` waits so many seconds."""

    inner: Model
    sleep: Callable[[float], Awaitable[None]]
    draw: Callable[[], float]
    attempts: int = 8
    patience: float = 120.0

    async def answer(self, request: Request) -> Answer:
        waited, failed = 0.0, 0
        for number in count(1):
            try:
                return await self.inner.answer(request)
            except Attempt as failure:
                if (end := row_end(failure, request)) is not None:
                    return Answer(failure.error.message, finish=end)
                failed += 0 if failure.slow else 1 if failure.billed else 2  # who is not there is not waited for long
                wait = self.wait(number, failure)
                if not failure.again or failed >= self.attempts or waited + wait > self.patience:
                    raise failure.error from None
                waited += wait
                await self.sleep(wait)
        raise AssertionError("unreachable")

    def wait(self, number: int, failure: Attempt) -> float:
        """Full jitter over a doubling span; never less than the server asks for."""
        own = self.draw() * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(number - 1, 10))
        return max(failure.wait or 0.0, own)


def row_end(failure: Attempt, request: Request) -> str | None:
    """How a row's answer ends that a server refuses to give: for what the row holds, such as its length, or for no
    reason that it says; None for a refusal that ends the run."""
    if request.schema is None or not isinstance(failure.error, RequestRefused):
        return None
    return {"row": ERROR, "request": REJECTED}.get(failure.error.code)
