"""The runs of a folder: whatever state they are in, each is a line, and none ends the list."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from rlm_dsl import traces
from rlm_dsl.trace.archive import pack
from rlm_dsl.trace.layout import SEAL
from tests.support.commands import command
from tests.support.forging import json_change
from tests.support.runs import QUESTION


def test_a_folders_runs_are_listed_in_every_state(recorded_trace: Path, explored_trace: Path, tmp_path: Path) -> None:
    held = {name: tmp_path / "runs" / f"{name}.trace" for name in ("asked", "deep/ran", "changed", "damaged", "cut")}
    for name, path in held.items():
        shutil.copytree(explored_trace if name == "asked" else recorded_trace, path)
    json_change("answer.json", 0, ("parts", 0, "value"), lambda old: old + 1)(held["changed"])
    (held["damaged"] / "answer.json").write_text("{")
    (held["cut"] / SEAL).unlink()
    (held["cut"] / "trace.json").unlink()
    pack(recorded_trace, tmp_path / "runs" / "packed.trace.zip")
    (tmp_path / "runs" / "notes.txt").write_text("no run")
    found = {each.path: each for each in traces.runs(tmp_path / "runs")}
    states = {path.removesuffix(".zip").removesuffix(".trace"): each.state for path, each in found.items()}
    assert states == {
        "asked": "answered", "deep/ran": "answered", "packed": "answered",
        "changed": "not as it was sealed", "damaged": "damaged", "cut": "unfinished",
    }  # fmt: skip
    asked = found["asked.trace"]
    assert asked.question == QUESTION and asked.answer.startswith("total ") and "2 rows" in asked.answer
    attempts = traces.sql(explored_trace, "select count(*), sum(prompt_tokens + completion_tokens) from attempts").rows
    assert (asked.calls, asked.tokens) == attempts[0]
    assert found["deep/ran.trace"].question.startswith("answer {total: count(billing)")
    ran = command(tmp_path, "list")
    assert ran.code == 0 and "answer.json was changed" in ran.out and "6 runs" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 120
    assert [each["path"] for each in json.loads(command(tmp_path, "list", "-k", "DEEP", "--json").out)] == [
        "deep/ran.trace"
    ]
    (tmp_path / "none").mkdir()
    assert "no run in none" in command(tmp_path, "list", "none").err
    assert command(tmp_path, "list", "gone").code == 2
