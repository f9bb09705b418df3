"""Events for schedulers: what happens, one line of JSON each, on stderr (`--events`).

In: what a command notes, asks, spends, how it ends. Out: lines of the form that docs/jobs.md has, version 1. Law: with
events, nothing else is on stderr; a line is ASCII without control characters and without secrets, and no answer depends
on who reads it.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_dsl.models.budget import Estimate

VERSION = 1
"""Of the form. A field that is added leaves it; one that goes or means something else raises it."""
EVENTS: ContextVar[bool] = ContextVar("events", default=False)
"""Whether events are told (--events)."""
SECONDS = 1.0
"""Between two lines on how far a step is."""


def emit(event: str, **fields: Any) -> None:
    """One line, if events are told. One that no one takes is let go."""
    if not EVENTS.get():
        return
    from rlm_dsl.trace.secrets import Redaction

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    told = Redaction.of(os.environ).redact_json({"v": VERSION, "time": now, "event": event, **fields})
    with suppress(OSError):
        sys.stderr.write(json.dumps(told, ensure_ascii=True) + "\n")
        sys.stderr.flush()


def begin(arguments: list[str]) -> None:
    """Tell events from here on, if that is asked for."""
    EVENTS.set("--events" in arguments)
    logger = logging.getLogger("rlm_dsl")
    for handler in [each for each in logger.handlers if isinstance(each, Noted)]:
        logger.removeHandler(handler)
    logger.propagate = True
    if EVENTS.get():
        logger.addHandler(Noted())
        logger.propagate = False
        emit("begun", command=next((word for word in arguments if not word.startswith("-")), ""))


class Noted(logging.Handler):
    """Makes events of what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        emit("note", text=record.getMessage())


def estimated(estimate: Estimate) -> None:
    """What a step is going to ask."""
    emit(
        "asks",
        step=estimate.step,
        requests=estimate.requests,
        known=estimate.requests - estimate.new,
        asked=estimate.new,
        tokens_at_most=estimate.most_tokens,
        usd_at_most=estimate.most_usd,
    )


class Steps:
    """Makes events of a step's rounds; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.told = clock, 0.0
        self.answered, self.requests = 0, 0

    def begun(self, step: str, rows: int, requests: int) -> None:
        self.answered, self.requests, self.told = 0, requests, self.clock()
        emit("step.begun", step=step, rows=rows, requests=requests)

    def answer(self, step: str, spent: Any) -> None:
        self.answered += 1
        if self.clock() - self.told >= SECONDS:
            self.told = self.clock()
            emit("step.progress", step=step, answered=self.answered, requests=self.requests, **figures(spent))

    def ended(self, step: str, spent: Any) -> None:
        emit("step.ended", step=step, answered=self.answered, requests=self.requests, **figures(spent))


def figures(spent: Any) -> dict[str, Any]:
    """What the run has spent so far, in figures."""
    return {name: getattr(spent, name) for name in ("calls", "tokens", "usd") if hasattr(spent, name)}
