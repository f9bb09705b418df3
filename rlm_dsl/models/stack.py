"""The live stack of a run: how its requests reach models, and what each layer sees of them.

In: settings, an environment, a log. Out: one model for rounds and root turns. Law: from the outside in, a request is
recorded, explored, looked up, tried again, given its place at the server, budgeted, announced, sent; nothing reaches
the network past any of these.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import TypeVar

from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.attempts import Log
from rlm_dsl.models.batch_api.batches import Batches
from rlm_dsl.models.batch_api.server import BatchServer
from rlm_dsl.models.budget import Estimate, Spending, estimate_round
from rlm_dsl.models.cache.opening import open_store
from rlm_dsl.models.cache.stored import Stored
from rlm_dsl.models.event_loop import EventLoop
from rlm_dsl.models.exploring import Exploring
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.local.process import SERVERS
from rlm_dsl.models.packing import Packing
from rlm_dsl.models.protocol import Model, ModelStack, Pack, Room, TooDear
from rlm_dsl.models.recording import Call, Recording, request_from
from rlm_dsl.models.request import Answer, ModelSettings, Request
from rlm_dsl.models.retry import Retrying
from rlm_dsl.models.server.servers import Keys, Servers, check_servers
from rlm_dsl.models.settings import Settings

T = TypeVar("T")
SubRunner = Callable[[ModelStack, Request], Answer]
"""What answers a request to explore its text, with the stack that the request came to; the engine hands it in."""
Approve = Callable[[Estimate], None]
"""Asked before a round leaves, with what it may cost; raises to stop it."""


def approve_all(estimate: Estimate) -> None:
    """Everything within the budget may go."""


class SpentWords(str):
    """What was spent, in words; beside them the figures, for programs."""

    calls: int
    tokens: int
    usd: float

    @staticmethod
    def of(words: str, spending: Spending) -> SpentWords:
        told = SpentWords(words)
        told.calls, told.tokens, told.usd = spending.calls, spending.tokens, spending.usd
        return told


class LiveStack:
    """Owns a loop in a thread of its own, a client and the store. Use as a context manager; closing keeps all answers
    that were acknowledged."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        log: Log,
        redact: Callable[[str], str] = str,
        sub_run: SubRunner | None = None,
        approve: Approve = approve_all,
        known: KnownAnswers = NONE_KNOWN,
        on_call: Callable[[Call], None] = lambda call: None,
    ) -> None:
        check_servers(settings, keys.environment)
        self.settings: Mapping[str, ModelSettings] = settings.by_alias()
        self.limits, self.batch = settings.limits, settings.batch
        self.approve, self.price_of, self.log, self.sub_run = approve, settings.price_of, log, sub_run
        self.store = open_store(settings.store)
        if self.store.damage:
            log("store.damaged", self.store.damage)
        if self.batch and self.store.read_only:
            self.store.close()
            raise UserError(
                f"--batch notes what is under way in the answer store, and {self.store.told} is read-only",
                "leave --batch out, or name a store that is written to",
            )
        spent = known.spent
        self.spending = Spending(
            settings.limits, time.monotonic, known.calls, spent.prompt_tokens, spent.completion_tokens, spent.usd
        )
        self.servers = Servers(settings, keys, log, redact, self.store, self.spending, on_call)
        retrying = Retrying(self.servers, self.spending.sleep, random.random)
        self.stored = Stored(retrying, self.store, known, self.spending.stop)
        self.exploring = Exploring(self.stored, self.explore)
        self.recording = Recording(self.exploring, self.origin, on_call, self.recorded_pack)
        self.settled: set[str] = set()
        """Keys of the rounds that are behind, as far as rows went together in them."""
        self.batches: dict[str, Batches] = {}
        self.loop = EventLoop()

    @property
    def model(self) -> Model:
        return self.recording

    def know(self, known: KnownAnswers) -> None:
        """Take an earlier run's answers for known from here on."""
        self.stored.known = known

    def origin(self, key: str) -> str:
        """Where a key's answer came from: a sub-run, the server or the store."""
        return "sub-run" if key in self.exploring.keys else self.stored.origin(key)

    def explore(self, request: Request) -> Answer:
        """A request whose text is to be explored, answered by a sub-run."""
        assert self.sub_run is not None
        return self.sub_run(self, request)

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        return self.loop.wait(work)

    def ask(self, request: Request) -> Answer:
        """One request, waited for: how the exploration asks its root model."""
        self.afford(request.purpose, [request])
        return self.wait(lambda: self.model.answer(request))

    def spent(self) -> str:
        """What was spent so far, in words for people who watch, with its figures."""
        spending = self.spending
        usd = f", {money(spending.usd)}" if spending.usd else self.pace()
        words = f"{counted(spending.calls, 'call')}, {counted(spending.tokens, 'token')}{usd}"
        words = f"loading {SERVERS.loading}" if SERVERS.loading else words
        return SpentWords.of(words, spending)

    def pace(self) -> str:
        """Tokens a second since the first call, in words; nothing in the first second."""
        spending = self.spending
        gone = 0.0 if spending.started is None else spending.clock() - spending.started
        tokens = spending.tokens - self.stored.known.spent.tokens
        return f", {tokens / gone:,.0f} a second" if gone > 1 and tokens > 0 else ""

    def left(self) -> str:
        """What is left of the budget, in words; the same for the same answers, wherever they come from."""
        told = self.stored.known.allowed_first or self.limits.calls
        made = self.recording.made(anew=self.stored.known.goes_on)
        left = told - made  # it has not asked with none left: more it was only allowed later
        return f"Model calls left: {max(0, left if left > 0 else left + self.limits.calls - told):,}."

    def takes_grammars(self, request: Request) -> bool:
        """Whether replies are kept to grammars at a request's server, as far as is known."""
        return self.servers.takes_grammars(request)

    def afford(self, step: str, requests: Iterable[Request], pack: Pack | None = None) -> None:
        """Raise BudgetExceeded if what is new among the requests cannot be paid for: before any of them leaves. Where
        rows may go together, those that do are asked here, and answers are then in the store as far as packs hold;
        where batches are on, those under way are taken up first, and the same is true of them."""
        asked = {request.key: request for request in requests if not request.explore}
        if pack is not None and pack.size != 1 and asked:
            self.ask_in_packs(step, asked, pack)
        new = self.unanswered(asked)
        if self.batch and new:
            self.wait(lambda: self.batched(new, lambda batches, some: batches.take_up(step, some)))
            new = self.unanswered(asked)
        estimate = self.estimated(step, len(asked), new)
        self.check(estimate)
        self.approve(estimate)
        self.submit(step, new)

    def estimated(self, step: str, requests: int, new: Iterable[Request]) -> Estimate:
        """What a round will ask, as far as its servers and its answers' types are known."""
        beside, room = self.servers.beside, self.servers.room
        return estimate_round(step, requests, new, self.price_of, batch=self.batch, beside=beside, room=room)

    def check(self, estimate: Estimate) -> None:
        """Raise TooDear where a round cannot be paid for; where nothing it lacks would be kept, with that said."""
        try:
            self.spending.check(estimate)
        except TooDear as failure:
            if not self.store.read_only:
                raise
            lacking = f"the answer store {self.store.told} is read-only, and lacks {counted(estimate.new, 'answer')}"
            instead = "run it where the store is written to, or allow more with --budget"
            raise failure.saying(f"{lacking}: {instead}") from None

    def submit(self, step: str, new: Sequence[Request]) -> None:
        """Where batches are on, hand over what is new, and wait for it."""
        if self.batch and len(new) > 1:
            self.wait(lambda: self.batched(new, lambda batches, some: batches.submit(step, some)))

    def ask_in_packs(self, step: str, asked: Mapping[str, Request], pack: Pack) -> None:
        """Ask in packs what may go together; what is planned is approved before it leaves."""
        pack = replace(pack, alike=pack.alike and not self.batch)  # to find out takes answers that come at once
        packing = Packing(step, list(asked.values()), pack, self)
        if planned := packing.planned():
            new = self.unanswered({request.key: request for request in planned})
            estimate = self.estimated(step, len(asked), new)
            self.check(estimate)
            self.approve(replace(estimate, asked=tuple(self.unanswered(asked))))
            packing.run()
        self.settled |= asked.keys()

    def before(self, step: str, requests: Sequence[Request]) -> Mapping[str, str]:
        """Of a run that goes on, what it was given in this step before it was stopped is left out: its packs are made
        up anew, and their answers found."""
        held, known = self.stored.look_up(requests), self.stored.known
        if not known.resumed:
            return held
        return {key: held[key] for key in held if key in self.settled or not known.given_in(step, key, held[key])}

    def ask_all(self, step: str, requests: Sequence[Request], pack: Pack) -> list[Answer]:
        """Requests at once, answers in their order; where batches are on, by these."""
        new = self.unanswered({request.key: request for request in requests})
        self.check(self.estimated(step, len(requests), new))
        self.submit(step, new)
        pack.started(len(requests))
        answers: dict[str, Answer] = {}

        async def one(request: Request) -> None:
            answers[request.key] = await self.model.answer(request)
            pack.answered()

        self.wait(lambda: in_turn(list(requests), one))
        return [answers[request.key] for request in requests]

    def keep(self, answers: Iterable[tuple[Request, Answer]]) -> None:
        for row, kept in [(row, self.stored.take(row, answer)) for row, answer in answers]:
            kept.result()
            self.stored.origins.setdefault(row.key, "pack")

    def size(self, asking: str, requests: Sequence[Request]) -> int | None:
        """How many rows went together: in the run that this one follows, or in any that the store knows of. It is told
        to the log, for a run that goes on: what was learned meanwhile must not change its packs."""
        first, known = requests[0].key, self.stored.known
        if first in known.sizes:
            return known.sizes[first]
        found = known.size_of_packs(request.key for request in requests) or self.store.pack_size(asking)
        self.log("packs.size", {"step": requests[0].purpose, "key": first, "size": found})
        return found

    def learn(self, asking: str, size: int, agreed: int, compared: int) -> None:
        self.store.learn_packs(asking, size, agreed, compared)

    def packs(self, rows: Set[str]) -> Iterable[tuple[Request, Answer]]:
        return self.recording.packs(rows)

    def room(self) -> Room | None:
        """What is left; not where batches are on, of which answers that are paid for may be under way."""
        if self.batch:
            return None
        answers = self.stored.most_answers() + len(self.recording.calls)
        return Room(max(0, self.spending.calls_left), self.limits.calls, answers)

    def recorded_pack(self, key: str) -> Call | None:
        """A pack that a row's answer was taken from, by this run or an earlier one."""
        if (call := self.stored.known.packs.get(key)) is not None:
            return replace(call, origin="trace")
        request, answer = self.store.request(key), self.store.held([key]).get(key)
        if request is None or answer is None:
            return None
        return Call(request_from(json.loads(request), ""), self.store.read(answer), "store")

    def unanswered(self, asked: Mapping[str, Request]) -> list[Request]:
        held = self.stored.look_up(asked.values())
        return [request for key, request in asked.items() if key not in held and key not in self.recording.calls]

    async def batched(
        self, requests: Iterable[Request], work: Callable[[Batches, list[Request]], Awaitable[None]]
    ) -> None:
        """The requests of each server handed to its batches."""
        by_server: dict[str, list[Request]] = {}
        for request in requests:
            by_server.setdefault(request.settings.base_url, []).append(request)
        for url, asked in by_server.items():
            await work(self.batches_at(url), asked)

    def batches_at(self, url: str) -> Batches:
        if url not in self.batches:
            server = BatchServer(self.servers.at(url)[0], self.spending.pause, random.random)
            self.batches[url] = Batches(server, self.store, self.spending, self.price_of, self.log, self.stored.live)
        return self.batches[url]

    def __enter__(self) -> LiveStack:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait(self.servers.close)
        finally:
            self.loop.close()
            self.store.close()
