"""What is told of rounds of model calls while they run.

In: rounds as they start, answer and end. Out: whatever a watcher makes of it. Law: no answer depends on who watches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """What is told of a round while it runs; `watch` hands in what is spent so far, in words."""

    def watch(self, spent: Callable[[], str]) -> None: ...
    def round_started(self, step: str, rows: int, requests: int) -> None: ...
    def answered(self, step: str) -> None: ...
    def round_ended(self, step: str) -> None: ...


class NoProgress:
    """Progress that nobody watches."""

    def watch(self, spent: Callable[[], str]) -> None: ...
    def round_started(self, step: str, rows: int, requests: int) -> None: ...
    def answered(self, step: str) -> None: ...
    def round_ended(self, step: str) -> None: ...
