"""Ctrl-C while the engine works: it looks for signals only now and then, so it is told from another thread.

In: how to stop the work. Out: a context in which an interrupt stops it at once. Law: outside the main thread, where no
signal arrives, nothing is changed.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """While open, Ctrl-C calls `stop` at once; what then fails for it is a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = threading.Event()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    def watch() -> None:
        while numbers := ours.recv(16):
            if signal.SIGINT in numbers:
                seen.set()
                stop()

    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except Exception as failure:
        if seen.is_set() or "Query interrupted" in str(failure):
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()
        watcher.join()
        ours.close()
