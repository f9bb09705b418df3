"""From lines to entries: commands, and statements that may go over many lines.

In: lines of a text, or of a stream as they come. Out: entries. Law: a line belongs to one entry; nothing waits for a
further line where the statement is whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.integrations.editor.reading import continues, goes_on


def entries(lines: Iterable[str], following: Callable[[], str | None]) -> Iterator[str]:
    """Lines put together until a statement is whole; `following` looks at the next line, if it is there."""
    entry = ""
    for line in lines:
        if not entry and line.lstrip().startswith(":"):
            yield line
            continue
        entry += line + "\n"
        if not entry.strip():
            entry = ""
            continue
        behind = following()
        if goes_on(entry) or (behind is not None and continues(behind)):
            continue
        yield entry
        entry = ""
    if entry:
        yield entry


class Lines:
    """Lines of a text, or of a stream as they come; `following` is the next that is more than a comment."""

    def __init__(self, text: str = "", stream: Any = None) -> None:
        self.held = text.encode("utf-8", "surrogatepass")
        self.stream = stream

    def __iter__(self) -> Iterator[str]:
        while True:
            while b"\n" not in self.held and self.more():
                pass
            if not self.held:
                return
            line, _, self.held = self.held.partition(b"\n")
            yield decoded(line)

    def more(self) -> bool:
        """Wait for more; whether there was any."""
        if self.stream is None:
            return False
        read = os.read(self.stream.fileno(), 65_536)
        self.held += read
        self.stream = self.stream if read else None
        return bool(read)

    def following(self) -> str | None:
        while self.ready():
            self.more()
        for line in self.held.split(b"\n"):
            if line.strip() and not line.lstrip().startswith(b"#"):
                return line.decode("utf-8", "replace")
        return None

    def ready(self) -> bool:
        """Whether more is there without waiting and is needed to see a line."""
        import select

        if self.stream is None or self.held.count(b"\n") > 3:
            return False
        try:
            return bool(select.select([self.stream], [], [], 0)[0])
        except (OSError, ValueError):
            return False


def decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8").removeprefix("\ufeff").rstrip("\r")
    except UnicodeDecodeError:
        raise UserError("standard input is no UTF-8 text", "programs are UTF-8") from None
