"""The budget: a reservation before each attempt, settled by what it came to.

In: limits, attempts. Out: leave to go, or BudgetExceeded. Law: calls and tokens spent and reserved together never pass
the limits; what was surely not billed is given back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from rlm_dsl.request import Answer, Request, prompt_tokens
from rlm_dsl.runtime.model import Attempt, BudgetExceeded, Model
from rlm_dsl.runtime.settings import OUTPUT, Limits


@dataclass(slots=True)
class Spending:
    """What is spent and reserved so far. `estimated` if a server gave no figures for some of it."""

    limits: Limits
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    reserved_calls: int = 0
    reserved_tokens: int = 0
    settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def calls_left(self) -> int:
        return self.limits.calls - self.calls - self.reserved_calls

    def fits(self, tokens: int) -> bool:
        return self.calls_left >= 1 and self.tokens + self.reserved_tokens + tokens <= self.limits.tokens

    async def reserve(self, tokens: int) -> None:
        """Leave for one attempt of at most so many tokens; waits while reservations under way may be given back."""
        async with self.settled:
            while not self.fits(tokens):
                if self.reserved_calls == 0:
                    raise BudgetExceeded(self.told(tokens))
                await self.settled.wait()
            self.reserved_calls += 1
            self.reserved_tokens += tokens

    def told(self, tokens: int) -> str:
        limits = self.limits
        if self.calls_left < 1:
            return f"the budget of {limits.calls:,} calls is used up"
        return (
            f"the budget of {limits.tokens:,} tokens has {limits.tokens - self.tokens:,} left, and the next call "
            f"may take {tokens:,}"
        )

    async def settle(self, tokens: int, spent: tuple[int, int] | None, *, estimated: bool = False) -> None:
        """Give a reservation back, and count what was spent instead: prompt and completion tokens, or nothing."""
        async with self.settled:
            self.reserved_calls -= 1
            self.reserved_tokens -= tokens
            if spent is not None:
                self.calls += 1
                self.prompt_tokens += spent[0]
                self.completion_tokens += spent[1]
                self.estimated |= estimated
            self.settled.notify_all()


@dataclass(frozen=True, slots=True)
class Budgeted:
    """A model that asks its budget before each attempt."""

    inner: Model
    spending: Spending

    async def answer(self, request: Request) -> Answer:
        prompt, output = prompt_tokens(request), most_output(request)
        await self.spending.reserve(prompt + output)
        spent: tuple[int, int] | None = (prompt, 0)
        estimated = True
        try:
            answer = await self.inner.answer(request)
            estimated = answer.prompt_tokens is None
            spent = (prompt if answer.prompt_tokens is None else answer.prompt_tokens, answer.completion_tokens or 0)
            return answer
        except Attempt as failure:
            spent = (prompt, 0) if failure.billed else None
            raise
        finally:
            await asyncio.shield(self.spending.settle(prompt + output, spent, estimated=estimated))


def most_output(request: Request) -> int:
    """The most tokens that an answer may have, as the request itself says."""
    given = request.settings.parameters.get("max_completion_tokens", OUTPUT)
    return given if isinstance(given, int) else OUTPUT
