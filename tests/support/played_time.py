"""An event loop whose time passes only by being waited for: an hour of waiting takes no time, and a deadlock is found.

In: asynchronous work. Out: its result, and the time it took on the played clock. Law: the same work takes the same
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(BaseException):
    """Nothing is ready, and no timer is set: nobody would ever wake."""


class PlayedLoop(asyncio.SelectorEventLoop):
    """A loop that leaps to its next timer. `clock` is its time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.select = self._selector.select  # type: ignore[attr-defined]
        self._selector.select = self.leap  # type: ignore[attr-defined]

    def leap(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise Deadlock
        self.now += max(0.0, timeout)
        return self.select(0)

    def time(self) -> float:
        return self.now


def played(work: Callable[[PlayedLoop], Coroutine[Any, Any, T]]) -> tuple[T | BaseException, float]:
    """What the work comes to, or what it raises, and the seconds that went by. Raises Deadlock."""
    loop = PlayedLoop()
    try:
        try:
            return loop.run_until_complete(work(loop)), loop.now
        except (Exception, asyncio.CancelledError) as failure:
            return failure, loop.now
    finally:
        loop.close()
