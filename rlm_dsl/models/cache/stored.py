"""Asking by way of the store: each answer is paid for once.

In: requests. Out: answers, and where each came from. Law: one request per key is in flight, over processes and machines
too; whatever is there is not asked for; an answer is handed out once it is safe.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.earlier_keys import earlier_keys
from rlm_dsl.models.cache.kept import as_text
from rlm_dsl.models.cache.protocol import AnswerStore
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Answer, Request

ENDING = frozenset({"store", "trace"})
"""What failures are called after which answers have no place to be kept in."""
POLL = 0.1
"""Seconds between looks for an answer that another process is asking for."""


def seen(task: asyncio.Task[Answer]) -> None:
    """A failure that nobody waits for any more is not told by the event loop."""
    if not task.cancelled():
        task.exception()


async def at_once(failure: UserError) -> None:
    """Wait for nothing."""


class Stored:
    """A model that looks in what is known before, then in the store. One request per key is in flight; those who ask
    meanwhile share it, and it is given up when none of them waits any more. `stop` lets nothing more leave, and waits
    for what is under way."""

    def __init__(
        self,
        inner: Model,
        store: AnswerStore,
        known: KnownAnswers = NONE_KNOWN,
        stop: Callable[[UserError], Awaitable[None]] = at_once,
    ) -> None:
        self.inner, self.store, self.known, self.stop = inner, store, known, stop
        self.flying: dict[str, asyncio.Task[Answer]] = {}
        self.waiting: Counter[str] = Counter()
        self.origins: dict[str, str] = {}
        self.ahead: dict[str, str] = {}
        self.missing: set[str] = set()
        """Keys that were looked up ahead and not found: whoever asks for one looks again once the claim is taken."""
        self.taken: dict[str, str] = {}
        """Answers that this run took from packs, or that a store which is only read does not keep."""

    def take(self, request: Request, answer: Answer) -> Future[None]:
        """Keep a row's answer that was taken from a pack; the future is done once it is safe on disk."""
        self.taken[request.key] = as_text(answer.as_json())
        return self.store.put(request, answer)

    async def answer(self, request: Request) -> Answer:
        """Raises what the model raises, and UserError for a store or a trace that takes nothing more: once what is
        under way has come, which is paid for."""
        try:
            return await self.answered(request)
        except UserError as failure:
            if failure.code in ENDING:
                await self.stop(failure)
            raise

    async def answered(self, request: Request) -> Answer:
        key = request.key
        if key not in self.flying:
            found = self.found(request)
            if found is not None:
                return found
            self.flying[key] = asyncio.ensure_future(self.asked(request))
            self.flying[key].add_done_callback(seen)
        return await self.shared(key, self.flying[key])

    def most_answers(self) -> int:
        """How many answers can be found here at most."""
        return self.store.most_answers() + len(self.taken) + len(self.known.answers)

    def look_up(self, requests: Iterable[Request]) -> Mapping[str, str]:
        """The answers that there are, looked up at once; each is handed out once without another look."""
        wanted = {request.key: request for request in requests}
        known = {key: held[key] for held in (self.taken, self.known.answers) for key in wanted if key in held}
        self.ahead = {**self.store.held(key for key in wanted if key not in known), **known}
        self.ahead |= self.earlier([request for key, request in wanted.items() if key not in self.ahead])
        self.missing = wanted.keys() - self.ahead.keys()
        return self.ahead

    def found(self, request: Request) -> Answer | None:
        """The answer that there is, with where it comes from noted."""
        key = request.key
        known = self.known.answers.get(key, self.taken.get(key))
        text = known if known is not None else self.ahead.pop(key, None)
        if text is None and key not in self.missing:
            text = self.store.held([key]).get(key) or self.earlier([request]).get(key)
        self.missing.discard(key)
        if text is None:
            return None
        answer = self.store.read(text)
        self.origins.setdefault(key, "store" if known is None else self.known.origin(key))
        return answer

    def earlier(self, requests: Iterable[Request]) -> dict[str, str]:
        """The answers under keys of an earlier version, where there may be such."""
        if not (self.known.respelled or self.store.upgraded):
            return {}
        spelled = {request.key: list(earlier_keys(request)) for request in requests}
        every = {key for keys in spelled.values() for key in keys}
        known = {key: self.known.answers[key] for key in every if key in self.known.answers}
        there = self.store.held(every - known.keys()) | known
        ranked = {key: sorted(keys, key=lambda each: each not in known) for key, keys in spelled.items()}
        return {
            key: there[found] for key, keys in ranked.items() if (found := next(filter(there.get, keys), "")) in there
        }

    async def shared(self, key: str, task: asyncio.Task[Answer]) -> Answer:
        """The answer of a request in flight; cancelling one who waits leaves it to the others."""
        self.waiting[key] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self.waiting[key] -= 1
            if not self.waiting[key]:
                del self.waiting[key]
                self.flying.pop(key, None)
                task.cancel()

    async def asked(self, request: Request) -> Answer:
        """The answer of the server, unless another process asks for the same just now: then its answer."""
        key = request.key
        try:
            while not (claim := await self.store.claim(key)).mine:
                if claim.answer is not None:
                    self.origins.setdefault(key, "store")
                    return self.store.read(claim.answer)
                await asyncio.sleep(POLL)
            answer = await self.inner.answer(request)
            if answer.keepable:
                await asyncio.wrap_future(self.store.put(request, answer))
                if self.store.read_only:
                    self.taken[key] = as_text(answer.as_json())
            self.origins.setdefault(key, "live")
            return answer
        finally:
            self.store.give_back(key)

    def live(self, key: str) -> None:
        """A key whose answer this run was given beside this way."""
        self.origins.setdefault(key, "live")

    def origin(self, key: str) -> str:
        """Where a key's answer came from: live, store or an earlier trace."""
        return self.origins.get(key, "live")
