"""A system that came to no answer, with what it had used until then: a failed task costs as well.

In: a failure, the turns and what was asked of which model. Out: an error of the same words and kind.
Law: what was paid for is booked, whatever it came to.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.recording import Usage


class NoAnswer(UserError):
    """A failure that knows its cost."""

    def __init__(self, failure: UserError, turns: int, usage: Sequence[Usage]) -> None:
        super().__init__(failure.message, failure.hint, exit_code=failure.exit_code, code=failure.code)
        self.turns, self.usage = turns, tuple(usage)
