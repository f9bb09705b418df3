"""Runs that are stopped, by whatever, and go on: the end is that of a run that never was."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import retry
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.testing import serve
from rlm_dsl.trace.events import EventLog
from tests.support import runs
from tests.support.commands import Ran, command
from tests.support.processes import Process, command_run, command_started
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion

ROWS, AT_ONCE = 12, 2
MODEL_ROWS = sum(n % 3 != 0 for n in range(1, ROWS + 1))
"""Rows that runs.PROGRAM shows to a model."""
TRACE, STORE = "run.trace", "answers.sqlite"
End = tuple[bytes, bytes]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.delenv("RLM_DSL_STORE", raising=False)


@dataclass
class Place:
    """Data, and the endpoint's one address: what a run's keys and evidence depend on. Each run has a folder there."""

    folder: Path
    port: int = 0
    runs: int = 0

    def __post_init__(self) -> None:
        (self.folder / "tickets.csv").write_text(runs.csv(ROWS))
        with self.serving() as server:
            self.port = int(server.base_url.rpartition(":")[2].partition("/")[0])

    def serving(self, **more: Any) -> Any:
        return serve(gold=runs.gold(ROWS), script=runs.TURNS, port=self.port, **more)

    def another(self) -> Path:
        self.runs += 1
        (self.folder / f"run-{self.runs}").mkdir()
        return self.folder / f"run-{self.runs}"

    def whole(self, kind: str) -> tuple[End, int, int]:
        """A run that is not stopped: its end, its events and its calls."""
        folder = self.another()
        with self.serving() as server:
            with started(kind, folder, server.base_url) as process:
                assert process.ended() == Ran(0, "", "")
            events = (folder / TRACE / "events.jsonl").read_bytes().count(b"\n")
            return end(folder / TRACE), events, server.calls


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def stoppable(kind: str, folder: Path, url: str, at: int) -> None:
    """A run that kills its own process when its log has so many events."""
    append = EventLog.append

    def stopping(self: EventLog, *given: Any, **more: Any) -> None:
        append(self, *given, **more)
        if self.count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    EventLog.append = stopping  # type: ignore[method-assign]
    contexts = {"tickets": f"{folder}/../tickets.csv"}
    more = {"store": f"{folder}/{STORE}", "trace": f"{folder}/{TRACE}", "concurrency": AT_ONCE}
    if kind == "ask":
        rlm_dsl.ask(runs.QUESTION, contexts, model="m", base_url=url, **more)
    else:
        rlm_dsl.run(runs.PROGRAM, contexts, model="m", base_url=url, **more)


def started(kind: str, folder: Path, url: str, at: int = -1) -> Process:
    """A run in a process of its own, that is killed when its log has so many events."""
    return Process(folder, stoppable, kind, folder, url, at)


def run_here(folder: Path, url: str, **more: Any) -> None:
    contexts = {"tickets": str(folder / ".." / "tickets.csv")}
    rlm_dsl.run(
        runs.PROGRAM, contexts, model="m", base_url=url, concurrency=1, trace=folder / TRACE,
        store=str(folder / STORE), **more,
    )  # fmt: skip


def end(trace: Path) -> End:
    return (trace / "steps.jsonl").read_bytes(), (trace / "answer.json").read_text().replace(
        trace.parent.name, "RUN"
    ).encode()


def goes_on(folder: Path, **more: Any) -> End:
    """A stopped run gone on with; the trace it comes to, which must verify."""
    rlm_dsl.resume(folder / TRACE, store=str(folder / STORE), concurrency=AT_ONCE, **more)
    assert rlm_dsl.verify(folder / TRACE).ok
    assert not (folder / TRACE / "payload" / "calls.jsonl").exists()
    return end(folder / TRACE)


def killed_at_events(place: Place, kind: str, every: int) -> None:
    wanted, events, calls = place.whole(kind)
    for at in range(2, events + 1, every):
        folder = place.another()
        with place.serving() as server:
            with started(kind, folder, server.base_url, at) as process:
                assert process.ended().code == -signal.SIGKILL
            if at % 2:
                (folder / STORE).unlink(missing_ok=True)  # the trace alone must do
            assert goes_on(folder) == wanted
            assert server.calls <= calls + AT_ONCE, "only what was in flight is asked again"


@pytest.mark.parametrize(("kind", "every"), [("ask", 29)])
def test_a_run_that_was_killed_goes_on_to_the_same_end(place: Place, kind: str, every: int) -> None:
    killed_at_events(place, kind, every)


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["ask", "run"])
def test_a_run_that_was_killed_at_any_event_goes_on_to_the_same_end(place: Place, kind: str) -> None:
    killed_at_events(place, kind, 1)


@pytest.mark.proof
def test_a_run_that_was_killed_at_200_odd_moments_goes_on_to_the_same_end(place: Place) -> None:
    wanted, _, calls = place.whole("ask")
    chance, kills, far = random.Random(1), 0, 0
    while kills < 200:
        folder = place.another()
        with place.serving(latency=0.02) as server:
            with started("ask", folder, server.base_url) as process:
                while not (folder / TRACE / "trace.json").exists():
                    assert process.running, process.ended()
                    time.sleep(0.01)
                time.sleep(chance.uniform(0.0, 0.8))
                process.send(signal.SIGKILL)
                if process.ended().code != -signal.SIGKILL:
                    continue  # it had ended by itself
            kills += 1
            try:
                assert goes_on(folder) == wanted
                far += 1
            except UserError as failure:
                assert "before it began" in str(failure) or "is finished" in str(failure)
            assert server.calls <= calls + AT_ONCE
    assert far > 150


def test_a_budget_that_was_reached_is_made_greater(place: Place) -> None:
    wanted, _, calls = place.whole("ask")
    folder, contexts = place.another(), {"tickets": str(place.folder / "run-2" / ".." / "tickets.csv")}
    with place.serving() as server:
        with pytest.raises(UserError, match="budget"):
            rlm_dsl.ask(
                runs.QUESTION, contexts, model="m", base_url=server.base_url, budget={"calls": calls - 3},
                trace=folder / TRACE, store=":memory:",
            )  # fmt: skip
        before = server.calls
        with pytest.raises(UserError, match="budget"):
            goes_on(folder)
        assert server.calls == before, "what was spent stays spent"
        assert goes_on(folder, budget={"calls": 3 * calls})[1] == wanted[1]


def test_a_server_that_was_gone_is_asked_for_the_rest(place: Place) -> None:
    wanted, _, calls = place.whole("run")
    folder = place.another()
    with place.serving(down_after=3) as server, pytest.raises(UserError, match=r"cannot be reached|broke the"):
        run_here(folder, server.base_url)
    (folder / STORE).unlink()
    with place.serving() as again:
        assert goes_on(folder) == wanted and again.calls == calls - 3


def test_a_store_that_takes_nothing_more_loses_no_answer_that_was_on_its_way(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer finds the store gone while others are asked for: they are waited for, nothing more leaves, and
    all that came is in the trace."""
    folder, gone, asked = place.another(), threading.Event(), list[str]()

    def answer(sent: Sent) -> Reply:
        asked.append(sent.row)
        if len(asked) > 2:
            gone.wait(10)
        return completion('{"label": "other"}')

    def refuses(store: SqliteStore, request: Request, found: Answer) -> Future[None]:
        if len(asked) == 1:
            return put(store, request, found)
        gone.set()
        done: Future[None] = Future()
        done.set_exception(UserError("the answer store is gone", exit_code=3, code="store"))
        return done

    put = SqliteStore.put
    monkeypatch.setattr(SqliteStore, "put", refuses)
    given: dict[str, Any] = {"store": str(folder / STORE), "trace": folder / TRACE, "concurrency": 3, "pack": 1}
    data = {"tickets": place.folder / "tickets.csv"}
    with ScriptedServer(answer) as server:
        with pytest.raises(UserError, match="the answer store is gone"):
            rlm_dsl.run(runs.PROGRAM, data, model="m", base_url=server.base_url, **given)
        assert 2 <= len(asked) <= 5 < MODEL_ROWS, "nothing leaves once the store is known to be gone"
        monkeypatch.setattr(SqliteStore, "put", put)
        rlm_dsl.resume(folder / TRACE, store=str(folder / STORE))
    assert sorted(asked) == sorted(set(asked)) and len(asked) == MODEL_ROWS


def command_line(folder: Path, url: str) -> list[str]:
    (folder / "p.rlm").write_text(runs.PROGRAM)
    return ["run", str(folder / "p.rlm"), "--context", f"tickets={folder / '..' / 'tickets.csv'}", "--model", "m",
            "--base-url", url, "--store", str(folder / STORE), "--trace", str(folder / TRACE)]  # fmt: skip


def test_ctrl_c_and_a_command_that_goes_on(place: Place) -> None:
    folder = place.another()
    with place.serving(latency=0.2) as server:
        given = command_line(folder, server.base_url)
        resume = ["resume", str(folder / TRACE), "--store", str(folder / STORE), "--json"]
        with command_started(folder, *given, "--concurrency", "1") as process:
            while server.calls < 2:
                assert process.running, process.ended()
                time.sleep(0.02)
            busy = command(folder, *resume)
            assert busy.code == 2 and "is being written by another run" in busy.err
            process.send(signal.SIGINT)
            stopped = process.ended()
        assert stopped.code == 130 and f"rlm-dsl resume {folder / TRACE}" in stopped.err
        done = command(folder, *resume)
        assert done.code == 0 and '"total"' in done.out, done.err
        assert server.calls <= MODEL_ROWS + 1 and rlm_dsl.verify(folder / TRACE).ok


@pytest.mark.parametrize("room", [9_000, pytest.param(3_000, marks=pytest.mark.proof)])
def test_a_disk_that_was_full(place: Place, room: int) -> None:
    wanted, _, calls = place.whole("run")
    folder = place.another()
    with place.serving() as server:
        given = [":memory:" if each == str(folder / STORE) else each for each in command_line(folder, server.base_url)]
        done = command_run(folder, *given, largest_file=room)
        assert done.code == 3 and "rlm-dsl resume" in done.err
        assert goes_on(folder) == wanted and server.calls <= calls + MODEL_ROWS


def test_a_disk_that_was_full_before_the_run_began(place: Place) -> None:
    """Nothing can be resumed: what is named is the same command, which works once there is room."""
    folder = place.another()
    with place.serving() as server, pytest.MonkeyPatch.context() as changed:
        asked = command_line(folder, server.base_url)

        def full(self: EventLog, *given: Any, **more: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        changed.setattr(EventLog, "append", full)
        refused = command(folder, *asked)
        assert refused.code == 3 and "to go on: run the same command again" in refused.err, refused.err
        for name in ("verify", "doctor", "show"):
            told = command(folder, name, TRACE)
            assert "run the same command again" in told.out + told.err and "resume" not in told.out + told.err, told
        assert "start it anew" in command(folder, "resume", TRACE).err
        changed.undo()
        assert server.calls == 0 and command(folder, *asked).code == 0
    assert rlm_dsl.verify(folder / TRACE).ok


def test_a_program_that_asks_nothing_needs_no_store(place: Place) -> None:
    (place.folder / "file").touch()
    store = str(place.folder / "file" / "answers.sqlite")
    data = {"tickets": place.folder / "tickets.csv"}
    assert rlm_dsl.run("answer tickets | count()", data, store=store, trace=place.folder / "none.trace").value == ROWS
    assert rlm_dsl.rerun(place.folder / "none.trace", store=store, to=place.folder / "again.trace").result.value == ROWS
    with pytest.raises(UserError, match="cannot be used"):
        rlm_dsl.run(runs.PROGRAM, data, model="m", store=store)


def stopped(place: Place, folder: Path) -> None:
    with place.serving(down_after=3) as server, pytest.raises(UserError):
        run_here(folder, server.base_url)
    (folder / STORE).unlink()


def test_what_cannot_go_on_is_said(place: Place) -> None:
    folder = place.another()
    stopped(place, folder)
    shutil.copytree(folder / TRACE, folder / "begun.trace")
    (folder / "begun.trace" / "events.jsonl").write_bytes(b"")
    with pytest.raises(UserError, match="stopped before it began"):
        rlm_dsl.resume(folder / "begun.trace")
    (place.folder / "tickets.csv").write_text(runs.csv(ROWS) + '99,u1,"late"\n')
    with pytest.raises(UserError, match="is not what was recorded: it was not opened"):
        rlm_dsl.resume(folder / TRACE)
    with pytest.raises(UserError, match="is finished"):
        rlm_dsl.resume(runs.recorded(folder))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (["show tickets | take(1)", "show tickets | take(2)"], "no answer within 2 turns"),
        (["answer tickets | select(id)"], "the answer has another type"),
    ],
    ids=["turns", "type"],
)
def test_an_exploration_whose_turns_are_used_up_goes_on_with_more(place: Place, script: list[str], why: str) -> None:
    """What is advised is done, as it stands there, and the next turn answers."""
    folder, turns = place.another(), len(script)
    with serve(script=[*script, "answer tickets | count()"], port=place.port) as server:
        asked = ["--context", "tickets=../tickets.csv", "--model", "m", "--base-url", server.base_url, "--store", STORE]
        ended = command(folder, "ask", "How many?", *asked, "--trace", TRACE, f"--turns={turns}", "--returns", "int")
        advised = f"rlm-dsl resume {TRACE} --turns {2 * turns}"
        assert ended.code == 3 and why in ended.err and f"to go on: {advised}" in ended.err, ended.err
        for told in (command(folder, name, TRACE) for name in ("verify", "doctor", "cite", "show")):
            assert advised in told.out + told.err, told
        assert command(folder, "resume", TRACE).code == 3 and server.calls == turns, "nothing is asked without more"
        few = command(folder, "resume", TRACE, f"--turns={turns}")
        assert few.code == 2 and f"--turns {2 * turns}" in few.err, few.err
        with pytest.raises(UserError) as cut_short:  # and it may be stopped again on the way
            rlm_dsl.resume(folder / TRACE, turns=turns + 1, budget={"calls": turns}, store=str(folder / STORE))
        assert cut_short.value.code == "budget" and server.calls == turns
        done = command(folder, "resume", TRACE, "--budget", "calls=9", "--json", "--store", STORE)
        assert (done.code, done.out.strip(), server.calls) == (0, str(ROWS), turns + 1), done.err
    assert rlm_dsl.verify(folder / TRACE).ok


def test_a_torn_tail_is_mended_and_told(place: Place) -> None:
    folder = place.another()
    stopped(place, folder)
    for name in ("events.jsonl", "payload/calls.jsonl"):
        path = folder / TRACE / name
        path.write_bytes(path.read_bytes() + path.read_bytes()[:50])
    found = rlm_dsl.verify(folder / TRACE)
    assert {d.code for level in found.levels for d in level.divergences} == {"D02"}
    with place.serving() as again:
        goes_on(folder)
        assert again.calls == MODEL_ROWS - 3
    assert "log.mended" in (folder / TRACE / "events.jsonl").read_text()
