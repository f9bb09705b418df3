"""A PostgreSQL server of the tests' own, on loopback; tests that need it are passed over where the system has none.

In: nothing. Out: the environment that its clients need (PGHOST, PGPORT, PGUSER, PGPASSWORD), and ways to stop it and
start it again. Law: it ends with the tests; one serves a whole session.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = [Path(found).parent for found in [shutil.which("initdb")] if found]
PROGRAMS += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
needs_postgresql = pytest.mark.skipif(not PROGRAMS, reason="no PostgreSQL server is installed")
PASSWORD = "the-password-of-no-trace"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is there: what its clients need, and ways to stop and start it again at the same address."""

    environment: dict[str, str]
    start: Callable[[], None]
    stop: Callable[[], None]


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """A server with a password. Its folder is not pytest's, which is for its user alone."""
    made = tempfile.TemporaryDirectory(prefix="rlm-dsl-postgresql-", ignore_cleanup_errors=True)
    with made as folder, started(Path(folder)) as server:
        yield server


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    user = None
    if os.getuid() == 0:  # it refuses to run as root
        user = next(name for name in ("postgres", "nobody") if has_user(name))
        shutil.chown(folder, user)
    held = folder / "pg"
    secret = folder / "password"
    secret.write_text(PASSWORD)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = ["-D", str(held), "-U", "tester", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-sync"]
    run(user, folder, "initdb", *made, "--locale=C.UTF-8")
    options = f"-h 127.0.0.1 -p {port} -k '' -F"

    def start() -> None:
        run(user, folder, "pg_ctl", "-D", str(held), "-w", "-l", str(folder / "log"), "-o", options, "start")

    def stop() -> None:
        with suppress(AssertionError):  # on a busy machine it may have ended before it is told to
            run(user, folder, "pg_ctl", "-D", str(held), "-w", "-t", "120", "-m", "immediate", "stop")

    start()
    try:
        names = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
        values = ("127.0.0.1", str(port), "tester", PASSWORD, "postgres")
        yield Server(dict(zip(names, values, strict=True)), start, stop)
    finally:
        stop()


def has_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def run(user: str | None, folder: Path, program: str, *arguments: str) -> None:
    done = subprocess.run(
        [PROGRAMS[0] / program, *arguments],
        user=user,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
        stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout
