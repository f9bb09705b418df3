"""What schedulers read: exit codes, and events as lines of JSON on stderr.

In: commands as a job runs them. Out: nothing but a verdict. Law: docs/jobs.md has every code and every event; each line
is one JSON object without control characters, and stderr holds nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.cli.events import Steps
from rlm_dsl.testing import serve
from tests.support.commands import Ran, command
from tests.support.paths import ROOT

PROGRAM = 'answer t | classify(on=text, ["a", "b"], into=label, guide="Which?") | where(label == "a") | count()\n'
GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(6)]
PAGE = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "t.txt").write_text("".join(f"text {n}\n" for n in range(6)))
    (tmp_path / "p.rlm").write_text(PROGRAM)
    with serve(gold=GOLD) as server:

        def ran(*words: str) -> tuple[Ran, list[dict[str, Any]]]:
            asks = ("--model", "m", "--base-url", server.base_url, "--context", "t=t.txt")
            done = command(tmp_path, "run", "p.rlm", *asks, "--events", *words)
            assert done.err.isascii() and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.err)
            return done, [json.loads(line) for line in done.err.splitlines()]

        yield ran


def of_kind(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(event for event in events if event["event"] == kind)


def test_events_tell_a_run_from_its_begin_to_its_end(job: Any) -> None:
    done, events = job("--json", "--price", "1/2", "--budget", "usd=1")
    assert done.code == 0 and json.loads(done.out) == 3
    kinds = [event["event"] for event in events]
    assert kinds[0] == "begun" and kinds[-1] == "done" and {event["v"] for event in events} == {1}
    assert of_kind(events, "begun")["command"] == "run" and of_kind(events, "budget")["usd"] == 1.0
    asks = of_kind(events, "asks")
    assert (asks["requests"], asks["known"], asks["asked"]) == (6, 0, 6) and asks["usd_at_most"] > 0
    ended = of_kind(events, "step.ended")
    assert (ended["answered"], ended["requests"], ended["calls"]) == (6, 6, 6)
    assert ended["tokens"] > 0 and ended["usd"] > 0
    assert of_kind(events, "step.begun")["rows"] == 6 and events[-1]["exit_code"] == 0
    again = job()[1]
    assert of_kind(again, "asks")["known"] == 6 and of_kind(again, "step.ended")["calls"] == 0


def test_exit_codes_are_those_of_the_table(job: Any, tmp_path: Path) -> None:
    """Each row of the page is tried; an error says its code, too."""
    table = dict(re.findall(r"^\| `(\d+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert set(table) == {"0", "1", "2", "3", "130"}
    done, events = job("--budget", "calls=2", "--trace", "r.trace")
    error = of_kind(events, "error")
    assert (done.code, error["exit_code"], error["code"]) == (3, 3, "budget") and error["hint"]
    assert any("rlm-dsl resume r.trace" in note for note in error["notes"])
    done, events = job("--no-such-option")
    assert (done.code, of_kind(events, "error")["code"]) == (2, "usage")
    (tmp_path / "p.rlm").write_text("answer \x1b[31m\n")
    done, events = job()
    assert (done.code, of_kind(events, "error")["code"]) == (2, "program")
    assert command(tmp_path, "verify", "r.trace").code == 1
    assert command(tmp_path, "verify", "none.trace").code == 2


def test_progress_is_told_once_a_second(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("rlm_dsl.cli.events.emit", lambda event, **fields: told.append(event))
    moments = iter([0.0, *(0.1 * n for n in range(1, 99))])
    steps = Steps(lambda: next(moments))
    steps.begun("s", 20, 20)
    for _ in range(12):
        steps.answer("s", "")
    steps.ended("s", "")
    assert told == ["step.begun", "step.progress", "step.ended"]


def test_the_page_has_every_event() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rlm_dsl" / "cli").rglob("*.py"))
    told = set(re.findall(r"emit\(\s*\"([a-z.]+)\"", source))
    assert told == set(re.findall(r"^\| `([a-z.]+)` \|", PAGE, re.MULTILINE))
