"""Single keys at a terminal: each is read as it is pressed, and none before its row was shown.

In: a terminal. Out: a function that waits for a key. Law: keys are not echoed; what was pressed before a row stood on
the screen is no answer of it; the terminal is left as it was, also by Ctrl-C.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

MOST = 64
"""Bytes that one key may send."""


@dataclass(frozen=True, slots=True)
class SingleKeys:
    """`pressed` waits for a key, `forget` drops those that were pressed and not read."""

    pressed: Callable[[], str]
    forget: Callable[[], object] = lambda: None


@contextmanager
def single_keys(terminal: TextIO) -> Iterator[SingleKeys]:
    """The keys of a terminal, one by one, while open."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        import click

        yield SingleKeys(click.getchar)
        return
    number = terminal.fileno()
    before = termios.tcgetattr(number)

    def pressed() -> str:
        read = os.read(number, MOST).decode("utf-8", "replace")
        return read if read.startswith("\x1b") else read[:1] or "\x04"

    tty.setcbreak(number)
    try:
        yield SingleKeys(pressed, lambda: termios.tcflush(number, termios.TCIFLUSH))
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
