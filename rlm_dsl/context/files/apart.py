"""Reading in a process of its own, which has so much memory and so much time, and can be ended at any moment.

In: a function of ours by its name, its arguments as texts. Out: the Arrow batches that it writes. Law: what it works on
may be made to take everything: it gets what it was given, and ends with its reader.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from rlm_dsl.common.diagnostics import UserError

LONGEST_MESSAGE = 2_000
START = (
    "import sys; from {module} import {name}; {name}(*sys.argv[1:]); from rlm_dsl.common.processes import end; end(0)"
)


@dataclass(frozen=True, slots=True)
class Reader:
    """The schema and the batches that a process writes; they have an end only where the process came to its own."""

    schema: Any
    batches: Iterable[Any]
    worker: subprocess.Popen[bytes]

    def __iter__(self) -> Iterator[Any]:
        yield from self.batches
        if self.worker.wait():
            raise EOFError


@contextmanager
def batches_apart(
    function: tuple[str, str], arguments: Sequence[str], seconds: float, what: str, advice: str
) -> Iterator[Reader]:
    """The stream of Arrow that a function, by module and name, writes to its standard output. Raises UserError where it
    fails or takes longer than that."""
    import pyarrow as pa

    start = START.format(module=function[0], name=function[1])
    command = [sys.executable, "-P", "-c", start, *arguments]
    worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert worker.stdout is not None and worker.stderr is not None
    said: list[bytes] = []
    listening = threading.Thread(target=keep_last, args=(worker.stderr, said), daemon=True)
    listening.start()
    late = threading.Event()

    def end() -> None:
        late.set()
        worker.kill()

    clock = threading.Timer(seconds, end)
    clock.daemon = True
    clock.start()
    try:
        try:
            stream = pa.ipc.open_stream(worker.stdout)
            yield Reader(stream.schema, stream, worker)
        except (OSError, EOFError, pa.ArrowException) as failure:
            worker.wait()
            listening.join()
            if late.is_set():
                raise UserError(f"{what}: it takes longer than {seconds:.0f} seconds", advice) from None
            told = b"".join(said).decode("utf-8", "replace").strip() or "it needs more memory than it may have"
            raise UserError(f"{what}: {told.splitlines()[-1].partition('  Possible')[0]}", advice) from failure
    finally:
        clock.cancel()
        worker.kill()
        worker.wait()
        worker.stdout.close()
        listening.join()
        worker.stderr.close()


def keep_last(stream: IO[bytes], said: list[bytes]) -> None:
    """The end of what a process says; all of it is taken, so that it never waits for us."""
    held = b""
    while more := stream.read1(1 << 16) if hasattr(stream, "read1") else stream.read(1 << 16):
        held = (held + more)[-LONGEST_MESSAGE:]
    said.append(held)


def limit_memory(more: int) -> None:
    """Let this process take so many bytes more than it has, where the system knows such a limit."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of a disk
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))
    except (ImportError, OSError, ValueError):
        return
