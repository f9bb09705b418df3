"""The HTTP routes: chats, models, batches, health and counts.

In: requests of OpenAI clients, `Settings`. Out: replies in the persona's forms. Law: what a request gets is decided in
`outcome`; here it is only counted, delayed and delivered.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from rlm_dsl.testing.batch_api.batches import Batches
from rlm_dsl.testing.delivery import deliver, dropped, response
from rlm_dsl.testing.outcome import Arrival, Outcome, key_problem, outcome, payload
from rlm_dsl.testing.rate import Rate
from rlm_dsl.testing.settings import Settings
from rlm_dsl.testing.traffic import DROPPED, Received, Traffic
from rlm_dsl.testing.wire import Problem, json_payload, model, models

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NO_HEADERS: Mapping[str, str] = {}


class Endpoint:
    """Owns what one running server remembers, and answers its requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.traffic = Traffic(settings.keep_requests)
        self.rate = Rate(settings.faults.requests_per_minute)
        self.batches = Batches(settings, self.traffic)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        if missing := [name for name in self.settings.persona.query if name not in request.query]:
            return self.refusal(Problem(404, f"Resource not found: {', '.join(missing)} is missing.", "404"))
        with self.traffic.arriving() as number:
            in_flight = self.traffic.in_flight
            body, text = parsed(await request.read())
            said = text if body is None else body
            self.traffic.keep(Received(number, said, headers=without_keys(request), query=dict(request.query)))
            if problem := self.rate.problem(time.monotonic()):
                self.traffic.note(number, problem.status, Outcome(problem))
                return self.refusal(problem, self.rate.headers(time.monotonic()))
            result = outcome(Arrival(number, in_flight, authorization(request), body), self.settings)
            if result.said is not None and result.said.delay > 0:
                await asyncio.sleep(result.said.delay)
            reply = payload(result, body, number, self.settings)
            self.traffic.note(number, DROPPED if reply is None else reply.status, result)
            return await deliver(request, reply, result.fault == "reset_midway", self.settings.faults.slow_drip)

    async def deployed(self, request: web.Request) -> web.StreamResponse:
        """A chat as Azure has it: the model in the path, the version of the interface in the query."""
        if "api-version" not in request.query:
            return self.refusal(Problem(404, "Resource not found: api-version is missing.", "404"))
        return await self.chat(request)

    async def told(self, request: web.Request) -> web.StreamResponse:
        """What the persona tells of itself at a path."""
        return response(json_payload(self.settings.persona.tells[request.path]))

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        if problem := key_problem(authorization(request), self.settings, self.traffic.calls):
            return self.refusal(problem)
        told = models(self.settings.served())
        return response(json_payload({**told, "data": [self.settings.persona.listed(each) for each in told["data"]]}))

    async def one_model(self, request: web.Request) -> web.StreamResponse:
        if problem := key_problem(authorization(request), self.settings, self.traffic.calls):
            return self.refusal(problem)
        name = request.match_info["name"]
        if name not in self.settings.served():
            missing = Problem(404, f"The model {name!r} does not exist.", "model_not_found", "model")
            return self.refusal(missing)
        return response(json_payload(self.settings.persona.listed(model(name))))

    async def health(self, request: web.Request) -> web.StreamResponse:
        return response(json_payload({"status": "ok"}))

    async def counted(self, request: web.Request) -> web.StreamResponse:
        return response(json_payload(self.traffic.stats()))

    def refusal(self, problem: Problem, headers: Mapping[str, str] = NO_HEADERS) -> web.Response:
        """A problem as the persona tells it."""
        told = self.settings.persona.error(problem)
        return response(replace(told, headers={**told.headers, **headers}))

    def is_down(self) -> bool:
        limit = self.settings.faults.down_after
        return limit is not None and self.traffic.calls >= limit


def authorization(request: web.Request) -> str:
    """The key as `Authorization` has it; Azure's header is read too."""
    if "api-key" in request.headers:
        return f"Bearer {request.headers['api-key']}"
    return request.headers.get("Authorization", "")


def without_keys(request: web.Request) -> dict[str, str]:
    """The headers by their names in small letters, but those that hold a key."""
    held = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in held.items() if name not in ("authorization", "api-key")}


def parsed(content: bytes) -> tuple[object, str]:
    """The JSON of a body and its text; None for what is no JSON."""
    text = content.decode("utf-8", "replace")
    try:
        return json.loads(text), text
    except (ValueError, RecursionError):
        return None, text


@dataclass(frozen=True, slots=True)
class PlacedRoutes:
    """Routes of `/v1` on a router, where a persona has them."""

    router: web.UrlDispatcher
    path: str

    def add_get(self, path: str, handler: Handler) -> None:
        self.router.add_get(self.path + path.removeprefix("/v1"), handler)

    def add_post(self, path: str, handler: Handler) -> None:
        self.router.add_post(self.path + path.removeprefix("/v1"), handler)


def application(endpoint: Endpoint) -> web.Application:
    app = web.Application(middlewares=[guarding(endpoint)], client_max_size=1 << 40)
    persona = endpoint.settings.persona
    placed = PlacedRoutes(app.router, persona.path)
    app.router.add_post("/openai/deployments/{name}/chat/completions", endpoint.deployed)
    placed.add_post("/v1/chat/completions", endpoint.chat)
    placed.add_get("/v1/models", endpoint.list_models)
    if persona.batches:
        endpoint.batches.routes(placed)
    placed.add_get("/v1/models/{name:.+}", endpoint.one_model)
    for path in persona.tells:
        app.router.add_get(path, endpoint.told)
    app.router.add_get("/healthz", endpoint.health)
    app.router.add_get("/stats", endpoint.counted)
    return app


def guarding(endpoint: Endpoint) -> Any:
    """Drops all but chats (which count themselves) and /stats when down; tells of unknown paths as the persona does."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if endpoint.is_down() and request.path not in ("/stats", "/v1/chat/completions"):
            return dropped(request)
        try:
            return await handler(request)
        except web.HTTPException as failure:
            unknown = Problem(failure.status, f"{request.method} {request.path}: {failure.reason}", "unknown_url")
            return endpoint.refusal(unknown)

    return guard
