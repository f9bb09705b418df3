"""One server's Batch API: files and batches, each call tried again as requests are.

In: lines of requests, ids. Out: ids, batches as the server tells of them, bytes. Law: a call that may have made a batch
is not made again before the server was asked whether it did; what the server refuses is told in its own words.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.protocol import Attempt, ModelUnavailable
from rlm_dsl.models.request import ModelSettings, Request
from rlm_dsl.models.retry import first_success
from rlm_dsl.models.server.client import Endpoint
from rlm_dsl.models.server.errors import ServerError, parse_body

T = TypeVar("T")
Batch = Mapping[str, Any]
CHATS = "/v1/chat/completions"
PAGES = 20
"""Pages of a server's list of batches that are looked through for one, a hundred on each."""
GONE = (404, 410)


class BatchRefused(Exception):
    """The server does not take a call: it has no Batch API, or not this file or batch."""

    def __init__(self, error: ServerError) -> None:
        self.error = error
        super().__init__(error.words)


@dataclass(frozen=True, slots=True)
class BatchServer:
    """`sleep` waits between attempts, `draw` gives a number from 0 to 1 for jitter."""

    endpoint: Endpoint
    sleep: Callable[[float], Awaitable[None]]
    draw: Callable[[], float]

    @property
    def about(self) -> Request:
        """What failures are told about: no model, and nothing that a server may repeat."""
        return Request(ModelSettings("", self.endpoint.base_url), ())

    @property
    def headers(self) -> dict[str, Any]:
        """Where another header carries the key, Authorization does not."""
        import openai

        headers: dict[str, Any] = {"X-Stainless-Raw-Response": "true"}
        if self.endpoint.key_header:
            headers["Authorization"] = openai.Omit()
        return headers

    async def upload(self, lines: bytes) -> str:
        """The id of a file with these lines."""
        files = self.endpoint.opened().files

        async def attempt() -> str:
            sent = files.create(file=("requests.jsonl", lines), purpose="batch", extra_headers=self.headers)
            return str((await self.object_of(sent, large=True))["id"])

        return await self.try_again(attempt)

    async def create(self, file: str) -> Batch:
        """A batch of a file's requests."""
        body = {"input_file_id": file, "endpoint": CHATS, "completion_window": "24h"}
        unsure = False

        async def attempt() -> Batch:
            nonlocal unsure
            if unsure and (made := await self.find_once(file)) is not None:
                return made
            try:
                return await self.object_of(self.post("/batches", body))
            except Attempt as failure:
                unsure |= failure.billed
                raise

        return await self.try_again(attempt)

    async def find(self, file: str) -> Batch | None:
        """The batch that was made of a file, if one was."""
        return await self.try_again(lambda: self.find_once(file))

    async def find_once(self, file: str) -> Batch | None:
        """The same, in one attempt; None of a server that lists no batches."""
        after = ""
        for _ in range(PAGES):
            try:
                page = await self.object_of(self.get(f"/batches?limit=100{after}"), "data")
            except BatchRefused:
                return None
            listed = [batch for batch in page["data"] if isinstance(batch, Mapping)]
            for batch in listed:
                if batch.get("input_file_id") == file and batch.get("id"):
                    return batch
            if not page.get("has_more") or not listed:
                return None
            after = f"&after={listed[-1].get('id')}"
        return None

    async def look(self, batch: str) -> Batch | None:
        """How far a batch is; None for one that is gone, or that the server does not tell of."""
        try:
            return await self.try_again(lambda: self.object_of(self.get(f"/batches/{batch}")))
        except BatchRefused:
            return None

    async def cancel(self, batch: str) -> Batch | None:
        """End a batch; None for one that is gone."""
        try:
            return await self.try_again(lambda: self.object_of(self.post(f"/batches/{batch}/cancel", {})))
        except BatchRefused as refusal:
            if refusal.error.status in GONE:
                return None
            raise

    async def content(self, file: str) -> bytes | None:
        """A file's bytes; None for one that is gone."""

        async def attempt() -> bytes:
            reply = await self.reply_to(self.get(f"/files/{file}/content"))
            return bytes(reply.content)

        try:
            return await self.try_again(attempt)
        except BatchRefused:
            return None

    def get(self, path: str) -> Awaitable[Any]:
        return self.endpoint.opened().get(path, cast_to=object, options={"headers": self.headers})

    def post(self, path: str, body: Mapping[str, Any]) -> Awaitable[Any]:
        return self.endpoint.opened().post(path, cast_to=object, body=dict(body), options={"headers": self.headers})

    async def try_again(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What an attempt gives in the end. Raises UserError for an outage, a key, money; BatchRefused for all else."""
        try:
            return await first_success(attempt, self.sleep, self.draw)
        except Attempt as failure:
            raise failure.error from None

    async def object_of(self, sent: Awaitable[Any], name: str = "id", *, large: bool = False) -> Batch:
        """A reply's object, with a field that it must have; what is large may take more than a call's time."""
        reply = await self.reply_to(sent, None if large else self.endpoint.timeout)
        value = parse_body(reply.text)
        if not isinstance(value, Mapping) or not isinstance(value.get(name), str | list):
            error = ModelUnavailable(f"{self.endpoint.base_url} answered what is no batch")
            raise Attempt(error, again=True, billed=True)
        return value

    async def reply_to(self, sent: Awaitable[Any], seconds: float | None = None) -> Any:
        """One call's reply. Raises Attempt for what may pass and for what ends a run, BatchRefused for all else."""
        try:
            async with asyncio.timeout(seconds):
                return (await sent).http_response
        except (UserError, Attempt):
            raise
        except Exception as failure:
            error = self.endpoint.error_of(failure, self.about)
            if error is None:
                raise self.endpoint.attempt(failure) from None
            if error.kind() in ("busy", "broken", "key", "credit", "redirect"):
                raise self.endpoint.refusal(error, self.about, failure) from None
            raise BatchRefused(error) from None
