"""Recorded answers as a model: what a trace or an exploration already has.

In: what answers a key. Out: the same answers. Law: nothing is asked; what was not recorded is an error that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_dsl.models.protocol import NoRecordedAnswer
from rlm_dsl.models.request import Answer, Request


@dataclass(slots=True)
class Recorded:
    """A model over recorded answers; `used` are the keys that were asked for."""

    answer_of: Callable[[str], Answer | None]
    used: set[str] = field(default_factory=set)

    async def answer(self, request: Request) -> Answer:
        return self.found(request)

    def found(self, request: Request) -> Answer:
        found = self.answer_of(request.key)
        if found is None:
            raise NoRecordedAnswer(request)
        self.used.add(request.key)
        return found
