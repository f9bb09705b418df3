"""A rate limit as servers have it: so many requests in a window, told in headers.

In: the time of each request. Out: a problem for those above the rate, and the headers. Law: a refused request counts
for nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rlm_dsl.testing.wire import Problem

WINDOW = 2.0
"""Seconds: a minute, for tests that have no minute."""


@dataclass(slots=True)
class Rate:
    """At most `most` requests in a window; None for no limit."""

    most: int | None
    times: deque[float] = field(default_factory=deque)

    def problem(self, now: float) -> Problem | None:
        """What is said to a request now; None lets it through and counts it."""
        if self.most is None:
            return None
        while self.times and now - self.times[0] >= WINDOW:
            self.times.popleft()
        if len(self.times) >= self.most:
            return Problem(429, "Rate limit reached.", "rate_limit_exceeded", retry_after=self.reset(now))
        self.times.append(now)
        return None

    def reset(self, now: float) -> float:
        return max(0.0, self.times[0] + WINDOW - now) if self.times else 0.0

    def headers(self, now: float) -> dict[str, str]:
        if self.most is None:
            return {}
        left = self.most - len(self.times)
        return {
            "x-ratelimit-limit-requests": str(self.most),
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": f"{self.reset(now) * 1000:.0f}ms",
        }
