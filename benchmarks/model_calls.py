"""Model calls a second through the whole stack (store, budget, retries, events) against the bare openai client.

Both in one run, against the same testing endpoint in a process of its own. Prints the ratio; medians of several rounds.
Usage: python benchmarks/model_calls.py [--calls 2000] [--latency 0.02] [--at-once 64] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rlm_dsl.request import Message, ModelSettings, Request
from rlm_dsl.results import json_schema
from rlm_dsl.runtime.calling import Calling
from rlm_dsl.runtime.settings import Limits, Settings
from rlm_dsl.types import Enum, Field, Record

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
    with Calling(settings, None, lambda kind, fields: None) as calling:
        asked = ModelSettings("m", base_url, parameters={"max_completion_tokens": 50})

        async def one(n: int) -> object:
            messages = (Message("system", "Choose."), Message("user", f"{mark} {n}"))
            return await calling.model.answer(Request(asked, messages, json_schema(LABEL)))

        return calling.wait(lambda: in_flight(count, at_once, one))


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, default in (("calls", 2000), ("at-once", 64), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--latency", type=float, default=0.02)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        process, base_url = endpoint(given.latency, Path(held))
        try:
            ratios = []
            for number in range(given.rounds):
                plain = asyncio.run(bare(base_url, given.calls, given.at_once, f"bare {number}"))
                ours = whole(base_url, given.calls, given.at_once, f"whole {number}", Path(held) / "s.sqlite")
                ratios.append(plain / ours)
                print(f"round {number + 1}: bare openai[aiohttp] {given.calls / plain:,.0f} calls/s, "
                      f"rlm-dsl {given.calls / ours:,.0f} calls/s, ratio {ratios[-1]:.2f}")  # fmt: skip
            print(f"median ratio {statistics.median(ratios):.2f} (1 is the bare client's speed)")
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
