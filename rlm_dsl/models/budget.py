"""The budget: a reservation before each attempt, settled by what it came to.

In: limits, attempts. Out: leave to go, or BudgetExceeded. Law: what is spent and reserved together never passes the
limits in calls, tokens and dollars, whatever servers say, and no call leaves once the seconds are over; what surely was
not billed is given back; nobody is refused while what is under way may still be kept or given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.prices import Price
from rlm_dsl.models.protocol import Attempt, BudgetExceeded, Model, RequestRefused, TooDear
from rlm_dsl.models.request import Answer, Request, estimated_tokens
from rlm_dsl.models.settings import OUTPUT, Limits

PriceOf = Callable[[str], Price | None]
BEYOND = 2_000
"""Tokens by which a server's count may pass what was reserved and still be believed: its own words around ours."""


def dollars(amount: float) -> float:
    """A sum of money to the last digit that a price can have, so that what is added and taken away again leaves
    nothing."""
    return round(amount, 12)


@dataclass(frozen=True, slots=True)
class Amount:
    """What attempts take or took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    calls: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            dollars(self.usd + other.usd),
            self.calls + other.calls,
        )

    def __sub__(self, other: Amount) -> Amount:
        return self + Amount(-other.prompt_tokens, -other.completion_tokens, -other.usd, -other.calls)


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a round will ask, before it asks: `requests` in all, `new` of them not answered before. Tokens are counted
    from above; `most_tokens` and `most_usd` reckon with answers as long as their types let them be, `limit_usd` with
    all that each may have, as those of a model that thinks before it answers. None for an unknown price. `by_batch` are
    both dollars where the Batch API answers all, which is not sure before."""

    step: str
    requests: int
    new: int
    prompt_tokens: int
    most_tokens: int
    least_usd: float | None
    most_usd: float | None
    asked: tuple[Request, ...] = ()
    """The new ones."""
    by_batch: tuple[float, float] | None = None
    limit_usd: float | None = None


def estimate_round(
    step: str,
    requests: int,
    new: Iterable[Request],
    price_of: PriceOf,
    *,
    batch: bool = False,
    beside: Callable[[Request], int] = lambda request: 0,
    room: Callable[[Request], int] | None = None,
) -> Estimate:
    """With `batch`, the new ones are handed to the Batch API where that is there, with all that answers may have;
    `beside` is what a server counts beside their messages, `room` how long their answers may be."""
    room = most_output if room is None or batch else room
    count = given = answered = 0
    usd: list[tuple[float, float] | None] = []
    shared: list[tuple[float, float] | None] = []
    limit: list[tuple[float, float] | None] = []
    new = tuple(new)
    for request in new:
        prompt, output = request.prompt_tokens + beside(request), room(request)
        count, given, answered = count + 1, given + prompt, answered + output
        price = price_of(request.settings.model)
        usd.append(None if price is None else (price.of(prompt, 0), price.of(prompt, output)))
        limit.append(None if price is None else (0.0, price.of(prompt, most_output(request))))
        if batch and price is not None and price.batch is not None:
            shared.append((price.of(prompt, 0, by_batch=True), price.of(prompt, output, by_batch=True)))
        else:
            shared.append(None)
    least, most = sums(usd) or (None, None)
    by_batch = sums(shared) if new else None
    all_ = (sums(limit) or (None, None))[1]
    return Estimate(step, requests, count, given, given + answered, least, most, new, by_batch, all_)


def sums(pairs: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Of the least and of the most; None where one is not known."""
    known = [pair for pair in pairs if pair is not None]
    return (sum(pair[0] for pair in known), sum(pair[1] for pair in known)) if len(known) == len(pairs) else None


@dataclass(slots=True)
class Spending:
    """What is spent and reserved so far. `estimated` if a server gave no figures for some of it; `clock` gives
    seconds, and the run's begin when the first call asks for leave. A `refusal` holds for all that waits, until the
    next round is checked; `stopped` is why, where it is not the budget. `beyond` is by how much servers' counts of a
    model passed what was reserved."""

    limits: Limits
    clock: Callable[[], float] = lambda: 0.0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    estimated: bool = False
    reserved: Amount = NOTHING
    started: float | None = None
    refusal: str = ""
    stopped: UserError | None = None
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    beyond: dict[str, Amount] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def calls_left(self) -> int:
        return self.limits.calls - self.calls - self.reserved.calls

    @property
    def tokens_left(self) -> int:
        return self.limits.tokens - self.tokens - self.reserved.tokens

    @property
    def usd_left(self) -> float:
        """Of a limit in dollars."""
        return dollars((self.limits.usd or 0.0) - self.usd - self.reserved.usd)

    def problem(self, amount: Amount) -> str:
        """Why attempts of at most so much may not go now; "" if they may."""
        limits = self.limits
        if amount.calls > self.calls_left:
            return f"the budget of {counted(limits.calls, 'call')} is used up"
        if amount.tokens > self.tokens_left:
            return (
                f"the budget of {counted(limits.tokens, 'token')} has {limits.tokens - self.tokens:,} left, "
                f"and the next call "
                f"may take {amount.tokens:,}"
            )
        if limits.usd is not None and dollars(amount.usd) > self.usd_left:
            return (
                f"the budget of {money(limits.usd)} has {money(limits.usd - self.usd)} left, and the next call may "
                f"take {money(amount.usd)}"
            )
        return ""

    def late(self, wait: float = 0.0) -> str:
        """Why no call may leave after so long a wait; "" if one may."""
        now, limit = self.clock(), self.limits.seconds
        if self.started is None:
            self.started = now
        gone = now - self.started
        if limit is None or gone + wait < limit:
            return ""
        if gone >= limit:
            return f"the budget of {limit:g} seconds is used up"
        return f"the budget of {limit:g} seconds ends before the next call may leave, in {wait:.3g} s"

    def check(self, estimate: Estimate) -> None:
        """Begin a round. Raise TooDear where it surely takes more than is left, however short its answers are."""
        step, limits = estimate.step, self.limits
        self.refusal, self.stopped = "", None
        self.refused.clear()
        if estimate.new > self.calls_left:
            raise TooDear(
                f"{step} needs {counted(estimate.new, 'new model call')}, and the budget of {limits.calls:,} has "
                f"{max(0, self.calls_left):,} left"
            )
        if estimate.prompt_tokens > self.tokens_left:
            raise TooDear(
                f"{step} needs about {counted(estimate.prompt_tokens, 'token')} for what it shows alone, "
                f"and the budget of "
                f"{limits.tokens:,} has {max(0, self.tokens_left):,} left"
            )
        if limits.usd is not None and dollars(estimate.least_usd or 0.0) > self.usd_left:
            raise TooDear(
                f"{step} needs about {money(estimate.least_usd or 0.0)} for what it shows alone, and the budget of "
                f"{money(limits.usd)} has {money(max(0.0, self.usd_left))} left"
            )

    async def reserve(self, amount: Amount) -> None:
        """Leave for attempts of at most so much; waits while reservations under way may be given back."""
        while True:
            if over := self.refusal or self.late():
                await self.refuse(over)
            if not (problem := self.problem(amount)):
                self.reserved += amount
                return
            if not self.reserved.calls:
                await self.refuse(problem)
            await self.settled.wait()

    async def refuse(self, problem: str) -> NoReturn:
        """Let nothing more leave, wait for what is under way, then raise BudgetExceeded, or why it was stopped."""
        self.refusal = told = self.refusal or problem
        await self.drained()
        raise self.stopped or BudgetExceeded(told)

    async def stop(self, failure: UserError) -> None:
        """Let nothing more leave for a reason that is not the budget's, and wait for what is under way."""
        self.stopped = self.stopped or failure
        self.refusal = self.refusal or failure.message
        await self.drained()

    async def drained(self) -> None:
        self.refused.set()
        while self.reserved.calls:
            await self.settled.wait()

    async def sleep(self, seconds: float) -> None:
        """Wait before another attempt. What would outlast the budget is refused at once, and so is whatever waits
        while another call is refused."""
        if over := self.refusal or self.late(seconds):
            await self.refuse(over)
        try:
            async with asyncio.timeout(seconds):
                await self.refused.wait()
        except TimeoutError:
            return
        await self.refuse(self.refusal)

    async def pause(self, seconds: float, told: str = "") -> None:
        """Wait with a reservation in hand, as batches do: what would outlast the budget is refused at once."""
        if late := self.late(seconds):
            raise BudgetExceeded(f"{late}{told}")
        await asyncio.sleep(seconds)

    def learn(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """A server counted so many tokens more than may be; as many are reserved too from now on."""
        known = self.beyond.get(model, NOTHING)
        self.beyond[model] = Amount(
            max(known.prompt_tokens, min(prompt_tokens, BEYOND)),
            max(known.completion_tokens, min(completion_tokens, BEYOND)),
        )

    def settle(self, reserved: Amount, spent: Amount, *, estimated: bool = False) -> None:
        """Give a reservation back, and count what was spent instead."""
        self.reserved -= reserved
        self.calls += spent.calls
        self.prompt_tokens += spent.prompt_tokens
        self.completion_tokens += spent.completion_tokens
        self.usd = dollars(self.usd + spent.usd)
        self.estimated |= estimated and spent.calls > 0
        self.settled.set()
        self.settled = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A model that asks its budget before each attempt. What a server does not say, or cannot mean, is estimated from
    above; no answer counts for more than was reserved. `room` says how long the next answer to a request may be,
    `beside` how many tokens its server counts as shown beside its messages."""

    inner: Model
    spending: Spending
    price_of: PriceOf = lambda model: None
    room: Callable[[Request], int] = field(default=lambda request: most_output(request))
    beside: Callable[[Request], int] = lambda request: 0

    async def answer(self, request: Request) -> Answer:
        model = request.settings.model
        price, more = self.price(model), self.spending.beyond.get(model, NOTHING)
        beside = self.beside(request)
        prompt, output = request.prompt_tokens + beside, self.room(request)
        reserved = amount(prompt + more.prompt_tokens, output + more.completion_tokens, price)
        await self.spending.reserve(reserved)
        if self.room(request) > output:  # what was learned while it waited asks for more
            self.spending.settle(reserved, NOTHING)
            return await self.answer(request)
        spent, estimated = amount(prompt, 0, price), True
        try:
            answer = await self.inner.answer(request)
            given, said, estimated = count_tokens(request, answer, beside)
            self.spending.learn(model, given - prompt, said - output)
            spent = at_most(reserved, given, said, price, answer.cached_tokens)
            return answer
        except Attempt as failure:
            spent = spent if failure.billed else NOTHING
            if failure.cut is not None:
                given, said, estimated = count_tokens(request, failure.cut, beside)
                spent = at_most(reserved, given, said, price, failure.cut.cached_tokens)
            raise
        except RequestRefused:  # by the client, before it was sent
            spent = NOTHING
            raise
        finally:
            self.spending.settle(reserved, spent, estimated=estimated)

    def price(self, model: str) -> Price | None:
        found = self.price_of(model)
        if found is None and self.spending.limits.usd is not None:
            raise RequestRefused(
                f"the budget is in dollars, and the price of {model} is not known",
                "say it: --price 0.25/2.00 (dollars for a million tokens, in/out), or `prices` in rlm-dsl.yaml",
                code="price",
            )
        return found


def amount(prompt: int, completion: int, price: Price | None, cached: int = 0, *, by_batch: bool = False) -> Amount:
    """What one call of so many tokens takes."""
    usd = 0.0 if price is None else dollars(price.of(prompt, completion, cached, by_batch=by_batch))
    return Amount(prompt, completion, usd, 1)


def at_most(
    reserved: Amount, given: int, said: int, price: Price | None, cached: int = 0, *, by_batch: bool = False
) -> Amount:
    """What one call of so many tokens counts for: no more than was reserved."""
    prompt, completion = min(given, reserved.prompt_tokens), min(said, reserved.completion_tokens)
    return amount(prompt, completion, price, cached, by_batch=by_batch)


def most_amount(request: Request, price: Price | None) -> Amount:
    """The most that one call may take, as far as the request says."""
    return amount(request.prompt_tokens, most_output(request), price)


def count_tokens(request: Request, answer: Answer, beside: int = 0) -> tuple[int, int, bool]:
    """Tokens given and answered as the server counts them, or as they are estimated from above where it does not say
    or cannot mean it; and whether any were. So many at most were shown `beside` the messages."""
    most = request.prompt_tokens + beside
    given = plausible(answer.prompt_tokens, most)
    said = plausible(answer.completion_tokens, most_output(request))
    own = given is None or said is None
    return (
        most if given is None else given,
        estimated_tokens(answer.text) if said is None else said,
        own,
    )


def plausible(figure: object, most: int) -> int | None:
    """A server's count where it can be one."""
    if not isinstance(figure, int) or isinstance(figure, bool):
        return None
    return figure if 0 <= figure <= most + BEYOND else None


def most_output(request: Request) -> int:
    """The most tokens that an answer may have, as the request itself says."""
    given = request.settings.parameters.get("max_completion_tokens")
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else OUTPUT
