"""Model calls through the whole stack (store, claims, budget, retries, events), beside other clients.

All against the same testing endpoint in a process of its own, which answers after 20 ms; 64 calls under way. CPU is of
the asking process alone, tokens are what the endpoint counts of a prompt.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import ROUNDS, Effort, Goal, Measure, Spread, missing, ratios

from rlm_dsl.api import run
from rlm_dsl.language.answer_schema import json_schema
from rlm_dsl.language.types import Enum, Field, Record
from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, Settings
from rlm_dsl.models.stack import LiveStack

LATENCY, AT_ONCE = 0.02, 64
BARE = "openai[aiohttp], bare"
FASTER = {BARE: Goal(0.8, 1.0, more=True), "dspy.Predict": Goal(4, 10, more=True), "litellm": None}
LABEL = Record((Field("label", Enum(("a", "b"))),))
INSTRUCTION = "Choose the kind of this text."
PROGRAM = 'answer log | classify(on=text, ["a", "b"], into=k, guide="Choose the kind of this text.") | count()\n'


@dataclass(frozen=True, slots=True)
class Taken:
    """What so many calls took: seconds, CPU seconds, and most in flight."""

    seconds: float
    cpu: float
    in_flight: int


class Endpoint:
    """Owns the testing endpoint as a process."""

    def __init__(self, latency: float, folder: Path) -> None:
        (folder / "gold.jsonl").write_text('{"text": "x", "label": "a"}\n')
        (folder / "turns.json").write_text(json.dumps(["[[ ## label ## ]]\na\n\n[[ ## completed ## ]]"]))
        command = [sys.executable, "-m", "rlm_dsl.testing.endpoint", "--port", "0", "--fallback", "first",
                   "--gold", str(folder / "gold.jsonl"), "--script", str(folder / "turns.json"),
                   "--latency", str(latency)]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.replace("/v1", "/stats")) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


async def in_flight(count: int, at_once: int, one: Callable[[int], Awaitable[object]]) -> None:
    """`count` calls, `at_once` of them under way."""
    left = iter(range(count))

    async def worker() -> None:
        for n in left:
            await one(n)

    await asyncio.gather(*(worker() for _ in range(at_once)))


def bare(url: str, count: int, mark: str, folder: Path) -> None:
    asyncio.run(bare_calls(url, count, mark))


async def bare_calls(url: str, count: int, mark: str) -> None:
    import openai

    schema = {"type": "json_schema", "json_schema": {"name": "result", "strict": True, "schema": json_schema(LABEL)}}
    client_of = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=client_of) as client:

        async def one(n: int) -> object:
            messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": f"{mark} {n}"}]
            return await client.chat.completions.create(
                model="m", messages=messages, response_format=schema, max_completion_tokens=50
            )

        await in_flight(count, AT_ONCE, one)


def whole(url: str, count: int, mark: str, folder: Path) -> None:
    settings = Settings(models={"sub": "m"}, base_url=url, limits=Limits(calls=count, tokens=10**9),
                        concurrency=AT_ONCE, store=str(folder / "s.sqlite"))  # fmt: skip
    with LiveStack(settings, Keys({}), lambda kind, fields: None) as models:
        asked = ModelSettings("m", url, parameters={"max_completion_tokens": 50})

        async def one(n: int) -> object:
            messages = (Message("system", INSTRUCTION), Message("user", f"{mark} {n}"))
            return await models.model.answer(Request(asked, messages, json_schema(LABEL)))

        models.wait(lambda: in_flight(count, AT_ONCE, one))


def dspy_calls(url: str, count: int, mark: str, folder: Path) -> None:
    """The same by dspy.Predict in its own threads."""
    import dspy

    lm = dspy.LM("openai/m", api_base=url, api_key="none", cache=False, max_tokens=50)
    predict = dspy.Predict(dspy.Signature("text -> label", INSTRUCTION))
    examples = [dspy.Example(text=f"{mark} {n}").with_inputs("text") for n in range(count)]
    with dspy.context(lm=lm):
        predict.batch(examples, num_threads=AT_ONCE, disable_progress_bar=True)


def litellm_calls(url: str, count: int, mark: str, folder: Path) -> None:
    import litellm

    async def one(n: int) -> object:
        messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": f"{mark} {n}"}]
        return await litellm.acompletion(
            model="openai/m", api_base=url, api_key="none", messages=messages, max_tokens=50, num_retries=0
        )

    asyncio.run(in_flight(count, AT_ONCE, one))


Client = Callable[[str, int, str, Path], None]
PEERS: dict[str, tuple[Client, str]] = {
    BARE: (bare, "openai"),
    "dspy.Predict": (dspy_calls, "dspy"),
    "litellm": (litellm_calls, "litellm"),
}
SHARE = {"dspy.Predict": 4, "litellm": 4}
"""Slow clients make a share of the calls; what they take is for as many as the others."""


def measures(effort: Effort) -> Iterator[Measure]:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        yield from throughput(effort, folder)
        yield from tokens(effort, folder)
        if effort.full:
            yield kept_after_kill(folder)
        yield rerun(effort, folder)


def throughput(effort: Effort, folder: Path) -> Iterator[Measure]:
    calls = effort.of(200, 2_000)
    wanted = PEERS if effort.full else {BARE: PEERS[BARE]}
    here = {name: client for name, (client, module) in wanted.items() if installed(module)}
    taken: dict[str, list[Taken]] = {"": [], **{name: [] for name in here}}
    with ExitStack() as opened:
        endpoints = {name: opened.enter_context(Endpoint(LATENCY, folder)) for name in taken}
        for number in range(-1, ROUNDS):
            for name, client in {"": whole, **here}.items():
                share = SHARE.get(name, 1)
                found = once(client, endpoints[name], calls // share, f"{name} {number}", folder)
                if number >= 0:
                    taken[name].append(Taken(found.seconds * share, found.cpu * share, found.in_flight))
    what = f"{calls:,} calls, {AT_ONCE} at once, {LATENCY * 1_000:.0f} ms each"
    ours = taken[""]
    for name, goal in FASTER.items():
        if name not in wanted:
            continue
        if name not in here:
            yield missing(what, name, Spread.of(t.seconds for t in ours), goal)
            continue
        theirs = taken[name]
        goal = goal or Goal(1, 4, more=True)
        ratio = ratios([t.seconds for t in ours], [t.seconds for t in theirs], more=True)
        note = f"{ours[0].in_flight} in flight, theirs {theirs[0].in_flight}"
        spreads = Spread.of(t.seconds for t in ours), Spread.of(t.seconds for t in theirs)
        yield Measure(what, spreads[0], name, spreads[1], ratio, goal, note=note)
        cpu = [[t.cpu / calls * 1_000 for t in side] for side in (ours, theirs)]
        yield Measure("CPU a call", Spread.of(cpu[0]), name, Spread.of(cpu[1]), ratios(*cpu), unit="ms")


def installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def once(client: Client, endpoint: Endpoint, calls: int, mark: str, folder: Path) -> Taken:
    """One client at its own endpoint, so that what was in flight is its own."""
    started, cpu = time.perf_counter(), time.process_time()
    client(endpoint.url, calls, mark, folder)
    return Taken(time.perf_counter() - started, time.process_time() - cpu, int(endpoint.stats()["max_in_flight"]))


def tokens(effort: Effort, folder: Path) -> Iterator[Measure]:
    """What one short row is shown with, as the endpoint counts it."""
    ours = prompt_tokens(whole, folder)
    for name, (client, module) in (PEERS if effort.full else {BARE: PEERS[BARE]}).items():
        if name != "litellm" and installed(module):
            theirs = prompt_tokens(client, folder)
            ratio = Spread.of([ours / theirs])
            yield Measure(
                "prompt tokens of a short row", Spread.of([ours]), name, Spread.of([theirs]), ratio, unit="tokens"
            )


def prompt_tokens(client: Client, folder: Path) -> float:
    with Endpoint(0, folder) as endpoint:
        client(endpoint.url, 1, "where is my parcel", folder)
        return float(endpoint.stats()["tokens"]["prompt"])


RUN = "import sys, rlm_dsl; rlm_dsl.run(sys.argv[1], {'log': sys.argv[2]}, model='m', base_url=sys.argv[3], " \
      "store=sys.argv[4], concurrency=64, budget={'calls': 10**6, 'tokens': 10**9})"  # fmt: skip


def kept_after_kill(folder: Path, rows: int = 2_000) -> Measure:
    """Killed after two fifths: the share of answered calls that the second run does not ask again."""
    log = lines(folder / "killed.log", rows)
    given = [PROGRAM, str(log), "", str(folder / "kill.sqlite")]
    with Endpoint(LATENCY, folder) as endpoint:
        given[2] = endpoint.url
        process = subprocess.Popen([sys.executable, "-c", RUN, *given])
        while endpoint.stats()["calls"] < rows * 0.4:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        while (before := endpoint.stats())["in_flight"]:
            time.sleep(0.01)
        subprocess.run([sys.executable, "-c", RUN, *given], check=True)
        twice = endpoint.stats()["calls"] - rows
    share = 1 - max(0, twice - AT_ONCE) / before["calls"]
    note = f"{twice} of {before['calls']} calls were made twice, those in flight when it was killed"
    what = f"kept of the calls made before a kill, of {rows:,}"
    return Measure(what, Spread.of([share]), goal=Goal(1.0, 1.0, more=True), unit="share", note=note)


def rerun(effort: Effort, folder: Path) -> Measure:
    """The same program on the same rows once more: no call, and so much CPU a row."""
    rows = effort.of(1_000, 20_000)
    log = lines(folder / "again.log", rows)
    more: dict[str, Any] = {"model": "m", "store": str(folder / "again.sqlite"), "concurrency": 64}
    with Endpoint(0, folder) as endpoint:
        more |= {"base_url": endpoint.url, "budget": {"calls": 10**6, "tokens": 10**9}}
        run(PROGRAM, {"log": log}, **more)
        calls, taken = endpoint.stats()["calls"], []
        for _ in range(ROUNDS):
            cpu = time.process_time()
            run(PROGRAM, {"log": log}, **more)
            taken.append((time.process_time() - cpu) / rows * 1_000)
        again = endpoint.stats()["calls"] - calls
    what = f"CPU a row of a run with nothing changed, {rows:,} rows"
    return Measure(what, Spread.of(taken), goal=Goal(0.05, 0.012), unit="ms", note=f"{again} calls")


def lines(path: Path, count: int) -> Path:
    path.write_text("".join(f"text {n}\n" for n in range(count)))
    return path
