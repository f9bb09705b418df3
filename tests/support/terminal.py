"""A terminal of its own for a process: keys in, what stands on the screen out.

In: how the process is started at a terminal. Out: `Terminal`. Law: what is waited for comes, or the test fails with
what was seen.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable

from tests.support.processes import Process


class Terminal:
    """Owns a pseudo terminal and the process at it."""

    def __init__(self, started: Callable[[str], Process]) -> None:
        import pty

        self.screen, self.theirs = pty.openpty()
        self.process = started(os.ttyname(self.theirs))
        self.seen = ""

    def expect(self, wanted: str) -> str:
        """Read until `wanted` is on the screen; what was read."""
        deadline = time.monotonic() + 20
        while wanted not in self.seen:
            ready = select.select([self.screen], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"{wanted!r} does not appear in {self.seen[-800:]!r}"
            self.seen += self.read()
        before, _, self.seen = self.seen.partition(wanted)
        return before + wanted

    def read(self) -> str:
        try:
            read = os.read(self.screen, 65_536)
        except OSError:
            read = b""
        assert read, f"the process ended after {self.seen[-800:]!r}"
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read.decode())

    def type(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def ended(self) -> int:
        """Wait for the process; its exit code."""
        try:
            return self.process.ended().code
        finally:
            os.close(self.screen)
            os.close(self.theirs)
