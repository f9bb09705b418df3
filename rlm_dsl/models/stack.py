"""How a run reaches models: one stack of them, and a loop in which they are asked.

In: settings, an environment, a log. Out: a caller for rounds and root turns. Law: from the outside in, a request is
noted, looked up, tried again, budgeted, announced, sent; nothing reaches the network past any of these.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rlm_dsl.engine.calls.sub_runs import Exploring, Share, rerun, tried
from rlm_dsl.language.operators.recurse import DEEPEST, TURNS
from rlm_dsl.models.attempts import Log
from rlm_dsl.models.batch_api import Batches
from rlm_dsl.models.budget import Budgeted, Estimate, Spending, estimated
from rlm_dsl.models.cache.store import AnswerStore, Stored, default_path
from rlm_dsl.models.known_answers import NOTHING, Before
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.proxy_model import proxies_of
from rlm_dsl.models.recorded import Recorded
from rlm_dsl.models.recording import Call, Recording
from rlm_dsl.models.request import Answer, ModelSettings, Request
from rlm_dsl.models.retry import Retrying
from rlm_dsl.models.servers import Keys, Servers, check_servers
from rlm_dsl.models.settings import Settings

T = TypeVar("T")
Explorer = Callable[[Share, Request], Answer]
"""What explores a text live; floors above this one have it."""
Approve = Callable[[Estimate], None]
"""Asked before a round leaves, with what it may cost; raises to stop it."""


def approved(estimate: Estimate) -> None:
    """Everything within the budget may go."""


class Calling:
    """Owns a loop in a thread of its own, a client and the store. Use as a context manager; closing keeps all answers
    that were acknowledged."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        log: Log,
        redact: Callable[[str], str] = str,
        explorer: Explorer | None = None,
        approve: Approve = approved,
        before: Before = NOTHING,
        noted: Callable[[Call], None] = lambda call: None,
    ) -> None:
        check_servers(settings, keys.environment)
        self.settings: Mapping[str, ModelSettings] = settings.by_alias()
        self.window, self.limits, self.redact = settings.window, settings.limits, redact
        self.max_failed, self.batch = settings.max_failed, settings.batch
        self.rows_per_call, self.proxies = settings.rows_per_call, proxies_of(settings.proxies)
        self.approve, self.price_of = approve, settings.price_of
        self.store = AnswerStore(Path(settings.store) if settings.store else default_path())
        if self.store.quarantined:
            log("store.damaged", {"moved_to": Path(self.store.quarantined).name})
        spent = before.spent
        self.spending = Spending(
            settings.limits, time.monotonic, before.calls, spent.prompt_tokens, spent.completion_tokens, spent.usd
        )
        self.servers = Servers(settings, keys, log, redact, self.store, noted)
        retrying = Retrying(Budgeted(self.servers, self.spending, settings.price_of), asyncio.sleep, random.random)
        self.stored = Stored(retrying, self.store, before)
        self.explorer, self.log, self.turns, self.depth = explorer, log, settings.turns, DEEPEST if explorer else 0
        self.exploring = Exploring(self.stored, self.explored)
        self.recording = Recording(self.exploring, self.origin, noted)
        self.loop = Loop()

    @property
    def model(self) -> Model:
        return self.recording

    def origin(self, key: str) -> str:
        """Where a key's answer came from: a sub-run, the server or the store."""
        return "sub-run" if key in self.exploring.keys else self.stored.origin(key)

    def explored(self, request: Request) -> Answer:
        """A request to explore, answered by a sub-run one depth down."""
        assert self.explorer is not None
        share = Share(self, request.purpose, request.explore - 1, min(self.turns, TURNS), self.log)
        return tried(request, share) or self.explorer(share, request)

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        return self.loop.wait(work)

    def ask(self, request: Request) -> Answer:
        """One request, waited for: how the exploration asks its root model."""
        self.afford(request.purpose, [request])
        return self.wait(lambda: self.model.answer(request))

    def spent(self) -> str:
        """What was spent so far, in words: for people who watch."""
        spending = self.spending
        usd = f", ${spending.usd:.4f}" if spending.usd else ""
        return f"{spending.calls:,} calls, {spending.tokens:,} tokens{usd}"

    def left(self) -> str:
        """What is left of the budget, in words; the same for the same answers, wherever they come from."""
        told = self.stored.before.told or self.limits.calls
        left = told - len(self.recording.calls)  # it has not asked with none left: more it was only allowed later
        return f"Model calls left: {max(0, left if left > 0 else left + self.limits.calls - told):,}."

    def afford(self, step: str, requests: Iterable[Request]) -> None:
        """Raise BudgetExceeded if what is new among the requests cannot be paid for: before any of them leaves. Where
        batches are on, their answers are then in the store."""
        asked = {request.key: request for request in requests if not request.explore}
        held = self.stored.look_up(asked)
        new = [request for key, request in asked.items() if key not in held]
        estimate = estimated(step, len(asked), new, self.price_of)
        self.spending.check(estimate)
        self.approve(estimate)
        if self.batch and len(new) > 1:
            self.wait(lambda: self.batched(step, new))

    async def batched(self, step: str, requests: Sequence[Request]) -> None:
        """The requests of each server as batches there."""
        by_server: dict[str, list[Request]] = {}
        for request in requests:
            by_server.setdefault(request.settings.base_url, []).append(request)
        for url, asked in by_server.items():
            endpoint = self.servers.at(url)[0]
            way = Batches(endpoint, self.store, self.spending, self.price_of, self.log, self.stored.live)
            await way.answered(step, asked)

    def __enter__(self) -> Calling:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait(self.servers.close)
        finally:
            self.loop.close()
            self.store.close()


class Replaying:
    """A caller over recorded answers: it has no endpoint, no store and no budget to spend."""

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        recorded: Recorded,
        window: int,
        redact: Callable[[str], str] = str,
        depth: int = DEEPEST,
        rows_per_call: Mapping[str, int] | None = None,
        proxies: Mapping[str, Any] | None = None,
    ) -> None:
        self.rows_per_call, self.proxies = rows_per_call or {}, proxies_of(proxies or {})
        self.settings, self.window, self.redact, self.max_failed = settings, window, redact, 1.0
        self.recorded = recorded
        self.depth = depth
        self.recording = Recording(Exploring(self.recorded, self.explored), lambda key: "trace")

    @property
    def model(self) -> Model:
        return self.recording

    def explored(self, request: Request) -> Answer:
        """A recorded sub-run: its program is run again on the recorded answers, one depth down."""
        answer = self.recorded.found(request)
        below = Replaying(self.settings, self.recorded, self.window, self.redact, request.explore - 1)
        rerun(request, answer, below)
        self.recording.calls.update(below.recording.calls)
        return answer

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        loop = Loop()
        try:
            return loop.wait(work)
        finally:
            loop.close()

    def afford(self, step: str, requests: Iterable[Request]) -> None:
        """Recorded answers cost nothing."""


class Loop:
    """An event loop in a thread of its own, so that it works inside notebooks and Ctrl-C stops what waits for it."""

    def __init__(self) -> None:
        from anyio.from_thread import start_blocking_portal

        self.context = start_blocking_portal("asyncio")
        self.portal = self.context.__enter__()

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work; interrupted, the work is cancelled and waited for before the interrupt goes on."""
        future = self.portal.start_task_soon(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self.context.__exit__(None, None, None)
