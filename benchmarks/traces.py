"""What traces cost: verify, rerun with nothing changed, diff, show, opening a review, at 10,000 or 100,000 calls.

The trace is written by the code that records every run; its answers come from a function in this process, so that no
server's time is in it. Peers: one pass of sha256 over the same files, which is the least that any check of them takes,
and SQLite reading and parsing as many recorded answers, which is what a cache of answers does on a rerun.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from measure import Effort, Goal, Measure, Spread, compared

import rlm_dsl
from rlm_dsl.common.source import Source
from rlm_dsl.compare.diff import diff
from rlm_dsl.context.loading import load
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.sub_runs import replayed_calls
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.run import header_of, record_run, run_log
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.registry import operator_versions
from rlm_dsl.models.attempts import Announced
from rlm_dsl.models.known_answers import NONE_KNOWN
from rlm_dsl.models.recorded import Recorded
from rlm_dsl.models.recording import Recording
from rlm_dsl.models.request import Answer, ModelSettings, Request
from rlm_dsl.models.settings import Settings
from rlm_dsl.review.session import open_session
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.secrets import Redaction
from rlm_dsl.trace.story import story

PROGRAM = """\
context tickets: table(id: int, user: text, body: text)
topics = tickets | classify(on=body, labels=["billing", "other"], into=topic)
billing = topics | where(topic == "billing")
answer {total: count(billing), per_user: billing | group(by=user, n=count()) | sort(-n, user) | take(20)}
"""


class ByRule:
    """Answers by a rule; each is announced and told of as a live one is."""

    async def answer(self, request: Request) -> Answer:
        text = json.dumps({"label": "billing" if "7" in request.messages[-1].content else "other"})
        return Answer(text, model="rule", prompt_tokens=60, completion_tokens=5)


def tickets(path: Path, rows: int, changed: int = 0) -> Path:
    """Tickets of which the first so many are others."""
    words = "my card was charged twice and the shop does not answer, please look into it"
    with path.open("w") as file:
        file.write("id,user,body\n")
        for n in range(rows):
            file.write(f'{n},u{n % 997},"{"again, " if n < changed else ""}{words} ({n})"\n')
    return path


def recorded(data: Path, to: Path) -> Path:
    """A sealed trace of the program over the data."""
    contexts = {"tickets": load("tickets", str(data))}
    settings = Settings(models={"root": "m", "sub": "m"}, base_url="http://127.0.0.1:1/v1")
    models: Mapping[str, ModelSettings] = settings.by_alias()
    calls = replayed_calls(models, Recorded(lambda key: None), CallOptions())
    header = header_of(contexts, {}, models, settings, {}, operator_versions())
    with run_log(to, Redaction()) as held, Warehouse(contexts=contexts.values()) as warehouse:
        announced = Announced(ByRule(), held.tell, time.monotonic)
        calls.models.recording = Recording(announced, lambda key: "live")
        held.begin({"program": PROGRAM}, header, NONE_KNOWN)
        source = Source("program.rlm", PROGRAM)
        record_run(source, contexts, {}, settings, calls, calls.models.recording, NoProgress(), held, warehouse, header)
    return to


def hashed(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")


def answers_in(path: Path, trace: Path) -> int:
    """The recorded answers as a cache of answers in SQLite; how many."""
    table = Trace.open(trace).table("calls")
    rows = zip(table.column("key").to_pylist(), table.column("answer").to_pylist(), strict=True)
    with sqlite3.connect(path) as cache:
        cache.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT) WITHOUT ROWID")
        cache.executemany("INSERT INTO answers VALUES (?, ?)", rows)
    return table.num_rows


def looked_up(path: Path, keys: list[str]) -> None:
    with sqlite3.connect(path) as cache:
        for key in keys:
            json.loads(cache.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()[0])


def measures(effort: Effort) -> Iterator[Measure]:
    rows = effort.of(5_000, 100_000)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        os.environ["RLM_DSL_STORE"] = str(folder / "store.sqlite")
        first = recorded(tickets(folder / "a.csv", rows), folder / "a.trace")
        month = tickets(folder / "b.csv", rows + rows // 100, changed=rows // 100)
        second = recorded(month, folder / "b.trace")
        answers_in(folder / "cache.sqlite", first)
        keys = Trace.open(first).table("calls").column("key").to_pylist()
        goals = {"verify": Goal(10, 3), "rerun, nothing changed": Goal(5, 1), "diff": Goal(10, 5), "show": Goal(1, 0.5)}
        goals["review, opened"] = Goal(10, 5)
        number = iter(range(1_000))

        def rerun() -> None:
            found = rlm_dsl.rerun(first, to=folder / f"c{next(number)}.trace", store=str(folder / "empty.sqlite"))
            assert found.result.spent.calls == 0 and not found.asked

        def verify() -> None:
            assert rlm_dsl.verify(first).ok

        works: dict[str, Any] = {
            "verify": verify,
            "rerun, nothing changed": rerun,
            "diff": lambda: diff(Trace.open(first), Trace.open(second)),
            "show": lambda: story(Trace.open(first)),
            "review, opened": lambda: open_session(first).close(),
        }
        rounds = effort.of(2, 3)
        for what, work in works.items():
            peers = {"sha256 of the same files": lambda: hashed(first)}
            if what.startswith("rerun"):
                peers["SQLite, the same answers"] = lambda: looked_up(folder / "cache.sqlite", keys)
            lines = compared(f"{what}, {rows:,} calls", work, peers, rounds=rounds)
            yield from lines
            if lines[0].ours:
                at = Spread(*(float(f"{v * 100_000 / rows:.3g}") for v in vars_of(lines[0].ours)))
                yield Measure(f"{what}, 100,000 calls", at, goal=goals[what], note="" if effort.full else "scaled")


def vars_of(spread: Spread) -> tuple[float, float, float]:
    return spread.median, spread.least, spread.most
