"""Every command on traces that were tampered with: links, pipes, changed files. What is not the trace's is not opened,
and what is not as it was sealed is refused, or shown as that.

In: a recorded trace, changed and not sealed again. Out: nothing but a verdict. Law: no command waits, shows what lies
elsewhere, or shows a changed answer as if it were the recorded one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from rlm_dsl import cli
from rlm_dsl.cli.commands import group
from tests.support import runs
from tests.support.forging import Forgery, forged, forgeries, json_change
from tests.support.trace_commands import trace_commands
from tests.support.watching import watched

PRIVATE = "PRIVATE-7f3a the rent is due"
FILES = ("trace.json", "program.rlm", "plan.sql", "steps.jsonl", "answer.json", "events.jsonl", "seal.json",
         "seal.dsse.json", "payload/calls.parquet", "payload/calls.jsonl", "payload", "extra")  # fmt: skip
IN_FULL, FIRST = ("program.rlm", "payload"), ("show", "sql", "verify", "pack", "sign")
"""The files that all commands are tried on, and the commands for the others: all open a trace in one way."""
LOOKS = frozenset({"show", "show in JSON", "verify", "doctor", "test", "view"})
"""Those that look at what is there, and say that it is not what was sealed."""


@pytest.fixture
def trace(recorded_trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "to").mkdir()
    (tmp_path / "private").write_text(PRIVATE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "calls.parquet").write_text(PRIVATE)
    shutil.copytree(recorded_trace, tmp_path / "a.trace")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "a.trace"


def test_every_command_that_takes_a_trace_is_tried() -> None:
    context = click.Context(group)
    taking = set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if {"trace", "a", "file", "target"} & {p.name for p in command.params if isinstance(p, click.Argument)}:
            taking.add(name)
    assert taking <= {words[0] for words in trace_commands(Path("t"), Path()).values()}


@pytest.mark.parametrize("way", ["a link", "no file"])
@pytest.mark.parametrize("name", FILES)
def test_a_trace_with_links_or_pipes_is_read_by_no_command(
    trace: Path, capsys: pytest.CaptureFixture[str], name: str, way: str
) -> None:
    place = trace / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    if way == "a link":
        place.symlink_to(trace.parent / ("folder" if name == "payload" else "private"))
    else:
        os.mkfifo(place)
    commands = trace_commands(trace, trace.parent / "to")
    for command in commands if name in IN_FULL else FIRST:
        words = commands[command]
        with watched() as seen:
            code = cli.run(words)
        told = "".join(capsys.readouterr())
        assert code in (1, 2) and PRIVATE not in told, (command, told)
        assert "internal error" not in told and "Traceback" not in told, (command, told)
        assert str(trace.parent / "private") not in seen.real_files(), command
    assert not [path for path in (trace.parent / "to").iterdir() if path.suffix != ".pem"]


def test_no_command_shows_a_changed_trace_as_the_recorded_one(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_change("answer.json", 0, ("parts", 0, "value"), lambda old: old + 1_000_000)(trace)
    for command, words in trace_commands(trace, trace.parent / "to").items():
        code = cli.run(words)
        told = "".join(capsys.readouterr())
        if command.startswith("show"):
            assert "answer.json was changed" in told and ("NOT AS IT WAS SEALED" in told or '"changed"' in told)
        elif command not in LOOKS:
            assert code == 2 and "1000007" not in told and "1,000,007" not in told, (command, told)
        if command in ("verify", "test"):
            assert code == 1 and "answer.json was changed" in told
    page = (trace.parent / "to" / "view.html").read_text()
    assert "answer.json was changed" in page and not (trace.parent / "to" / "other.html").exists()


def test_a_trace_that_was_sealed_again_and_not_ended_again_is_changed_too(
    recorded_trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log's last event commits to the files: a look at it costs no more than their digests."""
    change = json_change("answer.json", 0, ("parts", 0, "value"), lambda old: old + 1)
    to = forged(recorded_trace, Forgery("answer.json", "value", "", change), tmp_path / "b.trace", anew=False)
    assert cli.run(["sql", str(to), "from steps"]) == 2
    assert "not those that the log's last event commits to" in capsys.readouterr().err
    assert cli.run(["show", str(to)]) == 0 and "NOT AS IT WAS SEALED" in capsys.readouterr().out


SAYS_ODD = (
    "show",
    "cite",
    "sql",
    "diff",
    "export",
    "export of data",
    "view, not verified",
    "rerun",
    "report",
    "doctor",
)


def odd_traces(exploration: Path, to: Path, step: int) -> Iterator[tuple[str, Path]]:
    """Forgeries that no digest finds, as their maker owns all of it: each so many."""
    for number, forgery in enumerate([*forgeries(exploration)][::step]):
        yield f"{forgery.file} {forgery.way} {forgery.where}", forged(exploration, forgery, to / f"{number}.trace")


def refused_in_words(
    exploration: Path, to: Path, capsys: pytest.CaptureFixture[str], step: int, *, whole: bool = False
) -> int:
    """One command in turn on each, or every one; how many were tried."""
    tried = 0
    for number, (case, trace) in enumerate(odd_traces(exploration, to, step)):
        out = trace.with_suffix(".to")
        out.mkdir()
        commands = trace_commands(trace, out)
        for command in SAYS_ODD if whole else SAYS_ODD[number % len(SAYS_ODD) :][:1]:
            code = cli.run(commands[command])
            told = "".join(capsys.readouterr())
            assert code in (0, 1, 2) and "internal error" not in told and "Traceback" not in told, (case, command, told)
            tried += 1
        shutil.rmtree(trace, ignore_errors=True)
        shutil.rmtree(out)
    return tried


def test_a_trace_of_odd_form_is_shown_or_refused_in_words(
    explored_trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused_in_words(explored_trace, tmp_path, capsys, 41) > 20


@pytest.mark.proof
def test_every_trace_of_odd_form_is_shown_or_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tried = refused_in_words(runs.asked(tmp_path, 8), tmp_path, capsys, 3, whole=True)
    with capsys.disabled():
        print(f"\n{tried:,} commands on forged traces, none with an internal error")
