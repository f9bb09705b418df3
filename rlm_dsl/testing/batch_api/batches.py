"""OpenAI's Batch API on top of the endpoint's own answers: files, batches, polling.

In: an uploaded file of requests. Out: a batch that is done after a while, with a file of answers and one of errors.
Law: each request in a batch is one call, counted and answered (or failed) as if it had come alone.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from rlm_dsl.testing.batch_api.faults import Route, spoiled
from rlm_dsl.testing.delivery import deliver, dropped, response
from rlm_dsl.testing.outcome import Arrival, Outcome, outcome, payload
from rlm_dsl.testing.settings import Settings
from rlm_dsl.testing.traffic import Traffic
from rlm_dsl.testing.wire import Payload, Problem, json_payload


@dataclass(slots=True)
class Batch:
    """One batch: `due` is the loop's time at which its answers are there."""

    id: str
    input: str
    due: float
    status: str = "in_progress"
    output: str | None = None
    errors: str | None = None
    reason: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "created_at": 0,
            "input_file_id": self.input,
            "status": self.status,
            "output_file_id": self.output,
            "error_file_id": self.errors,
            "errors": self.reasons(),
            "request_counts": self.counts or {"total": 0, "completed": 0, "failed": 0},
        }

    def reasons(self) -> dict[str, Any] | None:
        """Why it failed, as `CODE: MESSAGE` says."""
        code, _, message = self.reason.partition(": ")
        told = {"code": code, "message": message, "line": None, "param": None}
        return {"object": "list", "data": [told]} if self.reason else None


STALL = 30.0
"""Seconds for which a stalled call is not answered."""
PROBLEMS = {
    "404": Problem(404, "It is not there.", "not_found"),
    "500": Problem(500, "The server had an error.", "server_error"),
    "502": Problem(502, "The gateway had an error.", "server_error"),
}


def busy(retry_after: float) -> Problem:
    return Problem(429, "Rate limit reached.", "rate_limit_exceeded", retry_after=retry_after)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Router(Protocol):
    """Where routes are added."""

    def add_get(self, path: str, handler: Handler) -> Any: ...
    def add_post(self, path: str, handler: Handler) -> Any: ...


class Batches:
    """Owns the files and batches of one server."""

    def __init__(self, settings: Settings, traffic: Traffic) -> None:
        self.settings, self.traffic = settings, traffic
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.visits: Counter[str] = Counter()

    def routes(self, router: Router) -> None:
        router.add_post("/v1/files", self.troubled("upload", self.upload))
        router.add_get("/v1/files/{id}/content", self.troubled("content", self.content))
        router.add_post("/v1/batches", self.troubled("create", self.create))
        router.add_get("/v1/batches", self.troubled("list", self.newest))
        router.add_get("/v1/batches/{id}", self.troubled("poll", self.poll))
        router.add_post("/v1/batches/{id}/cancel", self.troubled("cancel", self.cancel))

    def troubled(self, route: Route, handler: Handler) -> Handler:
        """A handler whose visits meet what is named for its route, one after another."""

        async def handle(request: web.Request) -> web.StreamResponse:
            faults = self.settings.faults
            named = faults.batch_trouble.get(route, ())
            self.visits[route] += 1
            trouble = named[self.visits[route] - 1] if self.visits[route] <= len(named) else "ok"
            if trouble == "stall":
                await asyncio.sleep(STALL)
            if trouble in ("ok", "drop", "half", "stall"):
                reply = await handler(request)
                if trouble == "half" and isinstance(reply, web.Response) and isinstance(reply.body, bytes):
                    whole = Payload(reply.status, reply.body, reply.content_type)
                    return await deliver(request, whole, midway=True, slow_drip=0.0)
                return dropped(request) if trouble == "drop" else reply
            return self.refusal(PROBLEMS.get(trouble) or busy(faults.retry_after))

        return handle

    async def upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        held = form.get("file")
        if not isinstance(held, web.FileField):
            return self.refusal(Problem(400, "A file is missing.", None, "file"))
        name = f"file-{len(self.files) + 1}"
        self.files[name] = held.file.read()
        size = len(self.files[name])
        value = {"id": name, "object": "file", "bytes": size, "created_at": 0, "filename": "requests.jsonl",
                 "purpose": "batch", "status": "processed"}  # fmt: skip
        return response(json_payload(value))

    async def content(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.files:
            return self.refusal(Problem(404, f"There is no file {name!r}.", "not_found"))
        return response(Payload(200, self.files[name], "application/octet-stream"))

    async def create(self, request: web.Request) -> web.StreamResponse:
        body: Mapping[str, Any] = await request.json()
        faults = self.settings.faults
        if faults.no_batches:
            return self.refusal(Problem(404, "Unknown request URL: POST /v1/batches.", "unknown_url"))
        if body.get("input_file_id") not in self.files:
            return self.refusal(Problem(400, "The input file does not exist.", "invalid_file"))
        due = asyncio.get_running_loop().time() + faults.batch_latency
        batch = Batch(f"batch-{len(self.batches) + 1}", body["input_file_id"], due)
        self.batches[batch.id] = batch
        return response(json_payload(batch.as_json()))

    async def newest(self, request: web.Request) -> web.StreamResponse:
        """The newest first."""
        found = [batch.as_json() for batch in reversed(self.batches.values())]
        return response(json_payload({"object": "list", "data": found, "has_more": False}))

    async def poll(self, request: web.Request) -> web.StreamResponse:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return self.refusal(Problem(404, "There is no such batch.", "not_found"))
        if batch.status == "in_progress" and asyncio.get_running_loop().time() >= batch.due:
            self.finish(batch)
        return response(json_payload(batch.as_json()))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return self.refusal(Problem(404, "There is no such batch.", "not_found"))
        if batch.status == "in_progress":
            batch.status = "cancelled"
        return response(json_payload(batch.as_json()))

    def refusal(self, problem: Problem) -> web.StreamResponse:
        return response(self.settings.persona.error(problem))

    def finish(self, batch: Batch) -> None:
        """Answer every request, up to where the batch expires if it does."""
        lines = [json.loads(line) for line in self.files[batch.input].splitlines() if line.strip()]
        most, batch.reason = self.settings.faults.batch_expires_after, self.settings.faults.batch_fails
        if batch.reason:
            batch.status, batch.counts = "failed", {"total": len(lines), "completed": 0, "failed": 0}
            return
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for line in lines[:most]:
            answered, line_of = self.one(line)
            (good if answered else bad).append(line_of)
        batch.status = "completed" if most is None or len(lines) <= most else "expired"
        spoils = self.settings.faults.batch_spoils
        batch.output, batch.errors = self.written(good, spoils), self.written(bad)
        if "gone" in spoils and batch.output is not None:
            del self.files[batch.output]
        batch.counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}

    def one(self, line: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
        with self.traffic.arriving() as number:
            wanted = self.settings.key
            arrival = Arrival(number, 0, f"Bearer {wanted}" if wanted else "", line["body"])
            result: Outcome = outcome(arrival, self.settings)
            reply = payload(result, line["body"], number, self.settings)
            status = 500 if reply is None else reply.status
            self.traffic.note(number, status, result)
        body = {} if reply is None else json.loads(reply.body)
        told_of = {"status_code": status, "request_id": f"req-{number}", "body": body}
        return status == 200, {
            "id": f"line-{number}",
            "custom_id": line["custom_id"],
            "response": told_of,
            "error": None,
        }

    def written(self, lines: Sequence[Mapping[str, Any]], spoils: Sequence[str] = ()) -> str | None:
        if not lines:
            return None
        name = f"file-{len(self.files) + 1}"
        self.files[name] = spoiled(lines, spoils)
        return name
