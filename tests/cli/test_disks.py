"""Every command on a disk that is read-only and on one that is full, and with a folder where a file should be.

In: a folder with data, programs, traces and a store, on a small disk of its own that takes nothing more. Out: nothing
but a verdict. Law: what cannot be written is told in words that name it, no command ends with an internal error, and
every file that lay there is as it was.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click
import pytest

from rlm_dsl.cli.commands import group
from rlm_dsl.common.system_errors import of_the_system, system_error
from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from tests.support import runs
from tests.support.commands import Ran, command

REPORT = """\
title: A report
contexts: {tickets: tickets.csv}
program: p.rlm
models: {sub: m}
sections: [{text: "It is {answer}."}]
"""
EXACT = 'context tickets: table(id: int, user: text, body: text)\nanswer tickets | where(user == "u1") | count()\n'
DATA = ("--context", "tickets=tickets.csv")
TO = ("--at", "topics", "--set")
WRITE: dict[str, tuple[str, ...]] = {
    "ask": ("ask", "How many?", *DATA, "--model", "m"),
    "bless": ("bless", "run.trace"),
    "cache export": ("cache", "export", "--to", "answers.jsonl"),
    "cache gc": ("cache", "gc", "--keep", "1B", "--yes"),
    "cache import": ("cache", "import", "s.sqlite", "--store", "new.sqlite"),
    "correct": ("correct", "run.trace", *TO, 'topic="other"', "--where", "id == 4"),
    "diff": ("diff", "run.trace", "run.trace", "--html", "diff.html"),
    "eval": ("eval", "tasks.jsonl", "--model", "m"),
    "export": ("export", "run.trace", "--otlp", "--to", "spans.json"),
    "fmt": ("fmt", "odd.rlm", "--write"),
    "load": ("load", "new=tickets.csv"),
    "optimize": ("optimize", "p.rlm", *DATA, "--examples", "labels.jsonl", "--model", "m", "--yes"),
    "pack": ("pack", "run.trace"),
    "prove": ("prove", "run.trace", "--event", "1", "--to", "new.proof"),
    "recheck": ("recheck", "run.trace", "--rows", "2"),
    "report init": ("report", "init", "run.trace", "--out", "reported"),
    "report make": ("report", "report.yaml"),
    "rerun": ("rerun", "run.trace", "--model", "other"),
    "resume": ("resume", "stopped.trace"),
    "review": ("review", "run.trace", "topics", "--rows", "1"),
    "run": ("run", "p.rlm", *DATA, "--model", "m", "--trace", "new.trace"),
    "sign": ("sign", "run.trace", "--key", "key.pem"),
    "test": ("test", "run.trace", "--junit", "verdicts.xml"),
    "unpack": ("unpack", "packed.zip"),
    "view": ("view", "run.trace", "--no-verify"),
    "what-if": ("what-if", "run.trace", *TO, 'classify.guide="Which?"'),
}
READ: dict[str, tuple[str, ...]] = {
    "batch list": ("batch", "list"),
    "cache stats": ("cache", "stats"),
    "card": ("card",),
    "check": ("check", "exact.rlm"),
    "check-proof": ("check-proof", "one.proof"),
    "cite": ("cite", "run.trace"),
    "completion": ("completion", "bash"),
    "doctor": ("doctor", "run.trace"),
    "explain": ("explain", "exact.rlm"),
    "help": ("help", "run"),
    "list": ("list", "."),
    "models": ("models",),
    "peek": ("peek", "tickets.csv"),
    "shell": ("shell", *DATA),
    "show": ("show", "run.trace"),
    "sql": ("sql", "run.trace", "from steps"),
    "verify": ("verify", "run.trace"),
}
WAIT = {"batch cancel", "lsp", "mcp", "serve"}
"""They write nothing of their own, and wait for somebody to ask."""
MAY_REFUSE = {"batch list", "cache stats", "shell"}
"""Those that read or open the store: a disk that takes nothing may refuse even that."""


def test_every_command_is_tried() -> None:
    names = set()
    for name, held in group.commands.items():
        names |= {f"{name} {below}" for below in held.commands} if isinstance(held, click.Group) else {name}
    assert names == {*WRITE, *READ, *WAIT}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(gold=runs.gold(40), script=runs.TURNS_OF_ONE) as found:
        yield found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, recorded_trace: Path, server: Server) -> Path:
    """What lies on the disk before it is full."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    folder = tmp_path_factory.mktemp("base")
    labels = "".join(json.dumps(each) + "\n" for each in runs.gold(40))
    task = json.dumps({"question": "How many?", "context": "tickets.csv", "answer": 3}) + "\n"
    texts = {
        "tickets.csv": runs.csv(40),
        "p.rlm": runs.OF_ONE,
        "odd.rlm": f"{runs.OF_ONE}\n\n",
        "other.rlm": runs.OF_ONE.replace("u1", "u2"),
        "exact.rlm": EXACT,
        "report.yaml": REPORT,
    }
    for name, text in {**texts, "labels.jsonl": labels, "tasks.jsonl": task}.items():
        (folder / name).write_text(text)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    shutil.copytree(recorded_trace, folder / "run.trace")
    assert said(folder, server, "run", "p.rlm", *DATA, "--model", "m").code == 0
    few = ("--model", "m", "--budget", "calls=3", "--trace", "stopped.trace")
    assert said(folder, server, "run", "other.rlm", *DATA, *few).code == 3
    assert said(folder, server, "pack", "run.trace", "--to", "packed.zip").code == 0
    assert said(folder, server, "prove", "run.trace", "--event", "1", "--to", "one.proof").code == 0
    return folder


def said(folder: Path, server: Server, *words: str) -> Ran:
    return command(folder, *words, stdin="1\n", OPENAI_BASE_URL=server.base_url)


def mounted(base: Path, at: Path) -> bool:
    """A small disk at a folder, with what lies in another; false where this machine lets nobody mount one."""
    at.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(at)], capture_output=True).returncode
    ):
        return False
    shutil.copytree(base, at, dirs_exist_ok=True)
    return True


@contextmanager
def read_only(base: Path, at: Path) -> Iterator[Callable[[], None]]:
    """A read-only disk, or a folder whose rights are taken away."""
    if not (disk := mounted(base, at)):
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere, and no disk can be mounted here")
        shutil.copytree(base, at, dirs_exist_ok=True)
    try:
        if disk:
            subprocess.run(["mount", "-o", "remount,ro", str(at)], check=True)
        else:
            subprocess.run(["chmod", "-R", "a-w", str(at)], check=True)
        yield lambda: None
    finally:
        subprocess.run(["umount", "-l", str(at)] if disk else ["chmod", "-R", "u+w", str(at)], check=True)


@contextmanager
def full(base: Path, at: Path) -> Iterator[Callable[[], None]]:
    """A full disk, or no room in any file; what is yielded fills it again."""
    if not mounted(base, at):
        shutil.copytree(base, at, dirs_exist_ok=True)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            yield lambda: None
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    try:
        yield lambda: fill(at / "filled")
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as failure:
            assert failure.errno == errno.ENOSPC


def contents(folder: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


def test_a_refusal_is_the_systems_and_names_its_place() -> None:
    told = of_the_system(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert told is not None and told.message == "a file cannot be written: No space left on device"
    assert of_the_system(RuntimeError("IO Error: Could not write x: Read-only file system")) is not None
    assert of_the_system(ConnectionResetError(errno.ECONNRESET, "reset")) is None
    assert "make room" in system_error(OSError(errno.ENOSPC, "full"), "a", "written", "name another").hint
    assert system_error(IsADirectoryError(errno.EISDIR, "x"), "a", "read").message == "a cannot be read: it is a folder"


@pytest.mark.parametrize("disk", [read_only, full])
def test_what_cannot_be_written_is_told_and_what_lay_there_is_as_it_was(
    base: Path, server: Server, tmp_path: Path, disk: Callable[[Path, Path], AbstractContextManager[Callable[[], None]]]
) -> None:
    for needed in ("dspy", "jinja2"):
        pytest.importorskip(needed)
    names = [p.relative_to(base).as_posix() for p in base.rglob("*") if p.is_file() and "sqlite" not in p.name]
    before = contents(base, names)
    with disk(base, tmp_path / "disk") as filled:
        for name, words in {**WRITE, **READ}.items():
            filled()
            ran = said(tmp_path / "disk", server, *words)
            assert "internal error" not in ran.err and ".partial" not in ran.err, (name, ran.err)
            if name in WRITE:
                assert "cannot be" in ran.err and (ran.code in (2, 3) or name == "review"), (name, ran)
            else:
                assert ran.code in (0, 1) or (name in MAY_REFUSE and "cannot be" in ran.err), (name, ran)
        for name, content in contents(tmp_path / "disk", names).items():
            # a log of a run that is not ended is added to, as far as its last page has room
            assert content == before[name] or (name.startswith("stopped") and content.startswith(before[name])), name
