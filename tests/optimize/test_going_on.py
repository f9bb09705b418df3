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
        for more in ([], ["--out", "runs/p.optimize"], ["--budget", "calls=9000"]):
            once_more = command(tmp_path, *given, *more, OPENAI_API_KEY="k")
            assert once_more.code == ended.code and "came to its end before: runs/p.optimize" in once_more.err
            assert json.loads(once_more.out)["test"] == json.loads(ended.out)["test"] and server.calls == before
        assert [each.name for each in (tmp_path / "runs").iterdir()] == ["p.optimize"]
        elsewhere = command(tmp_path, *given, "--out", "elsewhere", OPENAI_API_KEY="k")
        report = json.loads(elsewhere.out)
        assert "5 of them are asked for anew" in elsewhere.err and report["cost"]["unit"] == "seconds for 1,000"
        assert before < server.calls == before + report["spent"]["calls"] < before + sum(report["bound"].values())
        assert all(each["seconds"] for each in report["points"])

    shown = command(tmp_path, "show", "runs/p.optimize")
    assert shown.code == 0 and "examples that no search saw" in shown.out and "its files are as they were" in shown.out
    verified = command(tmp_path, "verify", "runs/p.optimize")
    assert verified.code == 0 and "of the program that was tuned" in verified.out
    for words in (["doctor"], ["cite"], ["diff", "elsewhere"]):
        told = command(tmp_path, *words, "runs/p.optimize")
        assert told.code == 2 and "is the record of an optimization, and no run" in told.err, words
    calls = record / "payload" / "calls.parquet"
    calls.write_bytes(calls.read_bytes()[:-9] + b"123456789")
    assert command(tmp_path, "verify", "runs/p.optimize").code == 1


def test_a_refused_search_leaves_nothing_and_says_the_number(tmp_path: Path) -> None:
    laid_out(tmp_path, own(60))
    few = (tmp_path / "ex.jsonl").read_text().splitlines()[:1]
    (tmp_path / "few.jsonl").write_text("\n".join(few) + "\n")
    (tmp_path / "odd.jsonl").write_text((tmp_path / "ex.jsonl").read_text() + '{"text": "x", "label": 7}\n')
    with serve(fallback="learn") as server:
        asked = ["--model", "m", "--base-url", server.base_url, "--optimizer", "bootstrap", "--yes", "--words-only"]
        given = ["optimize", "p.rlm", "--context", "tickets=t.csv", *asked]
        for more, told in (
            (["--examples", "few.jsonl"], "1 example is too few"),
            (["--examples", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
            (["--examples", "odd.jsonl"], "odd.jsonl:"),
            (["--examples", "ex.jsonl", "--budget", "tokens=900"], "--budget tokens="),
            (["--examples", "ex.jsonl", "--price", "1/1", "--budget", "usd=0.0001"], "--budget usd="),
        ):
            refused = command(tmp_path, *given, *more, OPENAI_API_KEY="k")
            assert refused.code == 2 and told in refused.err and "=N" not in refused.err, refused.err
        assert server.calls == 0 and not (tmp_path / "runs" / "p.optimize").exists()


def test_a_cascade_that_was_asked_for_and_is_not_taken_is_told() -> None:
    from rlm_dsl.optimize.candidate import Candidate
    from rlm_dsl.optimize.cost import Cost
    from rlm_dsl.optimize.pareto import Point
    from rlm_dsl.optimize.search import Search

    lines: list[str] = []
    job: Any = SimpleNamespace(metric="exact", notify=lines.append)
    nothing: Any = None
    search = Search(job, nothing, nothing, (), nothing, nothing)
    search.counted = Cost("tokens", nothing)
    plain, cascade = Point("as it is", 0.9, 50.0, 1.0, 1.0), Point("in a cascade", 0.8, 40.0, 1.0, 1.0)
    search.tried = {
        "as it is": (Candidate("p"), plain),
        "in a cascade": (Candidate("p", proxies={"d": {}}), cascade),
    }
    search.tell_cascades_passed(cascade)
    assert not lines
    search.tell_cascades_passed(plain)
    assert (
        search.notes == lines and "the cascade that was asked for is not taken: in a cascade scores 0.800" in lines[0]
    )


def test_where_no_terminal_shows_it_a_line_now_and_then_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    from rlm_dsl.cli.progress import Bar

    now = [0.0]
    bar = Bar(30.0, lambda: now[0])
    bar.spent = lambda: "90 calls"
    bar.round_started("topics", 4, 4)
    for moment in (10.0, 29.0, 31.0, 45.0, 62.0):
        now[0] = moment
        bar.answered("topics")
    told = capsys.readouterr().err.splitlines()
    assert told == ["topics: 3 of 4 requests; so far 90 calls", "topics: 5 of 4 requests; so far 90 calls"]


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
