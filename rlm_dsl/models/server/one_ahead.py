"""One request goes ahead while it is unknown how a server takes such requests; after a refusal for good none follows.

In: requests. Out: their answers, each by the model within. Law: of requests for one model and schema only one is under
way until one was answered, or until `PATIENCE` has passed, so that a slow first answer holds nobody up for long; once
it is known that a server refuses a model for good, what has not left does not leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_dsl.models.protocol import Attempt, Model
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.dialects import schema_text

PATIENCE = 5.0
"""Seconds after the first request of its kind within which the others wait for what it finds out."""
STANDS = 2.0
"""Seconds for which a refusal for good stands: longer than its run takes to end, and too short for a person who has
mended what it was for and asks again in the same session."""
FOR_GOOD = frozenset({"key", "model", "redirect", "address", "outage"})
"""Codes of errors after which, where another attempt makes no sense, no other request fares better."""


@dataclass(slots=True)
class Kind:
    """Requests for one model and schema: whether any number may go, the one that is ahead, and how long to wait."""

    open: bool = False
    ahead: asyncio.Event | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class OneAhead:
    """A model that finds out with one request at a time how to be asked. `given_up` says of which requests it is not
    found out any more."""

    inner: Model
    given_up: Callable[[Request], bool] = lambda request: False
    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)

    async def answer(self, request: Request) -> Answer:
        kind = self.kinds.setdefault((request.settings.model, schema_text(request)), Kind())
        while not kind.open and kind.ahead is not None:
            try:
                async with asyncio.timeout_at(kind.until):
                    await kind.ahead.wait()
            except TimeoutError:
                kind.open = True
        return await (self.inner.answer(request) if kind.open else self.first(request, kind))

    async def first(self, request: Request, kind: Kind) -> Answer:
        """The request that goes ahead; if it fails, another does."""
        ended = kind.ahead = asyncio.Event()
        kind.until = kind.until or asyncio.get_running_loop().time() + PATIENCE
        try:
            answer = await self.inner.answer(request)
            kind.open = True
            return answer
        finally:
            kind.open = kind.open or self.given_up(request)
            kind.ahead = None
            ended.set()


@dataclass(frozen=True, slots=True)
class Standing:
    """A model that is not asked after it refused for good: who was on the way to it is told the same."""

    inner: Model
    refused: dict[str, tuple[Attempt, float]] = field(default_factory=dict)
    """The refusal of each model, and until when it stands."""

    async def answer(self, request: Request) -> Answer:
        name, clock = request.settings.model, asyncio.get_running_loop().time
        if name in self.refused and clock() < self.refused[name][1]:
            raise Attempt(self.refused[name][0].error, again=False)
        try:
            return await self.inner.answer(request)
        except Attempt as failure:
            if not failure.again and failure.error.code in FOR_GOOD:
                self.refused[name] = failure, clock() + STANDS
            raise
