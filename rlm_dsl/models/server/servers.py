"""The servers of a run, each with its own client, key, headers and pace.

In: requests. Out: answers, each from the server that its request names. Law: one request goes ahead where it is unknown
how a server takes it; an attempt has its place at the server before it asks the budget, and is announced after that and
before it is sent; the keys and headers of one server never go to another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.attempts import Announced, Log
from rlm_dsl.models.budget import Budgeted, Spending
from rlm_dsl.models.cache.protocol import AnswerStore
from rlm_dsl.models.local.process import SERVERS
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.address import WEIGHTS, is_local
from rlm_dsl.models.server.client import Endpoint
from rlm_dsl.models.server.dialects import LLAMACPP, USUAL, Dialect, Dialects
from rlm_dsl.models.server.one_ahead import OneAhead, Standing
from rlm_dsl.models.server.rate_limit import Pace, Paced
from rlm_dsl.models.server.reply_forms import LLGUIDANCE
from rlm_dsl.models.settings import KEY, Server, Settings
from rlm_dsl.models.settings_file import VARIABLE, fill_variables
from rlm_dsl.trace.secrets import TELLING

USUAL_CONCURRENCY = 16
"""Requests in flight at most, where neither the user nor the server says how many."""


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
        for server in servers:
            sent = {**server.headers, **server.query}
            for name, value in sent.items():
                found |= {f"{name}_SECRET": value} if TELLING.search(name) and not VARIABLE.search(value) else {}
                found |= {f"{one}_SECRET": self.environment.get(one, "") for one in VARIABLE.findall(value)}
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
        spending: Spending,
        noted: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self.settings, self.keys, self.log, self.redact, self.store = settings, keys, log, redact, store
        self.spending, self.noted = spending, noted
        self.opened: dict[str, tuple[Endpoint, Model]] = {}
        self.known: dict[str, Dialects] = {}
        """How servers that were not asked in this run are asked, as earlier runs learned it."""

    async def answer(self, request: Request) -> Answer:
        endpoint, model = self.at(request.settings.base_url)
        endpoint.opened()  # which takes its time once, and that is not the budget's
        window = self.settings.windows.get((request.settings.base_url, request.settings.model))
        if window is not None and request.prompt_tokens > window:
            await endpoint.check_window(request, window)
        return await model.answer(request)

    def at(self, url: str) -> tuple[Endpoint, Model]:
        if url not in self.opened:
            server, settings = self.settings.server(url), self.settings
            ceiling = server.concurrency or settings.concurrency or settings.slots.get(url) or USUAL_CONCURRENCY
            rates = server.requests_per_minute, server.tokens_per_minute
            queues = (server.timeout_seconds or settings.timeout_seconds) if is_local(url) else None
            pace = Pace(ceiling, time.monotonic, *rates, self.spending.sleep, queues)
            endpoint = endpoint_of(
                settings,
                self.keys,
                url,
                self.redact,
                known=self.store.dialects(url),
                usual=usual_at(settings.grammars.get(url)),
                learnt=lambda model, dialect: self.learn(url, model, dialect),
                heard=pace.heard,
            )
            announced = Announced(endpoint, self.log, time.monotonic, self.noted)
            dialects = endpoint.dialects
            budgeted = Budgeted(Standing(announced), self.spending, settings.price_of, dialects.room, dialects.beside)
            self.opened[url] = endpoint, OneAhead(Paced(budgeted, pace), endpoint.dialects.given_up)
        return self.opened[url]

    def takes_grammars(self, request: Request) -> bool:
        """As far as a server was asked anything in this run."""
        held = self.opened.get(request.settings.base_url)
        return held is None or held[0].dialects.takes_grammars(request)

    def beside(self, request: Request) -> int:
        """Tokens that a request's server counts beside its messages, as far as it was asked anything in this run."""
        held = self.opened.get(request.settings.base_url)
        return 0 if held is None else held[0].dialects.beside(request)

    def room(self, request: Request) -> int:
        """Tokens that the answer to a request may have, as far as is known of its server, now or from earlier runs."""
        url = request.settings.base_url
        if url in self.opened:
            return self.opened[url][0].dialects.room(request)
        if url not in self.known:
            self.known[url] = Dialects(known=dict(self.store.dialects(url)))
        return self.known[url].room(request)

    def learn(self, url: str, model: str, dialect: Dialect) -> None:
        """Remember how a model is asked, and say so."""
        self.store.learn(url, model, dialect)
        self.log("model.dialect", {"server.address": url, "gen_ai.request.model": model, "asked": dialect.told()})

    async def close(self) -> None:
        for endpoint, _ in self.opened.values():
            await endpoint.close()


def usual_at(form: str | None) -> Dialect:
    """How models are asked at a server that is known to take grammars of a form; None for any other."""
    if form is None:
        return USUAL
    return Dialect(form, reply=LLGUIDANCE) if form in LLAMACPP else Dialect(form)


def endpoint_of(settings: Settings, keys: Keys, url: str, redact: Callable[[str], str] = str, **more: Any) -> Endpoint:
    """The endpoint of a server, as the settings say that it is spoken to. Raises UserError for a server that nobody but
    a trace names: whoever made the trace would get rows and a key."""
    if url in settings.unsaid:
        raise UserError(
            f"the trace names the server {url}, and nobody else does: nothing was sent there",
            f"if it is meant, say so: --base-url {url}",
        )
    server = settings.server(url)
    if WEIGHTS.fullmatch(url):
        more["reached"] = lambda: local_server(settings, url)
    return Endpoint(
        url,
        keys.of(server),
        server.timeout_seconds or settings.timeout_seconds,
        redact,
        time.time,
        headers={name: fill_variables(value, keys.environment) for name, value in server.headers.items()},
        query={name: fill_variables(value, keys.environment) for name, value in server.query.items()},
        key_header=server.key_header,
        key_name=server.key,
        **more,
    )


def local_server(settings: Settings, url: str) -> tuple[str, str]:
    """The address and the key of a server of the run's own, started if it does not run. Raises UserError."""
    serving = settings.local.get(url)
    if serving is None:
        hint = "say where they lie: --model local:PATH.gguf, or for resume under `models` in rlm-dsl.yaml"
        raise UserError(f"the weights of {url.removeprefix('local:')[:12]}… are not at hand", hint, code="local")
    server = SERVERS.at(serving)
    return server.address, server.key


def check_servers(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raise UserError for a server that names variables which are not set, before anything is asked."""
    used = {model.base_url for model in settings.by_alias().values()}
    for server in settings.servers:
        if server.url in used:
            for value in (*server.headers.values(), *server.query.values()):
                fill_variables(value, environment)
            if server.key != KEY and server.key and server.key not in environment:
                raise UserError(f"the environment has no {server.key}", f"{server.url} takes its key from there")


def reached(settings: Settings, url: str, keys: Keys) -> tuple[str, str]:
    """Where another client reaches a server, and with which key: a server of local weights is started for it."""
    if WEIGHTS.fullmatch(url):
        return local_server(settings, url)
    return url, keys.of(settings.server(url)) or "none"
