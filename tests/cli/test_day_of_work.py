"""What commands say of a recorded run at the end of a day of work.

In: one recorded run of a model step. Out: nothing but a verdict. Law: bad input is told as such; what a run was
told of its pace holds when it goes on; each thing is told once.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support import runs
from tests.support.commands import Ran, command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("day")
    runs.recorded(found)
    (found / "p.rlm").write_text(runs.PROGRAM)
    return found


def told(folder: Path, *words: str) -> Ran:
    return command(folder, *words, OPENAI_API_KEY="k")


def test_what_is_found_of_a_model_is_told_once_of_all_its_aliases(folder: Path) -> None:
    lines = told(folder, "doctor", "run.trace").out.splitlines()
    assert len(lines) == len(set(lines)) and any(line.startswith("moving-model: root, sub: ") for line in lines)


def test_csv_ends_lines_as_the_shell_does_and_the_head_stands_at_the_top(folder: Path) -> None:
    rows = told(folder, "sql", "run.trace", "select step, rows from steps", "--csv").out
    assert rows.count("\n") > 2 and "\r" not in rows
    story = json.loads(told(folder, "show", "run.trace", "--json").out)
    assert list(story)[:3] == ["trace", "finished", "head"] and story["head"] == Trace.open(folder / "run.trace").head


def test_a_file_that_holds_no_public_key_is_bad_input_and_no_broken_seal(folder: Path) -> None:
    for name, content in (("text.pem", "no key"), ("empty.pem", "")):
        (folder / name).write_text(content)
        ran = told(folder, "verify", "run.trace", "--public-key", name)
        assert ran.code == 2 and "holds no public ed25519 key" in ran.err and "D01" not in ran.out


def test_a_rerun_takes_a_tuned_file_and_the_name_that_python_has_for_its_place(folder: Path) -> None:
    steps = {"topics": [{"call": "classify", "set": {"guide": "Which is it?"}}]}
    (folder / "mine.yaml").write_text(json.dumps({"schema": "rlm-tuned/1", "program": "0", "steps": steps}))
    with serve(gold=runs.gold(40)) as server:
        again = ("rerun", "run.trace", "--base-url", server.base_url, "--tuned", "mine.yaml", "--to", "tuned.trace")
        ran = told(folder, *again)
        assert ran.code == 0, ran.err
        assert "tuned by mine.yaml" in ran.err and server.calls > 0
    trace = Trace.open(folder / "tuned.trace")
    assert "Which is it?" in trace.program and trace.header["tuned"]["file"] == "mine.yaml"
    assert told(folder, "rerun", "run.trace", "--tuned", "none", "--dry-run").code == 0


def test_a_run_that_goes_on_keeps_its_pace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("rlm_dsl.explore.resume")
    kept = []
    monkeypatch.setattr(module, "run_program", lambda *given, **more: kept.append(given[3]))
    with serve(gold=runs.gold(40)) as server:
        asked = (
            "--store",
            "other.sqlite",
            "--model",
            "m",
            "--base-url",
            server.base_url,
            "--concurrency",
            "3",
            "--timeout",
            "7",
        )
        run = ("run", "p.rlm", "--context", "tickets=tickets.csv", "--trace", "stopped.trace")
        assert told(folder, *run, *asked, "--budget", "calls=2", "--pack", "1").code == 3
        for more, pace in ((), (3, 7.0)), (("--concurrency", "5"), (5, 7.0)), (("--timeout", "9"), (3, 9.0)):
            told(folder, "resume", "stopped.trace", *more)
            assert (kept[-1].concurrency, kept[-1].timeout_seconds) == pace
