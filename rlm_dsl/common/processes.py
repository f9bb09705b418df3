"""Whether another process is still there, how much memory all of them have, and the end of our own.

In: its number, an exit code. Out: yes or no, bytes. Law: what cannot be told is believed to run, and nothing is ever
sent to it; a process of ours ends with its own exit code, whatever threads libraries have.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn


def is_running(process: int) -> bool:
    """Whether a process of this number runs, as far as can be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def physical_memory() -> int:
    """Bytes of memory that the machine has; much where it does not say."""
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 36


def end(code: int) -> NoReturn:
    """End this process: exit handlers run and output is handed over, but the interpreter is not taken apart.

    Arrow and DuckDB have threads in C++ that may still let go of what Python holds, such as the bytes of a file. A
    thread that asks a dying interpreter for leave is ended amid C++, which aborts all of the process (exit code 134).
    """
    if any(not (thread.daemon or thread is threading.current_thread()) for thread in threading.enumerate()):
        sys.exit(code)  # Python's own threads have work left: it waits for them
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """While open, this process takes so many bytes more than it has, where the system knows such a limit: who asks for
    more gets a MemoryError. One at a time, as there is one limit."""
    with LIMITED, limited(more):
        yield


LIMITED = threading.Lock()


@contextmanager
def limited(more: int) -> Iterator[None]:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of a disk
            now = int(file.read().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = now + more if hard == resource.RLIM_INFINITY else min(now + more, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
