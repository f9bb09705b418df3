"""Looking for garbage seldom, while very many small values are made that stay.

In: a block of work. Out: the same, quicker. Law: the interpreter's own settings come back when the last block ends.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (100_000, 50, 50)
LOCK = threading.Lock()
OPEN: list[None] = []
"""One for each block that is open."""
BEFORE: list[tuple[int, int, int]] = []
"""The settings to come back to."""


@contextmanager
def collected_seldom() -> Iterator[None]:
    """A round of 100,000 rows holds millions of values until it ends; going through them again and again takes an
    eighth of its time."""
    with LOCK:
        if not OPEN:
            BEFORE[:] = [gc.get_threshold()]
            gc.set_threshold(*SELDOM)
        OPEN.append(None)
    try:
        yield
    finally:
        with LOCK:
            OPEN.pop()
            if not OPEN:
                gc.set_threshold(*BEFORE[0])
