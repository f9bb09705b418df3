"""The budget: a reservation before each attempt, settled by what it came to.

In: limits, attempts. Out: leave to go, or BudgetExceeded. Law: calls, tokens and dollars spent and reserved together
never pass the limits, and no call leaves after the last second; what was surely not billed is given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.prices import Price
from rlm_dsl.models.protocol import Attempt, BudgetExceeded, Model, TooDear
from rlm_dsl.models.request import Answer, Request, estimated_tokens
from rlm_dsl.models.settings import OUTPUT, Limits

PriceOf = Callable[[str], Price | None]


@dataclass(frozen=True, slots=True)
class Amount:
    """What an attempt takes or took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a round will ask, before it asks: `requests` in all, `new` of them not answered before. Tokens are counted
    from above; `most_tokens` and `most_usd` reckon with answers as long as they may be. None for an unknown price."""

    step: str
    requests: int
    new: int
    prompt_tokens: int
    most_tokens: int
    least_usd: float | None
    most_usd: float | None
    asked: tuple[Request, ...] = ()
    """The new ones."""


def estimated(step: str, requests: int, new: Iterable[Request], price_of: PriceOf) -> Estimate:
    count = given = answered = 0
    usd: list[tuple[float, float] | None] = []
    new = tuple(new)
    for request in new:
        prompt, output = request.prompt_tokens, most_output(request)
        count, given, answered = count + 1, given + prompt, answered + output
        price = price_of(request.settings.model)
        usd.append(None if price is None else (price.of(prompt, 0), price.of(prompt, output)))
    known = [pair for pair in usd if pair is not None]
    least, most = (sum(pair[side] for pair in known) if len(known) == len(usd) else None for side in (0, 1))
    return Estimate(step, requests, count, given, given + answered, least, most, new)


@dataclass(slots=True)
class Spending:
    """What is spent and reserved so far. `estimated` if a server gave no figures for some of it; `clock` gives
    seconds, and the run's begin when the first call asks for leave."""

    limits: Limits
    clock: Callable[[], float] = lambda: 0.0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    estimated: bool = False
    reserved_calls: int = 0
    reserved_tokens: int = 0
    reserved_usd: float = 0.0
    started: float | None = None
    settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def calls_left(self) -> int:
        return self.limits.calls - self.calls - self.reserved_calls

    def problem(self, amount: Amount, calls: int = 1) -> str:
        """Why attempts of at most so much may not go now; "" if they may."""
        limits = self.limits
        if self.calls_left < calls:
            return f"the budget of {limits.calls:,} calls is used up"
        if self.tokens + self.reserved_tokens + amount.tokens > limits.tokens:
            return (
                f"the budget of {limits.tokens:,} tokens has {limits.tokens - self.tokens:,} left, and the next call "
                f"may take {amount.tokens:,}"
            )
        if limits.usd is not None and self.usd + self.reserved_usd + amount.usd > limits.usd + 1e-12:
            return (
                f"the budget of ${limits.usd:,.2f} has ${limits.usd - self.usd:,.4f} left, and the next call may "
                f"take ${amount.usd:,.4f}"
            )
        return ""

    def check(self, estimate: Estimate) -> None:
        """Raise TooDear where a round surely takes more than is left, however short its answers are."""
        step, limits = estimate.step, self.limits
        if estimate.new > self.calls_left:
            raise TooDear(
                f"{step} needs {estimate.new:,} new model calls, and the budget of {limits.calls:,} has "
                f"{max(0, self.calls_left):,} left"
            )
        if estimate.prompt_tokens > (left := limits.tokens - self.tokens - self.reserved_tokens):
            raise TooDear(
                f"{step} needs about {estimate.prompt_tokens:,} tokens for what it shows alone, and the budget of "
                f"{limits.tokens:,} has {max(0, left):,} left"
            )
        if limits.usd is not None and (estimate.least_usd or 0) > (rest := limits.usd - self.usd - self.reserved_usd):
            raise TooDear(
                f"{step} needs about ${estimate.least_usd:,.2f} for what it shows alone, and the budget of "
                f"${limits.usd:,.2f} has ${max(0, rest):,.2f} left"
            )

    async def reserve(self, amount: Amount, calls: int = 1) -> None:
        """Leave for attempts of at most so much; waits while reservations under way may be given back."""
        async with self.settled:
            self.in_time()
            while problem := self.problem(amount, calls):
                if self.reserved_calls == 0:
                    raise BudgetExceeded(problem)
                await self.settled.wait()
                self.in_time()
            self.reserved_calls += calls
            self.reserved_tokens += amount.tokens
            self.reserved_usd += amount.usd

    def in_time(self) -> None:
        now = self.clock()
        if self.started is None:
            self.started = now
        if self.limits.seconds is not None and now - self.started >= self.limits.seconds:
            raise BudgetExceeded(f"the budget of {self.limits.seconds:g} seconds is used up")

    async def settle(self, reserved: Amount, spent: Amount | None, *, estimated: bool = False, calls: int = 1) -> None:
        """Give a reservation back, and count what was spent instead, or nothing."""
        async with self.settled:
            self.reserved_calls -= calls
            self.reserved_tokens -= reserved.tokens
            self.reserved_usd -= reserved.usd
            if spent is not None:
                self.calls += calls
                self.prompt_tokens += spent.prompt_tokens
                self.completion_tokens += spent.completion_tokens
                self.usd += spent.usd
                self.estimated |= estimated
            self.settled.notify_all()


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A model that asks its budget before each attempt. What a server does not say is estimated from above."""

    inner: Model
    spending: Spending
    price_of: PriceOf = lambda model: None

    async def answer(self, request: Request) -> Answer:
        price = self.price(request.settings.model)
        prompt, output = request.prompt_tokens, most_output(request)
        reserved = amount(prompt, output, price)
        await self.spending.reserve(reserved)
        spent: Amount | None = amount(prompt, 0, price)
        estimated = True
        try:
            answer = await self.inner.answer(request)
            estimated = answer.prompt_tokens is None or answer.completion_tokens is None
            said = estimated_tokens(answer.text) if answer.completion_tokens is None else answer.completion_tokens
            spent = amount(prompt if answer.prompt_tokens is None else answer.prompt_tokens, said, price)
            return answer
        except Attempt as failure:
            spent = amount(prompt, 0, price) if failure.billed else None
            raise
        finally:
            await asyncio.shield(self.spending.settle(reserved, spent, estimated=estimated))

    def price(self, model: str) -> Price | None:
        found = self.price_of(model)
        if found is None and self.spending.limits.usd is not None:
            raise UserError(
                f"the budget is in dollars, and the price of {model} is not known",
                "say it: --price 0.25/2.00 (dollars for a million tokens, in/out), or `prices` in rlm-dsl.yaml",
            )
        return found


def amount(prompt: int, completion: int, price: Price | None) -> Amount:
    return Amount(prompt, completion, 0.0 if price is None else price.of(prompt, completion))


def most_output(request: Request) -> int:
    """The most tokens that an answer may have, as the request itself says."""
    given = request.settings.parameters.get("max_completion_tokens", OUTPUT)
    return given if isinstance(given, int) else OUTPUT
