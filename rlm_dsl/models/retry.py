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
from rlm_dsl.models.request import ERROR, Answer, Request

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
                if about_its_text(failure, request):
                    return Answer(failure.error.message, finish=ERROR)
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


def about_its_text(failure: Attempt, request: Request) -> bool:
    """Whether a server refuses one row's request, such as for its length: an answer of that row, not of the run."""
    return request.schema is not None and isinstance(failure.error, RequestRefused) and failure.error.code == "request"
