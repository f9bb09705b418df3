"""What a piece of work opens: Python's own audit events, kept while somebody watches.

In: a piece of work. Out: the files that it opened, the addresses that it spoke to, the programs that it began. Law: an
audit hook cannot be taken away, so there is one, and it listens only while it is asked to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

EVENTS = {
    "open": "files",
    "os.listdir": "files",
    "os.scandir": "files",
    "sqlite3.connect": "files",
    "socket.connect": "addresses",
    "socket.getaddrinfo": "addresses",
    "socket.bind": "addresses",
    "subprocess.Popen": "programs",
}


@dataclass
class Seen:
    """What was done, in order."""

    files: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)

    def real_files(self) -> set[str]:
        return {os.path.realpath(path) for path in self.files}


_watching: list[Seen] = []
_installed: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and (kind := EVENTS.get(event)):
        said = arguments[1] if event == "socket.connect" else arguments[0]
        if not isinstance(said, int):
            getattr(_watching[-1], kind).append(os.fsdecode(said) if isinstance(said, str | bytes) else str(said))


@contextmanager
def watched() -> Iterator[Seen]:
    """While open, what is done is written down."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    _watching.append(Seen())
    try:
        yield _watching[-1]
    finally:
        _watching.pop()
