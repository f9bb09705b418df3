"""Recorded answers: as a model, and as a whole stack that asks nobody.

In: what answers a key. Out: the same answers. Law: nothing is asked; what was not recorded is an error that says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rlm_dsl.models.event_loop import EventLoop
from rlm_dsl.models.exploring import Exploring
from rlm_dsl.models.protocol import Model, NoRecordedAnswer, Pack
from rlm_dsl.models.recording import Call, Recording
from rlm_dsl.models.request import Answer, ModelSettings, Request

T = TypeVar("T")


@dataclass(slots=True)
class Recorded:
    """A model over recorded answers; `packs` are those recorded, `used` the keys that were asked for."""

    answer_of: Callable[[str], Answer | None]
    packs: Callable[[], Iterable[Call]] = lambda: ()
    used: set[str] = field(default_factory=set)

    async def answer(self, request: Request) -> Answer:
        return self.found(request)

    def found(self, request: Request) -> Answer:
        found = self.answer_of(request.key)
        if found is None:
            raise NoRecordedAnswer(request)
        self.used.add(request.key)
        return found


class RecordedStack:
    """A stack over recorded answers: it has no endpoint, no store and no budget to spend. `sub_run` runs recorded
    sub-runs again."""

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        recorded: Recorded,
        sub_run: Callable[[RecordedStack, Request], Answer],
    ) -> None:
        self.settings, self.recorded, self.sub_run = settings, recorded, sub_run
        self.recording = Recording(Exploring(recorded, self.explore), lambda key: "trace")

    @property
    def model(self) -> Model:
        return self.recording

    def explore(self, request: Request) -> Answer:
        return self.sub_run(self, request)

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        loop = EventLoop()
        try:
            return loop.wait(work)
        finally:
            loop.close()

    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> None:
        """Recorded answers cost nothing; those of packs are recorded for each row."""

    def room(self) -> None:
        """Recorded answers cost nothing."""

    def packs(self, rows: Set[str]) -> Iterable[tuple[Request, Answer]]:
        """Those that were recorded; they are in this run's recording too."""
        for call in self.recorded.packs():
            if not rows.isdisjoint(call.request.rows):
                self.recording.note(replace(call, origin="trace"))
                yield call.request, call.answer
