"""The endpoint itself: HTTP in, HTTP out, counts in between; and its command line.

In: requests of OpenAI clients, `Settings`. Out: replies in OpenAI's forms, each in one write.
Law: what a request gets is decided in `outcome`; here it is only counted, delayed and delivered.

    python -m rlm_dsl.testing.endpoint --port 8808 --gold gold.jsonl --script turns.json
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import click
from aiohttp import web

from rlm_dsl.testing.answers import Answering
from rlm_dsl.testing.batches import Batches
from rlm_dsl.testing.faults import FAULTS, Faults
from rlm_dsl.testing.gold import Gold
from rlm_dsl.testing.outcome import Arrival, Outcome, Settings, key_problem, outcome, payload
from rlm_dsl.testing.rate import Rate
from rlm_dsl.testing.script import Script
from rlm_dsl.testing.wire import NAMESPACE, Payload, Problem, encoded, error_payload, model, models

DROPPED = 0
"""The status kept of a request whose connection was dropped."""

DRIPS = 20
"""Parts in which a slow reply trickles in."""

HEADERS = {"Server": NAMESPACE}


class PortBusy(OSError):
    """The port is taken by another program."""


@dataclass(frozen=True, slots=True)
class Received:
    """A chat request: its JSON body (the text if it is no JSON), the status sent, the fault met; its headers but those
    that hold a key, and its query.

    `status` is None while the request is in flight, and DROPPED if its connection was dropped.
    """

    number: int
    body: Any
    status: int | None = None
    fault: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


class Endpoint:
    """Owns the counts of one running server, and answers its requests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests: list[Received] = []
        self.calls = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.rate = Rate(settings.faults.requests_per_minute)
        self.batches = Batches(self)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        with self.arriving() as number:
            in_flight = self.in_flight
            body, text = parsed(await request.read())
            said = text if body is None else body
            self.keep(Received(number, said, headers=without_keys(request), query=dict(request.query)))
            if problem := self.rate.problem(time.monotonic()):
                self.note(number, problem.status, Outcome(problem))
                return response(problem_with(problem, self.rate.headers(time.monotonic())))
            result = outcome(Arrival(number, in_flight, authorization(request), body), self.settings)
            if result.said is not None and result.said.delay > 0:
                await asyncio.sleep(result.said.delay)
            reply = payload(result, body, number, self.settings)
            self.note(number, DROPPED if reply is None else reply.status, result)
            return await deliver(request, reply, result.fault == "reset_midway", self.settings.faults.slow_drip)

    async def deployed(self, request: web.Request) -> web.StreamResponse:
        """A chat as Azure has it: the model in the path, the version of the interface in the query."""
        if "api-version" not in request.query:
            return response(error_payload(Problem(404, "Resource not found: api-version is missing.", "404")))
        return await self.chat(request)

    @contextlib.contextmanager
    def arriving(self) -> Iterator[int]:
        """Counts a request in, and out again when its reply is done; gives its number."""
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        number = self.calls
        if self.settings.keep_requests:
            self.requests.append(Received(number, None))
        try:
            yield number
        finally:
            self.in_flight -= 1

    def keep(self, received: Received) -> None:
        if self.settings.keep_requests:
            self.requests[received.number - 1] = received

    def note(self, number: int, status: int, result: Outcome) -> None:
        """Counts the result before it is sent, so that a caller with the reply in hand finds it counted."""
        self.statuses[status] += 1
        self.faults.update([result.fault] if result.fault else [])
        self.tokens.update({"prompt": result.usage.prompt, "completion": result.usage.completion})
        if self.settings.keep_requests:
            kept = self.requests[number - 1]
            self.requests[number - 1] = replace(kept, status=status, fault=result.fault)

    def stats(self) -> dict[str, Any]:
        """What was counted so far."""
        statuses = {"dropped" if status == DROPPED else str(status): n for status, n in sorted(self.statuses.items())}
        return {
            "calls": self.calls,
            "by_status": statuses,
            "by_fault": dict(sorted(self.faults.items())),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "tokens": {"prompt": self.tokens["prompt"], "completion": self.tokens["completion"]},
        }

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        problem = key_problem(authorization(request), self.settings, self.calls)
        return response(error_payload(problem) if problem else json_payload(models(self.settings.served())))

    async def one_model(self, request: web.Request) -> web.StreamResponse:
        if problem := key_problem(authorization(request), self.settings, self.calls):
            return response(error_payload(problem))
        name = request.match_info["name"]
        if name not in self.settings.served():
            missing = Problem(404, f"The model {name!r} does not exist.", "model_not_found", "model")
            return response(error_payload(missing))
        return response(json_payload(model(name)))

    async def health(self, request: web.Request) -> web.StreamResponse:
        return response(json_payload({"status": "ok"}))

    async def counted(self, request: web.Request) -> web.StreamResponse:
        return response(json_payload(self.stats()))

    def is_down(self) -> bool:
        limit = self.settings.faults.down_after
        return limit is not None and self.calls >= limit


def authorization(request: web.Request) -> str:
    """The key as `Authorization` has it; Azure's header is read too."""
    if "api-key" in request.headers:
        return f"Bearer {request.headers['api-key']}"
    return request.headers.get("Authorization", "")


def without_keys(request: web.Request) -> dict[str, str]:
    """The headers by their names in small letters, but those that hold a key."""
    held = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in held.items() if name not in ("authorization", "api-key")}


def problem_with(problem: Problem, headers: Mapping[str, str]) -> Payload:
    told = error_payload(problem)
    return replace(told, headers={**told.headers, **headers})


def parsed(content: bytes) -> tuple[object, str]:
    """The JSON of a body and its text; None for what is no JSON."""
    text = content.decode("utf-8", "replace")
    try:
        return json.loads(text), text
    except (ValueError, RecursionError):
        return None, text


def json_payload(value: object) -> Payload:
    return Payload(200, encoded(value))


def response(reply: Payload) -> web.Response:
    """The reply as aiohttp sends it: headers and body in one write."""
    return web.Response(
        status=reply.status,
        body=reply.body,
        content_type=reply.content_type,
        headers={**HEADERS, **reply.headers},
    )


async def deliver(request: web.Request, reply: Payload | None, midway: bool, slow_drip: float) -> web.StreamResponse:
    """Sends the reply whole, in drips or in half; drops the connection if there is none."""
    if reply is None:
        return dropped(request)
    if not midway and slow_drip <= 0:
        return response(reply)
    opened = web.StreamResponse(status=reply.status, headers={**HEADERS, **reply.headers})
    opened.content_type = reply.content_type
    opened.content_length = len(reply.body)
    with contextlib.suppress(ConnectionError):  # a client that has gone away is none of our business
        await opened.prepare(request)
        await trickle(opened, reply.body[: len(reply.body) // 2] if midway else reply.body, slow_drip)
    return dropped(request) if midway else opened


async def trickle(opened: web.StreamResponse, body: bytes, seconds: float) -> None:
    """Writes a body, its last part after so many seconds. Raises ConnectionError if the client has gone away."""
    size = max(1, -(-len(body) // DRIPS)) if seconds > 0 else max(1, len(body))
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds * size / len(body) if seconds > 0 else 0)
        await opened.write(body[start : start + size])


def dropped(request: web.Request) -> web.StreamResponse:
    """Closes the connection; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def application(endpoint: Endpoint) -> web.Application:
    app = web.Application(middlewares=[guarding(endpoint)], client_max_size=1 << 40)
    app.router.add_post("/v1/chat/completions", endpoint.chat)
    app.router.add_post("/openai/deployments/{name}/chat/completions", endpoint.deployed)
    app.router.add_get("/v1/models", endpoint.list_models)
    endpoint.batches.routes(app.router)
    app.router.add_get("/v1/models/{name:.+}", endpoint.one_model)
    app.router.add_get("/healthz", endpoint.health)
    app.router.add_get("/stats", endpoint.counted)
    return app


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarding(endpoint: Endpoint) -> Any:
    """Drops all but chats (which count themselves) and /stats when down; gives unknown paths OpenAI's form of error."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if endpoint.is_down() and request.path not in ("/stats", "/v1/chat/completions"):
            return dropped(request)
        try:
            return await handler(request)
        except web.HTTPException as failure:
            unknown = Problem(failure.status, f"{request.method} {request.path}: {failure.reason}", "unknown_url")
            return response(error_payload(unknown))

    return guard


@contextlib.asynccontextmanager
async def running(endpoint: Endpoint) -> AsyncIterator[str]:
    """Serves while the context is open; gives the base URL. Raises PortBusy, or OSError for a host that is not ours."""
    runner = web.AppRunner(application(endpoint), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        yield await listening(runner, endpoint.settings.host, endpoint.settings.port)
    finally:
        await runner.cleanup()


async def listening(runner: web.AppRunner, host: str, port: int) -> str:
    try:
        await web.TCPSite(runner, host, port, backlog=1024).start()
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            raise PortBusy(
                failure.errno, f"port {port} of {host} is in use; choose another, or 0 for a free one"
            ) from None
        raise
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{runner.addresses[0][1]}/v1"


def load_gold(path: Path) -> Gold:
    """Gold from a file of JSON Lines. Raises BadGold and OSError."""
    return Gold.parse(path.read_text("utf-8"))


def load_script(path: Path, strict: bool = False) -> Script:
    """A script from a `.json` or a `.txt` file. Raises BadScript and OSError."""
    parse = Script.parse_plain if path.suffix == ".txt" else Script.parse
    return parse(path.read_text("utf-8"), strict)


KINDS: dict[str, Any] = {"float": float, "int | None": int}


def fault_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each field of Faults, its help included."""
    for told in reversed([each for each in fields(Faults) if each.metadata]):
        name = f"--{told.name.replace('_', '-')}"
        default = None if told.default is MISSING else told.default
        kind: dict[str, Any] = {"is_flag": True} if told.type == "bool" else {"type": KINDS[str(told.type)]}
        shown = isinstance(default, float) and default > 0
        option = click.option(name, told.name, default=default, show_default=shown, help=told.metadata["help"], **kind)
        command = option(command)
    return command


def exact_requests(context: click.Context, parameter: click.Parameter, told: Sequence[str]) -> dict[str, list[int]]:
    """`--at 429:1,2` as `{"429": [1, 2]}`."""
    found: dict[str, list[int]] = {}
    for each in told:
        fault, _, numbers = each.partition(":")
        if not all(number.isdigit() for number in numbers.split(",")):
            raise click.BadParameter(f"{each!r} is not of the form FAULT:1,2")
        found.setdefault(fault, []).extend(map(int, numbers.split(",")))
    return found


def names(context: click.Context, parameter: click.Parameter, told: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for each in told for name in each.split(",") if name.strip())


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="python -m rlm_dsl.testing.endpoint")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8808,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option("--gold", type=FILE, help="Gold answers, JSON Lines.")
@click.option("--script", type=FILE, help="Root turns: .json, or .txt with lines of --- between turns.")
@click.option("--strict-script", is_flag=True, help="Answer 500 past the script's end, not its last turn again.")
@click.option(
    "--fallback",
    type=click.Choice(["error", "first", "learn"]),
    default="error",
    show_default=True,
    help="Without gold: 400, a first value, or what the prompt teaches.",
)
@click.option("--error-rate", default=0.0, show_default=True, help="Share of gold answers made wrong on purpose.")
@click.option("--seed", default=0, show_default=True, help="For errors, faults and jitter.")
@click.option("--key", envvar="RLM_DSL_TESTING_KEY", help="The only API key accepted; any without it.")
@click.option("--models", multiple=True, callback=names, help="The only models accepted, separated by commas.")
@click.option(
    "--at", multiple=True, callback=exact_requests, help=f"FAULT:N,N for exact requests: {', '.join(FAULTS)}."
)
@fault_options
def main(
    host: str,
    port: int,
    gold: Path | None,
    script: Path | None,
    strict_script: bool,
    fallback: Any,
    error_rate: float,
    seed: int,
    key: str | None,
    models: tuple[str, ...],
    **faults: Any,
) -> None:
    """Serve scripted answers in OpenAI's API; nothing it says is a model's."""
    try:
        answering = Answering(
            load_gold(gold) if gold else None,
            load_script(script, strict_script) if script else None,
            fallback,
            error_rate,
            seed,
        )
        settings = Settings(answering, Faults(**faults, seed=seed), key, models, host, port, keep_requests=False)
        asyncio.run(until_stopped(Endpoint(settings)))
    except (ValueError, OSError) as failure:
        told = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise click.UsageError(told) from None
    except KeyboardInterrupt:
        return


async def until_stopped(endpoint: Endpoint) -> None:
    """Serves until SIGINT or SIGTERM; prints the base URL when ready."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with running(endpoint) as base_url:
        click.echo(base_url)
        await stopping.wait()


if __name__ == "__main__":
    main()
