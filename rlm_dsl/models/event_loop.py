"""An event loop in a thread of its own, for callers that are not asynchronous.

In: asynchronous work. Out: its result. Law: whoever waits and is interrupted leaves no work behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class EventLoop:
    """An event loop in a thread of its own, so that it works inside notebooks and Ctrl-C stops what waits for it."""

    def __init__(self) -> None:
        from anyio.from_thread import start_blocking_portal

        self.context = start_blocking_portal("asyncio")
        self.portal = self.context.__enter__()

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work; interrupted, the work is cancelled and waited for before the interrupt goes on."""
        future = self.portal.start_task_soon(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self.context.__exit__(None, None, None)
