"""A stranger's trace reads none of its reader's files: every command on traces whose header names what is private.

In: a recorded trace, its paths changed, sealed again as its owner could. Out: nothing but a verdict. Law: nothing of a
file that is not the recorded one is shown; outside the working directory and the trace's project it is not even opened
unless its size is the recorded one; no connection is made, no program begun, no pipe waited for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

import rlm_dsl
from rlm_dsl import cli
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.explore.resume import settings_again
from rlm_dsl.integrations.mcp.workspace import Workspace
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Server, Settings
from rlm_dsl.replay.sources import load_context
from rlm_dsl.report.server import Serving
from rlm_dsl.trace.reader import Trace
from tests.support.forging import json_change, sealed_anew
from tests.support.watching import watched

PRIVATE = "PRIVATE-7f3a the rent is due"
SECRET = f"id,user,body\n1,u1,{PRIVATE}\n"


@dataclass(frozen=True)
class Place:
    """Where a reader looks at a stranger's trace, and where something private lies."""

    project: Path
    trace: Path
    private: Path


@pytest.fixture
def place(recorded_trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    project, home = tmp_path / "downloads", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (home / "private.csv").write_text(SECRET)
    (project / "other.trace").symlink_to(recorded_trace)
    shutil.copytree(recorded_trace, project / "a.trace")
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(home))
    return Place(project, project / "a.trace", home / "private.csv")


def header_names(place: Place, given: str, **more: Any) -> None:
    """The header and the evidence name another path, and the trace is sealed again."""
    header = json.loads((place.trace / "trace.json").read_text())
    (context,) = header["contexts"]
    old = context["sources"][0]["path"]
    context["given"] = context["sources"][0]["path"] = given
    context["sources"][0] |= more
    (place.trace / "trace.json").write_text(json.dumps(header, ensure_ascii=False, indent=1) + "\n")
    answer = (place.trace / "answer.json").read_text()
    (place.trace / "answer.json").write_text(answer.replace(json.dumps(old), json.dumps(given)))
    sealed_anew(place.trace)


def absolute(place: Place) -> str:
    return str(place.private)


def upwards(place: Place) -> str:
    return "../home/private.csv"


def linked(place: Place) -> str:
    (place.project / "tickets.csv").symlink_to(place.private)
    return "tickets.csv"


def linked_folder(place: Place) -> str:
    (place.project / "data").symlink_to(place.private.parent)
    return "data/private.csv"


def piped(place: Place) -> str:
    os.mkfifo(place.project / "tickets.csv")
    return "tickets.csv"


def hidden(place: Place) -> str:
    (place.project / ".env.csv").write_text(SECRET)
    return ".env.csv"


def a_glob(place: Place) -> str:
    return f"{place.private.parent}/*.csv"


def from_the_root(place: Place) -> str:
    return str(place.private).lstrip("/")


PATHS: dict[str, Callable[[Place], str]] = {
    "absolute": absolute,
    "upwards": upwards,
    "a link": linked,
    "a link to a folder": linked_folder,
    "a pipe": piped,
    "hidden": hidden,
    "a glob": a_glob,
    "below a folder above": from_the_root,
    "home": lambda place: "~/private.csv",
    "a device": lambda place: "/dev/zero",
    "a process": lambda place: "/proc/self/environ",
    "standard input": lambda place: "-",
    "a folder": lambda place: f"{place.private.parent}/",
    "a server": lambda place: "https://127.0.0.1:9/private.csv",
    "a bucket": lambda place: "s3://bucket/private.csv",
    "a database": lambda place: "postgresql://127.0.0.1:9/db::t",
    "an odd address": lambda place: "postgres:private.rlmctx",
    "a kept context": lambda place: f"{place.private.parent}/private.rlmctx",
}


IN_FULL = ("absolute", "a link", "standard input")
"""Those that all commands are tried on; what reads the sources does so in one way."""


def first_commands(place: Place, capsys: pytest.CaptureFixture[str]) -> str:
    """What the commands print that look for the sources first."""
    for arguments in (["verify", "--json"], ["cite"], ["cite", "--json"], ["doctor"]):
        cli.run([arguments[0], str(place.trace), *arguments[1:]])
    return "".join(capsys.readouterr())


def every_command(place: Place, capsys: pytest.CaptureFixture[str]) -> str:
    """All that the commands print and write of a trace."""
    trace, page = str(place.trace), str(place.project / "page.html")
    told = first_commands(place, capsys)
    commands = [
        ["show", trace],
        ["view", trace, "--out", page],
        ["sql", trace, 'select * from "rows"'],
        ["diff", trace, "other.trace"],
        ["export", trace, "--openlineage"],
        ["rerun", trace, "--to", "again.trace"],
        ["what-if", trace],
        ["test", trace],
        ["bless", trace],
    ]
    for arguments in commands:
        cli.run(arguments)
    with Serving(place.project, "127.0.0.1", 0, {}) as server:
        served = server.answer("/")[1] + server.answer("/view?t=a.trace")[1]
    with Workspace([place.project], Settings(), Keys({})) as workspace:
        try:
            served += workspace.verify(trace)
        except UserError as failure:
            served += str(failure)
    made = [p for p in place.project.glob("*") if p.suffix in (".html", ".yaml", ".json") and p.is_file()]
    return told + "".join(capsys.readouterr()) + served + "".join(p.read_text() for p in made)


@pytest.mark.parametrize("case", PATHS)
def test_a_strangers_trace_reads_none_of_my_files(
    place: Place, capsys: pytest.CaptureFixture[str], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-of-the-environment-91b2")
    header_names(place, PATHS[case](place))
    with watched() as seen:
        told = (every_command if case in IN_FULL else first_commands)(place, capsys)
    assert PRIVATE not in told and "the rent" not in told and "canary-of-the-environment" not in told
    assert hashlib.sha256(SECRET.encode()).hexdigest() not in told
    assert not {str(place.private), str(place.project / ".env.csv"), "/dev/zero"} & seen.real_files()
    assert not [address for address in seen.addresses if ":9" in address or "', 9" in address or "bucket" in address]


def test_a_file_elsewhere_is_opened_where_it_is_the_recorded_one(place: Place, recorded_trace: Path) -> None:
    source = recorded_trace.parent / "tickets.csv"
    assert not source.resolve().is_relative_to(place.project)
    assert rlm_dsl.verify(place.trace).ok
    shutil.copy(source, place.private.parent / "moved.csv")
    (recorded,) = Trace.open(place.trace).header["contexts"]
    moved = {**recorded, "given": str(place.private.parent / "moved.csv")}
    assert load_context(moved, {}, place.trace).count == recorded["rows"]
    (place.private.parent / "moved.csv").write_bytes(source.read_bytes().replace(b"u1", b"u9"))
    with pytest.raises(UserError, match="was not opened"):
        load_context(moved, {}, place.trace)
    with pytest.raises(UserError, match="was not opened"):
        load_context({**moved, "given": f"{place.private.parent}/*.csv"}, {}, place.trace)


def test_a_source_that_differs_is_never_shown(
    place: Place, recorded_trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the project itself: the file is opened, and nothing of what it holds now is shown."""
    head, *rows = (recorded_trace.parent / "tickets.csv").read_text().splitlines()
    changed = [f'{",".join(row.split(",")[:2])},"{PRIVATE}"' for row in rows]
    (place.project / "tickets.csv").write_text("\n".join([head, *changed, ""]))
    header_names(place, "tickets.csv")
    told = every_command(place, capsys)
    assert "its bytes are not the recorded ones" in told and PRIVATE not in told


def test_rows_of_a_kept_context_are_held_against_their_sources(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\ntwo\n")
    folder = tmp_path / "a.rlmctx"
    store_context("t", str(tmp_path / "a.log"), folder)
    rlm_dsl.run("answer t | values(text)", {"t": str(folder)}, trace=tmp_path / "good.trace")
    with duckdb.connect(str(next(folder.glob("rows-*")))) as connection:
        connection.execute("UPDATE rows SET text = 'ten' WHERE text = 'two'")
    forged = rlm_dsl.run("answer t | values(text)", {"t": str(folder)}, trace=tmp_path / "bad.trace")
    assert forged.value == ["one", "ten"]
    assert rlm_dsl.verify(tmp_path / "good.trace").ok
    found = rlm_dsl.verify(tmp_path / "bad.trace")
    assert {each.code for each in found.divergences} == {"D06"}


STRANGE = "https://stranger.example/v1"


@pytest.mark.parametrize(
    ("command", "server"),
    [
        *((command, STRANGE) for command in ("rerun", "what-if", "correct", "resume")),
        ("rerun", "http://10.stranger.example/v1"),
        ("rerun", "http://192.0.2.7/v1"),
    ],
)
def test_a_trace_alone_has_nothing_sent_to_its_server(
    recorded_trace: Path,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    server: str,
) -> None:
    """Neither rows nor the key of whoever runs it again."""
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-environment-91b2")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    json_change("trace.json", 0, ("models", "sub", "base_url"), lambda old: server)(place.trace)
    words = [command, str(place.trace), "--context", f"tickets={recorded_trace.parent / 'tickets.csv'}"]
    if command == "resume":
        (place.trace / "seal.json").unlink()
        log = (place.trace / "events.jsonl").read_bytes().splitlines(keepends=True)
        (place.trace / "events.jsonl").write_bytes(b"".join(log[:-1]))
        (place.trace / "payload" / "calls.parquet").unlink()
    else:
        sealed_anew(place.trace)
        words += ["--trace", "again.trace"]
        words += [] if command == "rerun" else ["--at", "topics", "--set"]
        words += ['topic="other"', "--where", "id == 8"] if command == "correct" else []
        words += ['classify.guide="Which?"'] if command == "what-if" else []
    with watched() as seen:
        code = cli.run(words)
    told = "".join(capsys.readouterr())
    assert code in (2, 3) and f"the trace names the server {server}, and nobody else does" in told, told
    assert f"--base-url {server}" in told and "canary" not in told
    assert not [address for address in seen.addresses if "stranger" in address or "192.0.2.7" in address]


def test_a_server_that_is_said_is_asked(recorded_trace: Path, place: Place) -> None:
    """By an option, the environment or the settings; of this machine, also one that a trace names."""
    settings = Settings(base_url="https://said.example/v1", servers=(Server("https://also.example/v1"),))
    named = {
        "https://said.example/v1": True,
        "https://also.example/v1": True,
        "https://SAID.example:443/v1/": True,
        "https://api.openai.com/v1": True,
        "http://127.0.0.1:9/v1": True,
        "http://localhost:9/v1": True,
        "http://[::1]:9/v1": True,
        "https://said.example.com/v1": False,
        "http://[2001:db8::1]/v1": False,
        "http://localhost.example/v1": False,
        "http://box.local/v1": False,
    }
    header = Trace.open(place.trace).header
    for url, said in named.items():
        models = {"sub": {**header["models"]["sub"], "base_url": url}}
        found = settings_again({**header, "models": models}, settings, None, None)
        assert found.unsaid == (frozenset() if said else {url}), url
