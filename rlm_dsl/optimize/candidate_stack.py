"""A candidate's models: those of the whole optimization, with a recording of the candidate's own; or the store alone.

In: the optimization's stack. Out: stacks that runs and rounds ask by. Law: budget, store and log are those of the
optimization, whichever candidate asks.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from contextlib import suppress
from typing import Any, TypeVar

from rlm_dsl.engine.calls.round import Round
from rlm_dsl.language.answer_schema import NotOfType, read_answer
from rlm_dsl.models.protocol import Model, Pack
from rlm_dsl.models.recording import Recording
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.stack import LiveStack

T = TypeVar("T")


class CandidateStack:
    """The models of the whole optimization, a recording of its own."""

    def __init__(self, models: LiveStack) -> None:
        self.models, self.settings = models, models.settings
        self.recording = Recording(models.model, models.origin)

    @property
    def model(self) -> Model:
        return self.recording

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        return self.models.wait(work)

    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> None:
        """Whether rows go together is a candidate's own, and tried as such."""
        self.models.afford(step, requests)

    def room(self) -> None:
        """The whole optimization's budget says what each round of it may take."""

    def packs(self, rows: Set[str]) -> Iterable[tuple[Request, Answer]]:
        return ()


class NotStored(Exception):
    """Not everything that a round would ask is in the store."""


class StoreOnlyStack(CandidateStack):
    """A stack that asks nothing: it collects what the store knows of each round's requests, by step and text, and ends
    a run where that is not all."""

    def __init__(self, models: LiveStack, rounds: Mapping[str, Round]) -> None:
        super().__init__(models)
        self.rounds = rounds
        self.answers: dict[str, dict[str, Any]] = {}

    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> None:
        wanted = list(requests)
        stored = self.models.stored.look_up(wanted)
        if step in self.rounds:
            for request in wanted:
                if request.key in stored:
                    with suppress(NotOfType, ValueError):
                        text = Answer.from_json(json.loads(stored[request.key])).text
                        answer = read_answer(text, self.rounds[step].result)
                        self.answers.setdefault(step, {})[request.messages[-1].content] = answer
        if len(stored) < len({request.key for request in wanted}):
            raise NotStored
