"""How fast one server is asked: as fast as it lets us, and no faster.

In: what it says (too much, its headers' counts), how long it takes, its silence and its agreed rates. Out: leave to go,
one request at a time. Law: no more than `ceiling` requests are in flight, and no more than its rates leave within a
minute; what the server says makes us slower at once and quicker again only little by little (additive increase,
multiplicative decrease); one that gives nothing is not asked for ever.

A server of this machine queues what it is sent and says nothing, until the time for an answer is over, though it works.
So it is asked for no more at first than one that works one by one would answer in time, and for more only while answers
come as quickly as the first, or would still come in time if each more made them slower.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rlm_dsl.models.protocol import Attempt, Model
from rlm_dsl.models.request import Answer, Request

MINUTE = 60.0
FIRST = 16
"""Requests in flight at first; more follow as long as answers come."""
LONGEST_HOLD = 60.0
"""Seconds that headers can hold requests back: what they say is a hint."""
SILENCE = 300.0
"""Seconds without an answer after which one more attempt that comes to nothing is the last."""
IN_TIME = 0.8
"""The part of the time for an answer that is counted on."""
AS_QUICK = 1.5
"""So many times the quickest answer's time is as quick: nothing waits."""
SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Pace:
    """Owns the gate of one server. `clock` gives seconds, `sleep` waits; rates are a minute's, None for no limit;
    `timeout` is the time for an answer of a server that queues, None for one that says when it is asked too much."""

    def __init__(
        self,
        ceiling: int,
        clock: Callable[[], float],
        requests: int | None = None,
        tokens: int | None = None,
        sleep: Callable[[float], Any] = asyncio.sleep,
        timeout: float | None = None,
    ) -> None:
        self.ceiling, self.clock, self.sleep, self.timeout = ceiling, clock, sleep, timeout
        self.quickest: float | None = None
        self.widened_at = 0.0
        self.width = float(min(ceiling, FIRST))
        self.flying = 0
        self.free = asyncio.Condition()
        self.held_until = 0.0
        self.slowed_at: float | None = None
        self.failing_since: float | None = None
        self.rates = [Rate(requests, clock), Rate(tokens, clock)]

    @asynccontextmanager
    async def leave(self, tokens: int) -> AsyncIterator[float]:
        """Leave for one request of so many tokens, as long as the block lasts; gives the time at which it left."""
        async with self.free:
            await self.free.wait_for(lambda: self.flying < int(self.width))
            self.flying += 1
        try:
            while (wait := self.wait(tokens)) > 0:
                await self.sleep(wait)
            for rate, amount in zip(self.rates, (1, tokens), strict=True):
                rate.take(amount)
            yield self.clock()
        finally:
            await asyncio.shield(self.landed())

    async def landed(self) -> None:
        async with self.free:
            self.flying -= 1
            self.free.notify_all()

    def wait(self, tokens: int) -> float:
        """Seconds until one more request of so many tokens may go."""
        due = [rate.wait(amount) for rate, amount in zip(self.rates, (1, tokens), strict=True)]
        return max(self.held_until - self.clock(), *due)

    def well(self, left: float | None = None) -> None:
        """An answer came, to what left then: until the server was first strained each lets one more go, from then on a
        window of them."""
        self.failing_since = None
        if self.timeout is None or left is None or self.in_time(self.clock() - left, left, self.timeout):
            self.width = min(float(self.ceiling), self.width + (1.0 if self.slowed_at is None else 1.0 / self.width))
            self.widened_at = self.clock()

    def in_time(self, took: float, left: float, timeout: float) -> bool:
        """Whether one more at once would be answered in time, by an answer that took so long. The first says how many
        may go at first; one that left before as many went as now says nothing new."""
        if self.quickest is None:
            self.quickest = took
            self.width = max(1.0, min(self.width, IN_TIME * timeout // max(took, 0.001)))
            return False
        self.quickest = min(took, self.quickest)
        if left < self.widened_at:
            return False
        quick = self.slowed_at is None and took < AS_QUICK * self.quickest
        return quick or took * (1 + 1 / self.width) < IN_TIME * timeout

    @property
    def under_way(self) -> float | None:
        """Seconds that a server which queues takes to end what it works on and nobody waits for any more."""
        return None if self.timeout is None else self.quickest

    def slow(self, left: float, wait: float | None) -> None:
        """The server is asked too much: half as many at once, not before the time it names. What left before that was
        known says nothing new."""
        now = self.clock()
        if self.slowed_at is None or left > self.slowed_at:
            self.width = max(1.0, self.width / 2)
            self.slowed_at = now
        if wait:
            self.held_until = max(self.held_until, now + min(wait, LONGEST_HOLD))

    def failed(self, left: float) -> bool:
        """An attempt that left then came to nothing; whether it left after so long a silence that it is the last."""
        if self.failing_since is None:
            self.failing_since = left
        return left - self.failing_since >= SILENCE

    def heard(self, headers: Mapping[str, str]) -> None:
        """Counts of a reply's headers: where nothing is left, nothing goes until they are set back."""
        for kind in ("requests", "tokens"):
            left = headers.get(f"x-ratelimit-remaining-{kind}", "")
            reset = span(headers.get(f"x-ratelimit-reset-{kind}", ""))
            if left.isdigit() and int(left) == 0 and reset:
                self.held_until = max(self.held_until, self.clock() + min(reset, LONGEST_HOLD))


@dataclass(frozen=True, slots=True)
class Paced:
    """A model each of whose attempts has its place at a server for as long as it lasts, and changes the pace."""

    inner: Model
    pace: Pace

    async def answer(self, request: Request) -> Answer:
        async with self.pace.leave(request.prompt_tokens) as left:
            try:
                answer = await self.inner.answer(request)
            except Attempt as failure:
                if failure.narrow:
                    self.pace.slow(left, failure.wait if failure.slow else self.pace.under_way)
                if failure.cut is None and failure.again and not failure.slow and self.pace.failed(left):
                    raise Attempt(failure.error, again=False, billed=failure.billed) from None
                raise
            self.pace.well(left)
            return answer


class Rate:
    """So much within any minute."""

    def __init__(self, most: int | None, clock: Callable[[], float]) -> None:
        self.most, self.clock = most, clock
        self.taken: deque[tuple[float, int]] = deque()
        self.sum = 0

    def take(self, amount: int) -> None:
        if self.most is not None:
            self.taken.append((self.clock(), amount))
            self.sum += amount

    def wait(self, amount: int) -> float:
        """Seconds until so much more is within the rate; at once if nothing was taken, however much it is."""
        if self.most is None:
            return 0.0
        now = self.clock()
        while self.taken and now - self.taken[0][0] >= MINUTE:
            self.sum -= self.taken.popleft()[1]
        over = self.sum + amount - self.most
        for at, taken in self.taken:
            if over <= 0:
                break
            over -= taken
            if over <= 0 or (at, taken) == self.taken[-1]:
                return at + MINUTE - now
        return 0.0


def span(text: str) -> float:
    """Seconds of `1s`, `6m0s`, `20ms` or a plain number; 0 for anything else."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = SPAN.findall(text)
    return sum(float(amount) * SECONDS[unit] for amount, unit in parts) if parts else 0.0
