"""A server that plays what it is told to, on a played clock, and a row's whole way to it.

In: plays. Out: what the layers around it made of them. Law: what was sent is known exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.models.attempts import Announced
from rlm_dsl.models.budget import Budgeted, Spending
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.prices import Price
from rlm_dsl.models.protocol import Attempt, ModelUnavailable, RequestRefused
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.models.retry import Retrying
from rlm_dsl.models.server.rate_limit import Pace, Paced
from rlm_dsl.models.settings import Limits
from tests.support.played_time import PlayedLoop

PRICE = Price(0.1, 0.7)


def request(number: int, size: int = 1, most: int = 50) -> Request:
    """A request that shows `size` tokens and is answered by `most` at the most."""
    settings = ModelSettings("m", "http://played/v1", parameters={"max_completion_tokens": most})
    return Request(settings, (Message("user", "a " * size),), None, number)


@dataclass(frozen=True)
class Play:
    """What one attempt comes to after `delay` seconds: answered, busy (429), failed (500), unreachable, late (a
    time-out), refused (400), or unsendable, which is found out before anything is sent. Figures are what the server
    counts."""

    kind: str = "answered"
    delay: float = 1.0
    wait: float | None = None
    figures: tuple[Any, Any] = (None, None)
    text: str = "a"

    def outcome(self) -> Answer:
        error = ModelUnavailable(f"played: {self.kind}")
        match self.kind:
            case "answered":
                return Answer(self.text, prompt_tokens=self.figures[0], completion_tokens=self.figures[1])
            case "busy":
                raise Attempt(error, again=True, wait=self.wait, slow=True)
            case "failed":
                raise Attempt(error, again=True, billed=True, wait=self.wait)
            case "unreachable":
                raise Attempt(error, again=True)
            case "late":
                raise Attempt(error, again=True, billed=True, narrow=True)
            case _:
                raise Attempt(RequestRefused("played: refused", code="request"), again=False)


@dataclass
class Sent:
    """One attempt that was sent: when, and how it ended ("" while it is under way)."""

    request: Request
    play: Play
    at: float
    ended: str = ""


@dataclass
class PlayedServer:
    """Answers each attempt with the next play, beginning anew after the last; `seen` looks at every turn of events."""

    loop: PlayedLoop
    plays: Sequence[Play]
    seen: Callable[[], None] = lambda: None
    sent: list[Sent] = field(default_factory=list)
    asked: int = 0

    async def answer(self, request: Request) -> Answer:
        play = self.plays[self.asked % len(self.plays)]
        self.asked += 1
        if play.kind == "unsendable":
            raise RequestRefused("played: there is no key")
        sent = Sent(request, play, self.loop.now)
        self.sent.append(sent)
        self.seen()
        try:
            await asyncio.sleep(play.delay)
        except asyncio.CancelledError:
            sent.ended = "interrupted"
            raise
        finally:
            self.seen()
        sent.ended = play.kind
        return play.outcome()


@dataclass
class QueueingServer:
    """Works on `slots` requests at once, `seconds` on each, and queues the others; after `timeout` seconds who asked is
    gone. With `drops` it sees that, else it works for nobody. `late` counts those."""

    loop: PlayedLoop
    slots: int
    seconds: float
    timeout: float
    drops: bool
    late: int = 0
    asked: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    busy: int = 0

    async def answer(self, request: Request) -> Answer:
        self.asked += 1
        done: asyncio.Future[None] = self.loop.create_future()
        self.waiting.append(done)
        self.begin()
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(done)
        except TimeoutError:
            self.late += 1
            if self.drops and done in self.waiting:
                self.waiting.remove(done)
            raise Attempt(ModelUnavailable("played: late"), again=True, billed=True, narrow=True) from None
        return Answer("a")

    def begin(self) -> None:
        while self.waiting and self.busy < self.slots:
            self.busy += 1
            self.loop.call_later(self.seconds, self.end, self.waiting.pop(0))

    def end(self, done: asyncio.Future[None]) -> None:
        self.busy -= 1
        done.set_result(None)
        self.begin()


@dataclass
class Way:
    """All layers from a row to the server: tried again, given a place, budgeted, announced, sent."""

    loop: PlayedLoop
    limits: Limits
    plays: Sequence[Play]
    ceiling: int = 16
    requests_per_minute: int | None = None
    price: Price = PRICE
    draw: float = 1.0
    seen: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        clock = lambda: self.loop.now  # noqa: E731
        self.spending = Spending(self.limits, clock)
        self.server = PlayedServer(self.loop, self.plays, lambda: self.seen())
        self.log: list[tuple[str, Any]] = []
        announced = Announced(self.server, lambda kind, fields: self.log.append((kind, fields)), clock)
        self.pace = Pace(self.ceiling, clock, self.requests_per_minute, None, self.spending.sleep)
        budgeted = Budgeted(announced, self.spending, lambda model: self.price)
        self.model = Retrying(Paced(budgeted, self.pace), self.spending.sleep, lambda: self.draw)
        self.answered: list[Request] = []

    async def ask(self, requests: Sequence[Request]) -> None:
        """Every request, as a round asks them."""

        async def one(request: Request) -> None:
            assert isinstance(await self.model.answer(request), Answer)
            self.answered.append(request)

        await in_turn(list(requests), one)

    @property
    def ended(self) -> list[str]:
        return [sent.ended for sent in self.server.sent]
