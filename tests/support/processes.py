"""Processes of their own, copied from one that has imported rlm-dsl already: a start takes milliseconds.

In: a function with what it takes, or the words of a command; a folder, the environment, standard input or a terminal.
Out: a process that can be stopped, its exit code and what it wrote. Law: a process shares nothing with the tests but
files and sockets, and Ctrl-C stops it even where the suite itself was started to ignore it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from rlm_dsl import cli
from tests.support.commands import Ran, environment

COPIES = get_context("forkserver")
COPIES.set_forkserver_preload(["tests.support.warm", "tests.support.processes"])
NO_LIMIT = -1


@dataclass(frozen=True)
class Place:
    """Where a process stands: its folder, environment, input and outputs by path, and the largest file it may write."""

    folder: str
    env: Mapping[str, str]
    streams: tuple[str, str, str]
    largest_file: int = NO_LIMIT

    def enter(self) -> None:
        """Make the process that calls stand there; a terminal among the streams becomes its own."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        os.environ.clear()
        os.environ.update(self.env)
        os.chdir(self.folder)
        for number, path in enumerate(self.streams):
            os.dup2(os.open(path, os.O_RDWR), number)
        sys.stdin, sys.stdout, sys.stderr = (  # as long as the process lives
            os.fdopen(number, mode, 1 if number == 2 else -1, encoding="utf-8", closefd=False)
            for number, mode in enumerate("rww")
        )
        if self.largest_file != NO_LIMIT:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.largest_file, resource.RLIM_INFINITY))


def begun(place: Place, work: Callable[..., object], given: tuple[Any, ...], more: Mapping[str, Any]) -> None:
    """What a process does from its first moment on."""
    place.enter()
    work(*given, **more)


def command_line(*words: str) -> None:
    """As `rlm-dsl` with these words."""
    sys.exit(cli.run([*words]))


class Process:
    """Owns a process from its start on; left, it is killed. What it wrote is kept until then."""

    def __init__(
        self,
        folder: Path,
        work: Callable[..., object],
        *given: Any,
        stdin: str | bytes = "",
        terminal: str = "",
        largest_file: int = NO_LIMIT,
        env: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.kept = TemporaryDirectory(prefix="process-")
        streams = [Path(self.kept.name, name) for name in ("in", "out", "err")]
        for path, content in zip(streams, (stdin, "", ""), strict=True):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.out, self.err = streams[1:]
        names = (terminal,) * 3 if terminal else tuple(map(str, streams))
        place = Place(str(folder), {**environment(folder), **(env or {})}, names, largest_file)
        self.process = COPIES.Process(target=begun, args=(place, work, given, more), daemon=True)
        self.process.start()

    @property
    def running(self) -> bool:
        return self.process.is_alive()

    def send(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def lines(self) -> Iterator[str]:
        """The lines that it writes, as they come, until it ends."""
        with self.out.open(encoding="utf-8") as written:
            held = ""
            while True:
                running = self.running
                held += written.read()
                *whole, held = held.split("\n")
                yield from whole
                if not running:
                    return
                time.sleep(0.002)

    def ended(self, seconds: float = 60) -> Ran:
        """Wait for its end: the exit code, negative for a signal, and what it wrote."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it does not end: {self.err.read_text()}"
        out, err = (path.read_bytes().decode("utf-8", "replace") for path in (self.out, self.err))
        assert "Traceback" not in err, err
        return Ran(self.process.exitcode, out, err)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, at: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.kept.cleanup()


def command_started(folder: Path, *words: str, **more: Any) -> Process:
    """The command line in a process of its own."""
    return Process(folder, command_line, *words, **more)


def command_run(folder: Path, *words: str, **more: Any) -> Ran:
    """As `tests.support.commands.command`, in a process of its own."""
    with command_started(folder, *words, **more) as process:
        return process.ended()
