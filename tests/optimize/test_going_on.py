"""A search that was stopped goes on by the same command, and seconds are known again or measured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.intents import laid_out, own
from tests.support.optional import needs

pytestmark = needs("dspy", "optuna", "sklearn")
STOPS = """\
from pathlib import Path

def exact(expected, given):
    if Path("stop").exists(): raise KeyboardInterrupt
    return float(expected == given)
"""


def test_stopped_or_killed_it_goes_on_by_the_command_that_it_names(tmp_path: Path) -> None:
    laid_out(tmp_path, own(60))
    (tmp_path / "stopping_metric.py").write_text(STOPS)
    (tmp_path / "stop").touch()
    with serve(fallback="learn") as server:
        asked = ["--examples", "ex.jsonl", "--model", "m", "--base-url", server.base_url, "--cost", "seconds"]
        asked += ["--optimizer", "bootstrap", "--words-only", "--metric", "stopping_metric:exact", "--yes", "--json"]
        given = ["optimize", "p.rlm", "--context", "tickets=t.csv", *asked]
        stopped = command(tmp_path, *given, OPENAI_API_KEY="k")
        assert stopped.code == 130, stopped.err
        assert "to go on: rlm-dsl optimize p.rlm --context tickets=t.csv --examples ex.jsonl --model m" in stopped.err
        record, before = tmp_path / "runs" / "p.optimize", server.calls
        assert before and (record / "seconds.json").exists()
        again = command(tmp_path, *given, OPENAI_API_KEY="k")
        assert again.code == 130 and server.calls == before, again.err
        (record / "seconds.json").unlink()  # as after a kill
        (tmp_path / "stop").unlink()
        ended = command(tmp_path, *given, OPENAI_API_KEY="k")
        assert ended.code in (0, 1) and "anew" not in ended.err, ended.err
        assert json.loads(ended.out)["cost"]["unit"] == "seconds for 1,000"
        before = server.calls
        elsewhere = command(tmp_path, *given, "--out", "elsewhere", OPENAI_API_KEY="k")
        report = json.loads(elsewhere.out)
        assert "5 of them are asked for anew" in elsewhere.err and report["cost"]["unit"] == "seconds for 1,000"
        assert before < server.calls == before + report["spent"]["calls"] < before + sum(report["bound"].values())
        assert all(each["seconds"] for each in report["points"])


def test_seconds_are_found_again_in_logs_and_never_those_of_failures(tmp_path: Path) -> None:
    from rlm_dsl.optimize.timing import read_seconds

    def record(name: str, *ended: tuple[str, str, str]) -> Path:
        lines = [json.dumps({"type": "call.end", "key": k, "outcome": o, "seconds": s}) for k, o, s in ended]
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").write_text("\n".join([*lines, '{"type": "call.end", "se']))
        return tmp_path / name

    killed = record("p.optimize", ("a", "failed", "9"), ("a", "answered", "1.5"), ("b", "cancelled", "2"))
    record("p-2.optimize", ("c", "answered", "3"), ("d", "answered", "odd"))
    record("q.optimize", ("e", "answered", "4"))
    (tmp_path / "p-2.optimize" / "seconds.json").write_text('{"f": 5.0}')
    assert read_seconds(killed) == {"a": 1.5, "c": 3.0, "f": 5.0}
    assert read_seconds(record("plain", ("g", "answered", "6"))) == {"g": 6.0}


def test_what_nothing_timed_is_asked_anew_by_a_handful_and_said() -> None:
    from rlm_dsl.optimize.timing import asked_anew

    settings = ModelSettings("m", "http://w.local/v1")
    asked = [Request(settings, (Message("user", str(n)),), None, 0, "kinds") for n in range(9)]
    calls = [Call(request, Answer("x"), "store") for request in asked]
    seconds: dict[str, float] = {}
    told: list[str] = []

    async def answer(request: Request) -> None:
        seconds[request.key] = 40.0 if not seconds else 2.0  # the first waits for the weights

    def afford(step: str, requests: Any) -> None:
        if refusing:
            raise UserError("the budget is used up")

    def wait(work: Any) -> None:
        import asyncio

        asyncio.run(work())

    stored = SimpleNamespace(look_up=lambda requests: {})
    models: Any = SimpleNamespace(model=SimpleNamespace(answer=answer), afford=afford, wait=wait, stored=stored)
    refusing = True
    assert asked_anew(calls, models, seconds, told.append) is None
    assert told[-1] == "m cannot be measured: the budget is used up"
    refusing = False
    assert asked_anew(calls, models, seconds, told.append) == pytest.approx(2.0) and len(seconds) == 5
    before = len(told)
    assert asked_anew(calls[::-1], models, seconds, told.append) == pytest.approx(2.0)
    assert len(told) == before, "what was measured once is known"
