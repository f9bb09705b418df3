"""The Batch API as a way to the same answers: many requests at once, for less money and more patience.

In: requests that have no answer yet. Out: their answers, in the store. Law: a batch is written down before it is paid
for twice: whoever asks for the same requests again, even after a crash, waits for the batch that is under way. What a
batch does not answer is left to be asked in the ordinary way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.models.attempts import Log, told
from rlm_dsl.models.budget import NOTHING, Amount, PriceOf, Spending, amount, most_output
from rlm_dsl.models.cache.store import AnswerStore
from rlm_dsl.models.client import Endpoint
from rlm_dsl.models.protocol import Attempt, ModelUnavailable
from rlm_dsl.models.request import Answer, Request

MOST, LARGEST = 50_000, 100_000_000
"""Requests and bytes of one batch, as servers take them."""
FIRST_POLL, LONGEST_POLL = 1.0, 60.0
"""Seconds between looks at a batch."""
OVER = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class Batches:
    """Owns nothing but the way: one server's endpoint, the store, the purse and the log."""

    endpoint: Endpoint
    store: AnswerStore
    spending: Spending
    price_of: PriceOf
    log: Log
    live: Callable[[str], None]
    """Told of each key that a batch of this run answered."""

    async def answered(self, step: str, requests: Sequence[Request]) -> None:
        """Bring the answers of a server's requests into the store, as far as batches give them."""
        wanted = {request.key: request for request in requests}
        for batch_id, keys in self.store.batches(self.endpoint.base_url).items():
            if not wanted.keys().isdisjoint(keys):
                self.log("batch.found", {"step": step, "batch": batch_id, "requests": len(keys)})
                await self.collected(batch_id, {key: wanted[key] for key in keys if key in wanted})
        held = self.store.held(wanted)
        for part in parts([request for key, request in wanted.items() if key not in held], self.line):
            if not await self.submitted(step, part):
                return

    def line(self, request: Request) -> bytes:
        body = self.endpoint.body(request)
        told_of = {"custom_id": request.key, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(told_of, ensure_ascii=False).encode("utf-8") + b"\n"

    async def submitted(self, step: str, requests: Sequence[Request]) -> bool:
        """Reserve, announce, submit and wait; false where the server has no batches."""
        reserved = self.most(requests)
        await self.spending.reserve(reserved)
        spent = NOTHING
        try:
            client = self.endpoint.opened()
            keys = [request.key for request in requests]
            self.log("batch.start", {"step": step, "requests": len(keys), "server.address": self.endpoint.base_url})
            content = b"".join(map(self.line, requests))
            try:
                file = await client.files.create(file=("requests.jsonl", content), purpose="batch")
                made = await client.batches.create(
                    input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
                )
            except Exception as failure:
                self.log("batch.end", {"step": step, "outcome": "refused"})
                if getattr(failure, "status_code", None) in (400, 404, 405, 501):
                    return False
                raise self.endpoint.failed(failure, requests[0]).error from None
            self.store.keep_batch(self.endpoint.base_url, made.id, keys)
            spent = await self.collected(made.id, {request.key: request for request in requests})
            return True
        finally:
            self.spending.settle(reserved, spent)

    def most(self, requests: Sequence[Request]) -> Amount:
        parts_of = [
            amount(request.prompt_tokens, most_output(request), self.price_of(request.settings.model))
            for request in requests
        ]
        return Amount(
            sum(part.prompt_tokens for part in parts_of),
            sum(part.completion_tokens for part in parts_of),
            sum(part.usd for part in parts_of),
        )

    async def collected(self, batch_id: str, wanted: Mapping[str, Request]) -> Amount:
        """Wait until a batch is over, and keep its answers; what they took."""
        client, wait = self.endpoint.opened(), FIRST_POLL
        while True:
            try:
                batch = await client.batches.retrieve(batch_id)
            except Exception as failure:
                if getattr(failure, "status_code", None) == 404:
                    self.store.forget_batch(batch_id)
                    return Amount()
                raise self.endpoint.failed(failure, next(iter(wanted.values()))).error from None
            if batch.status in OVER:
                break
            await asyncio.sleep(wait)
            wait = min(LONGEST_POLL, wait * 1.5)
        spent = [Amount()]
        if batch.output_file_id:
            content = await client.files.content(batch.output_file_id)
            spent += [taken async for taken in self.kept(content.content, wanted)]
        self.store.forget_batch(batch_id)
        self.log("batch.end", {"batch": batch_id, "outcome": batch.status, "answers": len(spent) - 1})
        if batch.status == "failed":
            raise ModelUnavailable(f"{self.endpoint.base_url}: the batch {batch_id} failed", "ask without --batch")
        return Amount(
            sum(part.prompt_tokens for part in spent),
            sum(part.completion_tokens for part in spent),
            sum(part.usd for part in spent),
        )

    async def kept(self, content: bytes, wanted: Mapping[str, Request]) -> Any:
        """Each whole answer of a batch's file, kept; what it took."""
        waiting = []
        for line in content.splitlines():
            found = json.loads(line) if line.strip() else {}
            request = wanted.get(found.get("custom_id", ""))
            if request is None or (found.get("response") or {}).get("status_code") != 200:
                continue
            try:
                body = json.dumps(found["response"]["body"], ensure_ascii=False)
                answer = self.endpoint.read(body, request, self.endpoint.body(request))
            except Attempt:
                continue
            if not isinstance(answer, Answer):
                continue
            self.log("call.end", {"key": request.key, **told(answer), "batch": True})
            if answer.keepable:
                waiting.append(asyncio.wrap_future(self.store.put(request, answer)))
                self.live(request.key)
            price = self.price_of(request.settings.model)
            yield amount(answer.prompt_tokens or 0, answer.completion_tokens or 0, price)
        await asyncio.gather(*waiting)


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
