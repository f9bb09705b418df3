"""What a process does until it is killed: every line that it writes is one thing that it was told is kept.

In: a file. Out: a line for each thing kept. Law: a line is written when, and only when, the thing was handed back.
"""

from __future__ import annotations

from pathlib import Path

from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.trace.events import EventLog

MANY = 10_000_000


def answers_put(store: Path, number: int) -> None:
    """Answers put into a store; each line is the key of one."""
    held = SqliteStore(store)
    for n in range(MANY):
        asked = Request(ModelSettings("m", "u"), (Message("user", f"{number} {n}"),))
        held.put(asked, Answer(str(n))).result()
        print(asked.key, flush=True)


def events_appended(path: Path) -> None:
    """Events appended to a log; each line is the number of one."""
    log = EventLog(path, lambda: "2026")
    for number in range(MANY):
        log.append("call.start", key=number, text="x" * (number % 700))
        print(number, flush=True)
