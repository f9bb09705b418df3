"""Requests whose text is to be explored, answered by sub-runs; all others handed on.

In: requests. Out: answers, those of sub-runs by a function that is handed in. Law: sub-runs of one depth are bounded in
number, and each runs in a thread of its own, since it waits for models itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Answer, Request

AT_ONCE = 4
"""Sub-runs of one depth under way at once: each holds a warehouse."""


@dataclass(slots=True)
class Exploring:
    """A model that answers requests to explore by a sub-run, in a thread of its own, and hands on all others."""

    inner: Model
    sub_run: Callable[[Request], Answer]
    gates: dict[tuple[Any, int], asyncio.Semaphore] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    async def answer(self, request: Request) -> Answer:
        if not request.explore:
            return await self.inner.answer(request)
        from anyio import to_thread

        self.keys.add(request.key)
        here = (asyncio.get_running_loop(), request.explore)
        async with self.gates.setdefault(here, asyncio.Semaphore(AT_ONCE)):
            return await to_thread.run_sync(self.sub_run, request, abandon_on_cancel=True)
