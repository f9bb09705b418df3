"""Many things to ask for, some at once.

In: items in order, and what is done with each. Out: nothing; each was done. Law: the first failure stops the rest and
is raised; where a budget ends it, what is on its way into the store gets there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from rlm_dsl.models.protocol import BudgetExceeded

AT_ONCE = 64
"""Requests that are got ready at once; how many are in flight is the endpoint's concern."""
KEPT = 1.0
"""Seconds in which answers that have come are kept, where a budget ends their round."""


async def in_turn(items: list[Any], one: Callable[[Any], Awaitable[None]]) -> None:
    """Every item once, in order, AT_ONCE under way; the first failure stops the rest and is raised. A budget refuses
    only when nothing is under way: what is left then are answers on their way into the store, and they get there."""
    left = deque(items)

    async def worker() -> None:
        while left:
            await one(left.popleft())

    tasks = [asyncio.ensure_future(worker()) for _ in range(min(AT_ONCE, len(items)))]
    try:
        for task in asyncio.as_completed(tasks):
            await task
    except BudgetExceeded:
        left.clear()
        await asyncio.wait(tasks, timeout=KEPT)
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
