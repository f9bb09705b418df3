"""The traffic of a running endpoint: its chat requests, how many are in flight, how each ended.

In: each request as it arrives, its outcome. Out: counts, and the requests themselves for a test to look at. Law: what
was sent to a caller is counted before it is sent.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_dsl.testing.outcome import Outcome

DROPPED = 0
"""The status kept of a request whose connection was dropped."""


@dataclass(frozen=True, slots=True)
class Received:
    """A chat request: its JSON body (the text if it is no JSON), the status sent, the fault met; its headers but those
    that hold a key, and its query.

    `status` is None while the request is in flight, and DROPPED if its connection was dropped.
    """

    number: int
    body: Any
    status: int | None = None
    fault: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


class Traffic:
    """Owns the counts of one running server; with `keeps` the requests too."""

    def __init__(self, keeps: bool) -> None:
        self.keeps = keeps
        self.requests: list[Received] = []
        self.calls = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    @contextlib.contextmanager
    def arriving(self) -> Iterator[int]:
        """Counts a request in, and out again when its reply is done; gives its number."""
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        number = self.calls
        if self.keeps:
            self.requests.append(Received(number, None))
        try:
            yield number
        finally:
            self.in_flight -= 1

    def keep(self, received: Received) -> None:
        if self.keeps:
            self.requests[received.number - 1] = received

    def note(self, number: int, status: int, result: Outcome) -> None:
        """Counts the result before it is sent, so that a caller with the reply in hand finds it counted."""
        self.statuses[status] += 1
        self.faults.update([result.fault] if result.fault else [])
        self.tokens.update({"prompt": result.usage.prompt, "completion": result.usage.completion})
        if self.keeps:
            kept = self.requests[number - 1]
            self.requests[number - 1] = replace(kept, status=status, fault=result.fault)

    def stats(self) -> dict[str, Any]:
        """What was counted so far."""
        statuses = {"dropped" if status == DROPPED else str(status): n for status, n in sorted(self.statuses.items())}
        return {
            "calls": self.calls,
            "by_status": statuses,
            "by_fault": dict(sorted(self.faults.items())),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "tokens": {"prompt": self.tokens["prompt"], "completion": self.tokens["completion"]},
        }
