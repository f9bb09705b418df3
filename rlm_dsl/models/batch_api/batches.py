"""The Batch API as a way to the same answers: many requests at once, for less money and more patience.

In: requests that have no answer yet. Out: their answers, in the store. Law: a batch is written down before it can be
paid for: whoever asks for the same requests again, even after a crash, takes up what is under way. What a batch does
not answer, whatever befell it, is told in an event and left to be asked in the ordinary way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.attempts import Log, announcement, told
from rlm_dsl.models.batch_api.results import BatchResult, read_results
from rlm_dsl.models.batch_api.server import CHATS, Batch, BatchRefused, BatchServer
from rlm_dsl.models.budget import NOTHING, Amount, PriceOf, Spending, amount, at_most, count_tokens, most_amount
from rlm_dsl.models.cache.protocol import AnswerStore
from rlm_dsl.models.protocol import Attempt
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.errors import read_error

MOST, LARGEST = 50_000, 100_000_000
"""Requests and bytes of one batch, as servers take them."""
FIRST_POLL, LONGEST_POLL = 1.0, 60.0
"""Seconds between looks at a batch."""
CLAIM_POLL = 0.1
"""Seconds between looks whether another process has submitted its batch."""
WITHOUT = {
    "api.anthropic.com": "Anthropic's OpenAI-compatible address has no Batch API",
    "generativelanguage.googleapis.com": "Gemini's OpenAI-compatible address takes no upload of a batch's file",
}
"""Hosts whose compatible address lacks what a batch takes, and what that is."""
UNMADE = "input:"
"""Before a file's id: a batch that was asked for, and is not known to be made."""
OVER = frozenset({"completed", "failed", "expired", "cancelled", "canceled", "error", "errored", "succeeded", "success",
                  "ended", "done", "timeout_exceeded"})  # fmt: skip
"""Words of servers for a batch that is over."""
WHOLE = frozenset({"completed", "succeeded", "success", "ended", "done"})
"""Those after which every request was answered, or has its error."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a batch came to: what it took, whether a figure of that is an estimate, whether more batches make sense, and
    what ends the run, if anything."""

    spent: Amount
    estimated: bool
    good: bool
    end: UserError | None


class Batches:
    """One server's batches for one run: no request is in a second batch after its first came back without it. `live` is
    told of each key that a batch answered."""

    def __init__(
        self,
        server: BatchServer,
        store: AnswerStore,
        spending: Spending,
        price_of: PriceOf,
        log: Log,
        live: Callable[[str], None],
    ) -> None:
        self.server, self.store, self.spending, self.price_of = server, store, spending, price_of
        self.log, self.live, self.url = log, live, server.endpoint.base_url
        self.lock = asyncio.Lock()
        self.returned: set[str] = set()

    async def take_up(self, step: str, requests: Iterable[Request]) -> None:
        """Wait for the batches under way that answer any of the requests, whoever submitted them. They are paid for."""
        wanted = {request.key: request for request in requests}
        for batch, keys in (await self.under_way(wanted)).items():
            self.log("batch.found", {"step": step, "batch": batch, "requests": len(keys)})
            found = await self.collect(batch, {key: wanted[key] for key in keys if key in wanted})
            if found.end is not None:
                raise found.end

    async def under_way(self, wanted: Mapping[str, Request]) -> dict[str, list[str]]:
        """The batches that answer any of the requests, each with its keys. One that was asked for just before a crash
        is found by its file, if it was made."""
        known = self.store.batches(self.url)
        found: dict[str, list[str]] = {}
        for batch, keys in known.items():
            if wanted.keys().isdisjoint(keys):
                continue
            if not batch.startswith(UNMADE):
                found[batch] = keys
            elif (made := await self.server.find(batch.removeprefix(UNMADE))) is not None:
                found[str(made["id"])] = keys
                self.store.keep_batch(self.url, str(made["id"]), keys)
                self.store.forget_batch(batch)
            else:
                self.store.forget_batch(batch)
        return found

    async def submit(self, step: str, requests: Sequence[Request]) -> None:
        """Ask for the requests in batches, as far as the server has them. Nothing is uploaded to one that has none."""
        if lacks := without_batches(self.url):
            self.log("batch.end", {"step": step, "outcome": "refused", "reason": lacks})
            return
        for part in parts([request for request in requests if request.key not in self.returned], self.line):
            if not await self.submit_part(step, part):
                return

    async def submit_part(self, step: str, requests: Sequence[Request]) -> bool:
        """One batch: reserved, announced, made, waited for. False where more of them make no sense."""
        reserved = total(most_amount(request, self.price(request)) for request in requests)
        await self.spending.reserve(reserved)
        spent, estimated = NOTHING, False
        try:
            async with self.exclusively():
                if await self.under_way({request.key: request for request in requests}):
                    batch = ""  # another process was quicker: its batch is taken up below
                else:
                    file = await self.server.upload(b"".join(map(self.line, requests)))
                    self.announce(step, requests)
                    spent, estimated = total(map(self.amount_asked, requests)), True  # it may be billed from here on
                    batch = await self.make(file, requests)
            if not batch:
                await self.take_up(step, requests)
                return True
            found = await self.collect(batch, {request.key: request for request in requests})
            spent, estimated = found.spent, found.estimated
            if found.end is not None:
                raise found.end
            return found.good
        except BatchRefused as refusal:
            self.log("batch.end", {"step": step, "outcome": "refused", "reason": refusal.error.words})
            if spent.calls:
                for request in requests:
                    self.tell_unanswered(request, refusal.error.words, billed=False)
            spent, estimated = NOTHING, False
            return False
        finally:
            self.spending.settle(reserved, spent, estimated=estimated)

    @asynccontextmanager
    async def exclusively(self) -> AsyncIterator[None]:
        """Nobody else submits a batch to this server meanwhile, in this process or another with the same store."""
        name = f"batches of {self.url}"
        async with self.lock:
            while not (await self.store.claim(name)).mine:
                await self.spending.pause(CLAIM_POLL)
            try:
                yield
            finally:
                self.store.give_back(name)

    async def make(self, file: str, requests: Sequence[Request]) -> str:
        """The id of the batch of a file, written down before it is asked for and once it is known."""
        keys, note = [request.key for request in requests], f"{UNMADE}{file}"
        self.store.keep_batch(self.url, note, keys)
        try:
            batch = str((await self.server.create(file))["id"])
        except BatchRefused:
            self.store.forget_batch(note)
            raise
        self.store.keep_batch(self.url, batch, keys)
        self.store.forget_batch(note)
        self.log("batch.made", {"batch": batch, "requests": len(keys)})
        return batch

    async def collect(self, batch_id: str, wanted: Mapping[str, Request]) -> Collected:
        """Wait until a batch is over, and keep its answers."""
        batch = await self.wait_until_over(batch_id)
        status = "gone" if batch is None else str(batch["status"]).lower()
        answers, lost = await self.file(batch, "output_file_id")
        errors, _ = await self.file(batch, "error_file_id")
        maybe_billed = lost or batch is None or status in WHOLE
        spent, estimated, count = await self.keep(wanted, {**errors, **answers}, status, maybe_billed)
        self.store.forget_batch(batch_id)
        self.returned |= wanted.keys()
        reason = reason_of(batch, lost)
        ended = {"batch": batch_id, "outcome": status, "answers": count, "unanswered": len(wanted) - count}
        self.log("batch.end", ended | ({"reason": self.server.endpoint.redact(reason)} if reason else {}))
        return Collected(spent, estimated, status in WHOLE, self.end_by(batch))

    async def wait_until_over(self, batch_id: str) -> Batch | None:
        """A batch when it is over; None for one that is gone."""
        wait = FIRST_POLL
        while True:
            batch = await self.server.look(batch_id)
            if batch is None or str(batch.get("status")).lower() in OVER:
                return batch
            await self.spending.pause(wait, f"; the batch {batch_id} goes on, and the same command takes its answers")
            wait = min(LONGEST_POLL, wait * 1.5)

    async def file(self, batch: Batch | None, name: str) -> tuple[dict[str, BatchResult], bool]:
        """The results in one of a batch's files, and whether it is gone."""
        file = (batch or {}).get(name)
        content = await self.server.content(str(file)) if file else b""
        return read_results(content or b""), content is None

    async def keep(
        self, wanted: Mapping[str, Request], results: Mapping[str, BatchResult], status: str, maybe_billed: bool
    ) -> tuple[Amount, bool, int]:
        """Each answer, kept, and each request without one, told: what they took, whether that is an estimate, and how
        many answers there are. What has no line may be billed where every request was worked on."""
        waiting, spent, estimated, count = [], NOTHING, False, 0
        for key, request in wanted.items():
            result = results.get(key)
            answer = None if result is None or result.status != 200 else self.answer(request, result)
            if answer is None:
                billed = maybe_billed if result is None else result.status == 200
                words = f"the batch is {status}" if result is None else result.words
                self.tell_unanswered(request, words or "what came is no answer", billed=billed)
                spent, estimated = (spent + self.amount_asked(request), True) if billed else (spent, estimated)
                continue
            count += 1
            self.log("call.end", {"key": key, **told(answer), "batch": True})
            given, said, own = count_tokens(request, answer)
            price = self.price(request)
            own_part = at_most(most_amount(request, price), given, said, price, answer.cached_tokens, by_batch=True)
            spent, estimated = spent + own_part, estimated or own
            if answer.keepable:
                waiting.append(asyncio.wrap_future(self.store.put(request, answer)))
                self.live(key)
        await asyncio.gather(*waiting)
        return spent, estimated, count

    def answer(self, request: Request, result: BatchResult) -> Answer | None:
        """What a line answers; None for what is no answer, or an empty one, which is not taken from a batch."""
        endpoint = self.server.endpoint
        try:
            answer = endpoint.read(result.body, request, endpoint.body(request))
        except Attempt:
            return None
        if isinstance(answer, Answer) and (answer.text or answer.refusal):
            return replace(answer, batch=True)
        return None

    def end_by(self, batch: Batch | None) -> UserError | None:
        """What ends the run where a batch failed for money or a key: nothing else would be answered either."""
        endpoint, errors = self.server.endpoint, errors_of(batch)
        error = read_error(400, json.dumps(endpoint.cleaned(errors)))
        if not errors or error.kind() not in ("credit", "key"):
            return None
        return endpoint.refusal(error, self.server.about).error

    def announce(self, step: str, requests: Sequence[Request]) -> None:
        self.log("batch.start", {"step": step, "requests": len(requests), "server.address": self.url})
        for request in requests:
            self.log("call.start", {**announcement(request), "batch": True})

    def tell_unanswered(self, request: Request, words: str, *, billed: bool) -> None:
        told_of = self.server.endpoint.redact(words)
        ended = {"key": request.key, "outcome": "failed", "error": told_of, "may_be_billed": billed, "batch": True}
        self.log("call.end", ended)

    def amount_asked(self, request: Request) -> Amount:
        """What a request counts for that was sent and not answered."""
        return amount(request.prompt_tokens, 0, self.price(request))

    def price(self, request: Request) -> Any:
        return self.price_of(request.settings.model)

    def line(self, request: Request) -> bytes:
        body = self.server.endpoint.body(request)
        told_of = {"custom_id": request.key, "method": "POST", "url": CHATS, "body": body}
        return json.dumps(told_of, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def without_batches(url: str) -> str:
    """Why a server is known to take no batches in OpenAI's form; "" where it may."""
    host = urlsplit(url).hostname or ""
    return f"{WITHOUT[host]}: rows are asked one by one" if host in WITHOUT else ""


def reason_of(batch: Batch | None, lost: bool) -> str:
    """Why a batch did not answer, in the server's words; "" where nothing is said."""
    if lost:
        return "its file of answers is gone"
    errors = errors_of(batch)
    return read_error(0, json.dumps(errors)).words if errors else ""


def errors_of(batch: Batch | None) -> Any:
    """Why a batch failed, in whatever form the server tells it."""
    errors = (batch or {}).get("errors")
    return errors["data"] if isinstance(errors, Mapping) and errors.get("data") else errors


def total(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, NOTHING)


def parts(requests: Sequence[Request], line: Callable[[Request], bytes]) -> Iterator[list[Request]]:
    """Requests in batches that a server takes."""
    part: list[Request] = []
    size = 0
    for request in requests:
        length = len(line(request))
        if part and (len(part) == MOST or size + length > LARGEST):
            yield part
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        yield part
