"""Attempts until one succeeds: waiting as the server asks, or longer each time.

In: a request. Out: the first answer. Law: at most `attempts` attempts and `patience` seconds of waiting; what another
attempt cannot mend is raised at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rlm_dsl.request import Answer, Request
from rlm_dsl.runtime.model import Attempt, Model

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Retrying:
    """A model that tries again. `draw` gives a number from 0 to 1 for jitter, `sleep` waits so many seconds."""

    inner: Model
    sleep: Callable[[float], Awaitable[None]]
    draw: Callable[[], float]
    attempts: int = 6
    patience: float = 120.0

    async def answer(self, request: Request) -> Answer:
        waited = 0.0
        for number in range(1, self.attempts + 1):
            try:
                return await self.inner.answer(request)
            except Attempt as failure:
                wait = self.wait(number, failure)
                if not failure.again or number == self.attempts or waited + wait > self.patience:
                    raise failure.error from None
                waited += wait
                await self.sleep(wait)
        raise AssertionError("unreachable")

    def wait(self, number: int, failure: Attempt) -> float:
        """Full jitter over a doubling span; never less than the server asks for."""
        own = self.draw() * min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (number - 1))
        return max(failure.wait or 0.0, own)
