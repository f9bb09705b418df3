"""Model calls a second through the whole stack (store, budget, retries, events), beside the bare openai client.

Both against the same testing endpoint in a process of its own, which answers after 20 ms; 64 calls under way.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from measure import ROUNDS, Effort, Goal, Measure, Spread, missing, ratios

from rlm_dsl.request import Message, ModelSettings, Request
from rlm_dsl.results import json_schema
from rlm_dsl.runtime.calling import Calling
from rlm_dsl.runtime.servers import Keys
from rlm_dsl.runtime.settings import Limits, Settings
from rlm_dsl.types import Enum, Field, Record

LATENCY, AT_ONCE = 0.02, 64
GOALS = {"openai[aiohttp], bare": Goal(reach=0.8, ideal=1.0, more=True), "dspy.Predict": Goal(4, 10, more=True)}
LABEL = Record((Field("label", Enum(("a", "b"))),))


def endpoint(latency: float, folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The testing endpoint as a process; its base URL is the line it prints."""
    command = [sys.executable, "-m", "rlm_dsl.testing.endpoint", "--port", "0", "--fallback", "first",
               "--gold", str(folder / "gold.jsonl"), "--latency", str(latency)]  # fmt: skip
    (folder / "gold.jsonl").write_text('{"text": "x", "label": "a"}\n')
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def in_flight(count: int, at_once: int, one: Callable[[int], Awaitable[object]]) -> float:
    """Seconds for `count` calls, `at_once` of them under way."""
    left = iter(range(count))

    async def worker() -> None:
        for n in left:
            await one(n)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - started


async def bare(base_url: str, count: int, at_once: int, mark: str) -> float:
    import openai

    schema = {"type": "json_schema", "json_schema": {"name": "result", "strict": True, "schema": json_schema(LABEL)}}
    async with openai.AsyncOpenAI(
        api_key="none", base_url=base_url, max_retries=0, http_client=openai.DefaultAioHttpClient()
    ) as client:

        async def one(n: int) -> object:
            messages = [{"role": "system", "content": "Choose."}, {"role": "user", "content": f"{mark} {n}"}]
            return await client.chat.completions.create(
                model="m", messages=messages, response_format=schema, max_completion_tokens=50
            )

        return await in_flight(count, at_once, one)


def whole(base_url: str, count: int, at_once: int, mark: str, store: Path) -> float:
    settings = Settings(models={"sub": "m"}, base_url=base_url, limits=Limits(calls=count, tokens=10**9),
                        concurrency=at_once, store=str(store))  # fmt: skip
    with Calling(settings, Keys({}), lambda kind, fields: None) as calling:
        asked = ModelSettings("m", base_url, parameters={"max_completion_tokens": 50})

        async def one(n: int) -> object:
            messages = (Message("system", "Choose."), Message("user", f"{mark} {n}"))
            return await calling.model.answer(Request(asked, messages, json_schema(LABEL)))

        return calling.wait(lambda: in_flight(count, at_once, one))


def dspy_calls(base_url: str, count: int, at_once: int, mark: str) -> float | None:
    """The same calls by dspy.Predict in its own threads; None where dspy is not installed."""
    try:
        import dspy
    except ImportError:
        return None
    lm = dspy.LM("openai/m", api_base=base_url, api_key="none", cache=False, max_tokens=50)
    predict = dspy.Predict("text -> label")
    examples = [dspy.Example(text=f"{mark} {n}").with_inputs("text") for n in range(count)]
    with dspy.context(lm=lm):
        started = time.perf_counter()
        predict.batch(examples, num_threads=at_once, disable_progress_bar=True)
        return time.perf_counter() - started


def measures(effort: Effort) -> Iterator[Measure]:
    calls = effort.of(200, 2_000)
    what = f"{calls:,} calls, {AT_ONCE} at once, {LATENCY * 1_000:.0f} ms each"
    with tempfile.TemporaryDirectory() as held:
        process, base_url = endpoint(LATENCY, Path(held))
        try:
            ours: list[float] = []
            peers: dict[str, list[float | None]] = {name: [] for name in GOALS}
            for number in range(-1, ROUNDS):
                plain = asyncio.run(bare(base_url, calls, AT_ONCE, f"bare {number}"))
                whole_stack = whole(base_url, calls, AT_ONCE, f"whole {number}", Path(held) / "s.sqlite")
                dspy = dspy_calls(base_url, calls // 4, AT_ONCE, f"dspy {number}")
                if number >= 0:
                    ours.append(whole_stack)
                    peers["openai[aiohttp], bare"].append(plain)
                    peers["dspy.Predict"].append(None if dspy is None else dspy * 4)
            yield from told(what, ours, peers)
        finally:
            process.terminate()
            process.wait()


def told(what: str, ours: list[float], peers: dict[str, list[float | None]]) -> Iterator[Measure]:
    for name, taken in peers.items():
        known = [seconds for seconds in taken if seconds is not None]
        if len(known) < len(ours):
            yield missing(what, name, Spread.of(ours), GOALS[name])
        else:
            ratio = ratios(ours, known, more=True)
            yield Measure(what, Spread.of(ours), name, Spread.of(known), ratio, GOALS[name])
