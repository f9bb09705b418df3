"""Progress on stderr: of a round's requests, of bytes read.

In: what is done of how much. Out: a bar. Law: nothing is shown where no one looks, but for a line
now and then of what takes very long; nothing under --quiet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rlm_dsl.cli.events import EVENTS, Steps
from rlm_dsl.cli.output import QUIET, note, safe
from rlm_dsl.cli.render.width import shortened
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import cells


def watched() -> bool:
    """Whether progress is to be shown: someone looks, and wants it."""
    return sys.stderr.isatty() and not QUIET.get() and not EVENTS.get()


class Bar:
    """A progress bar on stderr while a round is asked. Where stderr is no terminal it is silent, or tells how far it is
    in a line every `pulse` seconds."""

    def __init__(self, pulse: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.pulse, self.clock, self.told, self.done, self.requests = pulse, clock, clock(), 0, 0
        self.spent: Callable[[], str] = str
        self.bar: Any = None
        self.steps = Steps()
        self.task: Any = None

    def watch(self, spent: Callable[[], str]) -> None:
        from rlm_dsl.models.local.process import SERVERS

        self.spent = spent
        SERVERS.told = self.loading

    def loading(self, model: str) -> None:
        """A model of the user's own is being loaded; while a round's bar is shown, that says it."""
        if self.bar is None and watched():
            note(f"loading {model}")

    def round_started(self, step: str, rows: int, requests: int) -> None:
        self.steps.begun(step, rows, requests)
        self.done, self.requests = 0, requests
        if not watched():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
        from rich.progress import TimeRemainingColumn as Left
        from rich.text import Text

        spent = self.spent

        class Spending(ProgressColumn):
            """What is spent by now, also while nothing is answered yet: a model may be loading."""

            def render(self, task: Any) -> Text:
                return Text(spent())

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Spending(),
            Left(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        self.task = self.bar.add_task(told_step(step, rows), total=requests)

    def answered(self, step: str) -> None:
        if EVENTS.get():
            self.steps.answer(step, self.spent())
        self.done += 1
        if self.pulse is not None and self.clock() - self.told >= self.pulse and not watched():
            self.told = self.clock()
            note(f"{safe(step)}: {self.done:,} of {counted(self.requests, 'request')}; so far {self.spent()}")
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=1)

    def round_ended(self, step: str) -> None:
        self.steps.ended(step, self.spent())
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Says what is waited for, as long as it lasts; nothing where no one looks."""
    if not watched():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(safe(what)):
        yield


def told_step(step: str, rows: int) -> str:
    """A step's name may hold anything, also what rich would take for markup, or a terminal for a command."""
    return f"{shortened(safe(step), 30) if cells(safe(step)) > 30 else safe(step)} ({counted(rows, 'row')})"


@contextmanager
def loading_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Told of bytes read, shows them with the time left, once that has taken a second; None where no one looks."""
    if not watched():
        yield None
        return
    started = time.monotonic()
    bars: list[Any] = []

    def progress(done: int, total: int) -> None:
        if not bars and time.monotonic() - started < 1:
            return
        if not bars:
            bars.append(bytes_bar(what, total))
        bars[0].update(bars[0].task_ids[0], completed=done)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.stop()


def bytes_bar(what: str, total: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.start()
    bar.add_task(f"reading {safe(what)}", total=total)
    return bar
