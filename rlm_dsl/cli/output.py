"""What the commands print: plain text on stdout for results, stderr for progress and problems.

In: results, diagnostics, progress. Out: text. Law: nothing of the data reaches a terminal as a control character.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rlm_dsl.common.diagnostics import printable

QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether notes and progress are left out (--quiet)."""
MARKS = {"ok": "✓", "failed": "✗", "skipped": "-"}


def write(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    if not QUIET.get():
        sys.stderr.write(text + "\n")


def watched() -> bool:
    """Whether progress is to be shown: someone looks, and wants it."""
    return sys.stderr.isatty() and not QUIET.get()


def safe(text: str) -> str:
    """Text of any origin, its lines kept and everything else that could steer a terminal made visible."""
    return "\n".join(printable(line) for line in text.split("\n"))


def indented(text: str, by: str = "  ") -> str:
    return "\n".join(f"{by}{line}" if line else "" for line in text.split("\n"))


class Bar:
    """A progress bar on stderr while a round is asked; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self.spent: Callable[[], str] = str
        self.bar: Any = None
        self.task: Any = None

    def watch(self, spent: Callable[[], str]) -> None:
        self.spent = spent

    def round_started(self, step: str, rows: int, requests: int) -> None:
        if not watched():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[spent]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        self.task = self.bar.add_task(f"{step} ({rows:,} rows)", total=requests, spent="")

    def answered(self, step: str) -> None:
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=1, spent=self.spent())

    def round_ended(self, step: str) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


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

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.start()
    bar.add_task(f"reading {safe(what)}", total=total)
    return bar


def table_text(columns: tuple[str, ...], rows: list[list[Any]], limit: int = 20, width: int = 40) -> str:
    """Rows as aligned text, at most `limit` of them, cells at most `width` characters."""
    from rlm_dsl.explore.view import cell

    shown = [[cell(value, width) for value in row] for row in rows[:limit]]
    widths = (
        [max(len(name), *(len(row[i]) for row in shown), 0) for i, name in enumerate(columns)]
        if shown
        else [len(name) for name in columns]
    )
    lines = ["  ".join(name.ljust(w) for name, w in zip(columns, widths, strict=True)).rstrip()]
    lines += ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in shown]
    if len(rows) > limit:
        lines.append(f"... {len(rows) - limit:,} more rows")
    return "\n".join(lines)
