"""A PostgreSQL server of the tests' own, on loopback; tests that need it are passed over where the system has none.

In: nothing. Out: the environment that its clients need (PGHOST, PGPORT, PGUSER, PGPASSWORD). Law: it ends with the
tests.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PROGRAMS = [Path(found).parent for found in [shutil.which("initdb")] if found]
PROGRAMS += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
needs_postgresql = pytest.mark.skipif(not PROGRAMS, reason="no PostgreSQL server is installed")
PASSWORD = "the-password-of-no-trace"


@contextmanager
def postgresql_server() -> Iterator[dict[str, str]]:
    """A server with a password, its clients' environment. Its folder is not pytest's, which is for its user alone."""
    made = tempfile.TemporaryDirectory(prefix="rlm-dsl-postgresql-", ignore_cleanup_errors=True)
    with made as folder, started(Path(folder)) as environment:
        yield environment


@contextmanager
def started(folder: Path) -> Iterator[dict[str, str]]:
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
    run(user, folder, "pg_ctl", "-D", str(held), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": "tester",
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": "postgres",
        }
    finally:
        with suppress(AssertionError):  # on a busy machine it may have ended before it is told to
            run(user, folder, "pg_ctl", "-D", str(held), "-w", "-t", "120", "-m", "immediate", "stop")


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
