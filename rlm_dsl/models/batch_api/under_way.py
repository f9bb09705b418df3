"""Batches under way, for people who look after them: which there are, and ending them.

In: a store, how servers are reached. Out: what is under way, and what became of each that was to end. Law: a batch is
forgotten only when the server has ended it or does not know it; what may still be billed is told.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.models.batch_api.batches import OVER, UNMADE
from rlm_dsl.models.batch_api.server import Batch, BatchRefused, BatchServer
from rlm_dsl.models.cache.protocol import AnswerStore
from rlm_dsl.models.event_loop import EventLoop
from rlm_dsl.models.server.servers import Keys, endpoint_of
from rlm_dsl.models.settings import Settings


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A batch that some run submitted and none has collected: its id, `input:FILE` where it is not known whether it was
    made; when it was submitted, in seconds since the epoch."""

    batch: str
    server: str
    requests: int
    submitted: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a batch that was to end: cancelled, over (it was done before), gone, or failed, and then it is
    still under way. `may_be_billed` is how many of its requests were answered, None where that is unknown."""

    under_way: UnderWay
    outcome: str
    may_be_billed: int | None
    told: str

    def as_json(self) -> dict[str, Any]:
        own = {"outcome": self.outcome, "may_be_billed": self.may_be_billed, "told": self.told}
        return {**self.under_way.as_json(), **own}


def batches_under_way(store: AnswerStore) -> list[UnderWay]:
    """What no run has collected yet, by server, the oldest first."""
    found = store.rows_in("batches")
    held = [UnderWay(batch, url, len(json.loads(keys)), submitted) for batch, url, keys, submitted in found]
    return sorted(held, key=lambda one: (one.server, one.submitted))


def end_batches(
    settings: Settings, keys: Keys, redact: Callable[[str], str], store: AnswerStore, ids: Sequence[str] = ()
) -> Iterator[Ended]:
    """End batches under way, those with these ids or all, one after another. Raises UserError for an id that is none
    of theirs; what a server refuses is told as the outcome of its batch."""
    held = {one.batch: one for one in batches_under_way(store)}
    for name in ids:
        if name not in held:
            hint = did_you_mean(name, list(held), what="under way")
            raise UserError(f"no batch {name} is under way", *(hint[:1] or ("see rlm-dsl batch list",)))
    loop = EventLoop()
    try:
        for one in [held[name] for name in dict.fromkeys(ids)] or list(held.values()):
            yield loop.wait(lambda one=one: end_at_server(settings, keys, redact, store, one))  # type: ignore[misc]
    finally:
        loop.close()


async def end_at_server(
    settings: Settings, keys: Keys, redact: Callable[[str], str], store: AnswerStore, one: UnderWay
) -> Ended:
    endpoint = endpoint_of(settings, keys, one.server, redact)
    try:
        return await end_batch(BatchServer(endpoint, asyncio.sleep, random.random), store, one)
    except (UserError, BatchRefused) as failure:
        words = failure.message if isinstance(failure, UserError) else redact(failure.error.words)
        return Ended(one, "failed", None, f"{one.batch} is not cancelled: {words}")
    finally:
        await endpoint.close()


async def end_batch(server: BatchServer, store: AnswerStore, one: UnderWay) -> Ended:
    """End one batch, and forget it unless its answers wait to be taken."""
    unmade = one.batch.startswith(UNMADE)
    batch = await (server.find(one.batch.removeprefix(UNMADE)) if unmade else server.look(one.batch))
    if batch is not None and not is_over(batch):
        batch = await server.cancel(str(batch["id"])) or batch
    elif batch is not None:
        told = f"{one.batch} was {batch['status']} before: the next run that asks the same takes what it answered"
        return Ended(one, "over", answered_count(batch), told)
    store.forget_batch(one.batch)
    if batch is None:
        told = "the server tells of no such batch; what it answered, if anything, may be billed"
        return Ended(one, "gone", None, f"{one.batch} is forgotten: {told}")
    count = answered_count(batch)
    some = (
        "what it answered"
        if count is None
        else f"{count:,} of {counted(one.requests, 'request', 'were')} answered, which"
    )
    return Ended(one, "cancelled", count, f"{one.batch} is cancelled: {some} may still be billed")


def is_over(batch: Batch) -> bool:
    return str(batch.get("status")).lower() in OVER


def answered_count(batch: Batch) -> int | None:
    """How many requests of a batch were answered, where the server says."""
    counts = batch.get("request_counts")
    found = counts.get("completed") if isinstance(counts, dict) else None
    return found if isinstance(found, int) else None
