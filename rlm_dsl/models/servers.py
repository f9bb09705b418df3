"""The servers of a run, each with its own client, key, headers and pace.

In: requests. Out: answers, each from the server that its request names. Law: every attempt is announced before it
leaves; the keys and headers of one server never go to another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.attempts import Announced, Log
from rlm_dsl.models.cache.store import AnswerStore
from rlm_dsl.models.client import Endpoint
from rlm_dsl.models.rate_limit import Pace
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.settings import KEY, Server, Settings
from rlm_dsl.models.settings_file import filled


@dataclass(frozen=True, slots=True)
class Keys:
    """Where keys come from: the environment, and one that was handed in for servers that name no variable."""

    environment: Mapping[str, str]
    given: str | None = None

    def of(self, server: Server) -> str | None:
        if server.key == KEY and self.given:
            return self.given
        return self.environment.get(server.key) or None

    def all(self, servers: tuple[Server, ...]) -> dict[str, str]:
        """Every key that may be sent, for redaction, by a name that says what it is."""
        found = {f"{server.key}_KEY": key for server in servers if (key := self.of(server))}
        return found | ({"API_KEY": self.given} if self.given else {})


class Servers:
    """A model over all of a run's servers; each is opened when it is first asked."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        log: Log,
        redact: Callable[[str], str],
        store: AnswerStore,
        noted: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self.settings, self.keys, self.log, self.redact, self.store = settings, keys, log, redact, store
        self.noted = noted
        self.opened: dict[str, tuple[Endpoint, Announced]] = {}

    async def answer(self, request: Request) -> Answer:
        return await self.at(request.settings.base_url)[1].answer(request)

    def at(self, url: str) -> tuple[Endpoint, Announced]:
        if url not in self.opened:
            server, settings = self.settings.server(url), self.settings
            ceiling = server.concurrency or settings.concurrency
            pace = Pace(ceiling, time.monotonic, server.requests_per_minute, server.tokens_per_minute)
            endpoint = Endpoint(
                url,
                self.keys.of(server),
                server.timeout_seconds or settings.timeout_seconds,
                self.redact,
                time.time,
                headers={name: filled(value, self.keys.environment) for name, value in server.headers.items()},
                query=server.query,
                key_header=server.key_header,
                key_name=server.key,
                known=self.store.manners(url),
                learnt=lambda model, manner: self.store.learn(url, model, manner),
                heard=pace.heard,
            )
            self.opened[url] = endpoint, Announced(endpoint, self.log, time.monotonic, pace, self.noted)
        return self.opened[url]

    async def close(self) -> None:
        for endpoint, _ in self.opened.values():
            await endpoint.close()


def check_servers(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raise UserError for a server that names variables which are not set, before anything is asked."""
    used = {model.base_url for model in settings.by_alias().values()}
    for server in settings.servers:
        if server.url in used:
            for value in server.headers.values():
                filled(value, environment)
            if server.key != KEY and server.key and server.key not in environment:
                raise UserError(f"the environment has no {server.key}", f"{server.url} takes its key from there")
