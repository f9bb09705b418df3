"""The endpoint in a background thread of this process.

In: gold, scripts and faults as a test writes them. Out: a running `Server` with what it received.
Law: `stop` leaves no thread and no socket behind, however often it is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

from rlm_dsl.testing.answers import Answering
from rlm_dsl.testing.faults import Faults
from rlm_dsl.testing.gold import Fallback, Finder, Gold, Row, load_gold
from rlm_dsl.testing.listen import running
from rlm_dsl.testing.persona import Persona, persona_named
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.routes import Endpoint
from rlm_dsl.testing.script import Script, Turns, load_script
from rlm_dsl.testing.settings import Settings
from rlm_dsl.testing.traffic import Received

Started = tuple[str, asyncio.AbstractEventLoop, asyncio.Event]


def serve(
    *,
    gold: Gold | Finder | Iterable[Row] | Path | None = None,
    script: Script | str | Turns | Mapping[str, str | Turns] | Path | None = None,
    strict_script: bool = False,
    fallback: Fallback = "error",
    error_rate: float = 0.0,
    seed: int = 0,
    key: str | None = None,
    models: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    persona: Persona | str = OPENAI,
    **faults: Any,
) -> Server:
    """Start an endpoint; stop it with `stop()`, or use it as a context manager.

    `persona` is the family of servers it answers as (`rlm_dsl.testing.persona`), by name or made for one test.
    `faults` are the fields of `rlm_dsl.testing.faults.Faults`: `rate_429=0.1`, `latency=0.05` (seconds),
    `at={"drop": [1]}`, ... Raises BadGold, BadScript, ValueError or TypeError for settings that make no sense,
    OSError for files that cannot be read and PortBusy (an OSError) for a port that is taken. A callable as gold runs
    in the server's thread, one request at a time.
    """
    known = Answering(gold_of(gold), script_of(script, strict_script), fallback, error_rate, seed)
    chosen = persona_named(persona) if isinstance(persona, str) else persona
    return Server(Settings(known, Faults(**{"seed": seed, **faults}), key, tuple(models), host, port, persona=chosen))


def gold_of(told: Any) -> Gold | None:
    if isinstance(told, Path):
        return load_gold(told)
    return None if told is None else Gold.of(told)


def script_of(told: Any, strict: bool) -> Script | None:
    if isinstance(told, Path):
        return load_script(told, strict)
    return None if told is None else Script.of(told, strict)


class Server:
    """Owns the thread in which an endpoint runs, from construction until `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._endpoint = Endpoint(settings)
        self._started: Future[Started] = Future()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="rlm_dsl.testing", daemon=True)
        self._thread.start()
        self._base_url, self._loop, self._stopping = self._started.result()

    async def _serve(self) -> None:
        stopping = asyncio.Event()
        try:
            async with running(self._endpoint) as base_url:
                self._started.set_result((base_url, asyncio.get_running_loop(), stopping))
                await stopping.wait()
        except Exception as failure:
            if self._started.done():
                raise
            self._started.set_exception(failure)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL; ends in /v1, or as the persona has it."""
        return self._base_url

    @property
    def requests(self) -> list[Received]:
        """The chat requests so far, in order of arrival, each with `body`, `status` and `fault`."""
        return list(self._endpoint.traffic.requests)

    @property
    def calls(self) -> int:
        """How many chat requests have arrived."""
        return self._endpoint.traffic.calls

    @property
    def max_in_flight(self) -> int:
        """The most chat requests there ever were at once."""
        return self._endpoint.traffic.max_in_flight

    @property
    def batches(self) -> dict[str, str]:
        """The batches so far, each with its status."""
        return {batch.id: batch.status for batch in self._endpoint.batches.batches.values()}

    def stats(self) -> dict[str, Any]:
        """What GET /stats says."""
        return self._endpoint.traffic.stats()

    def stop(self) -> None:
        """Close the socket and every connection, and wait for the thread to end. Stopping again does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()
