"""The servers of this process's own models: each is started when it is first asked, and shared by all who ask it.

In: how a model is to be served. Out: its server's address and key. Law: a key is made for each server, goes to it by
its standard input, and stands nowhere else; servers end with this process, whatever happens to it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import secrets
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.models.local import serving as serving_process
from rlm_dsl.models.local.room import Serving, gigabytes
from rlm_dsl.models.local.serving import NOT_INSTALLED, READY

PATIENCE = 10.0
"""Seconds that a server has to end when it is told to."""
TOLD = 40
"""Lines of what a server said that are kept."""


@dataclass
class LocalServer:
    """Owns one process that serves one model."""

    serving: Serving
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    address: str = ""
    process: subprocess.Popen[str] | None = None
    said: deque[str] = field(default_factory=lambda: deque(maxlen=TOLD))

    def start(self) -> None:
        """Wait until the model is loaded. Raises UserError where that fails."""
        serving = self.serving
        given = {
            "path": str(serving.weights.path),
            "name": serving.weights.name,
            "window": serving.window,
            "slots": serving.slots,
            "threads": serving.threads,
            "key": self.key,
        }
        command = [sys.executable, "-P", serving_process.__file__]  # no module of the folder that it is started in
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", start_new_session=True
        )
        assert self.process.stdin and self.process.stdout
        threading.Thread(target=self.listen, args=(self.process,), daemon=True).start()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(given) + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(READY):
                self.address = f"{line.removeprefix(READY).strip()}/v1"
                break
        else:
            code = self.process.wait()
            raise UserError(
                f"the server of {serving.weights.name} ended before it was ready (exit code {code})"
                + (f": {printable(self.said[-1])}" if self.said else ""),
                "pip install 'rlm-dsl[local]' brings the server"
                if code == NOT_INSTALLED
                else "is the model's file whole?",
                code="local",
            )
        threading.Thread(target=self.drain, args=(self.process,), daemon=True).start()

    def listen(self, process: subprocess.Popen[str]) -> None:
        """Keep the last of what the server says of itself."""
        assert process.stderr
        for line in process.stderr:
            if line.strip():
                self.said.append(line.strip())

    def drain(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for _ in process.stdout:
            pass

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None and bool(self.address)

    def stop(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class LocalServers:
    """Owns the servers of this process, by their models' addresses."""

    def __init__(self) -> None:
        self.held: dict[str, LocalServer] = {}
        self.lock = threading.Lock()
        self.loading = ""
        """The model that is loaded now, for people who watch."""
        self.told: Callable[[str], None] = lambda model: None
        """Hears of a model before it is loaded."""

    def at(self, serving: Serving) -> LocalServer:
        """The server of a model, started where it does not run, or runs with less room than is asked for."""
        url = serving.weights.url
        with self.lock:
            server = self.held.get(url)
            if server is not None and server.running and server.serving == serving:
                return server
            if server is not None:
                server.stop()
            self.loading = serving.weights.name
            self.told(f"{self.loading} ({gigabytes(serving.weights.size)})")
            try:
                self.held[url] = server = LocalServer(serving)
                server.start()
            finally:
                self.loading = ""
            return server

    def stop(self) -> None:
        with self.lock:
            for server in self.held.values():
                server.stop()
            self.held.clear()


SERVERS = LocalServers()
atexit.register(SERVERS.stop)
