"""One budget for many tasks: each starts only while its whole share is left, and gives back what it did not spend.

In: a budget, a share. Out: leave to start, or not. Law: what is spent and what is out in shares never pass the budget,
so long as no task passes its share.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from rlm_dsl.models.settings import Limits


@dataclass(slots=True)
class BudgetShares:
    """The budget, what is spent of it, and how many shares are out; `closed` says by which failure it was closed."""

    budget: Limits
    share: Limits
    calls: int = 0
    tokens: int = 0
    out: int = 0
    closed: tuple[str, str] | None = None
    returned: threading.Condition = field(default_factory=threading.Condition)

    def acquire(self) -> bool:
        """A share, waiting while one that is out may come back; False where none is left."""
        with self.returned:
            while not self.fits():
                if not self.out:
                    return False
                self.returned.wait()
            self.out += 1
            return True

    def fits(self) -> bool:
        shares = self.out + 1
        return (
            self.calls + shares * self.share.calls <= self.budget.calls
            and self.tokens + shares * self.share.tokens <= self.budget.tokens
        )

    def release(self, calls: int, tokens: int) -> None:
        """A share comes back, so much of it spent."""
        with self.returned:
            self.out -= 1
            self.calls += calls
            self.tokens += tokens
            self.returned.notify_all()
