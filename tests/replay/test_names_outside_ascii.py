"""Names outside ASCII from the request to the verified answer: keys, store, trace, diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import api
from rlm_dsl.compare.diff import diff
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace

PROGRAM = """\
parts = t | ask("How large is it?", on=body, returns={`größe`: int, `farbe ü`: text, `東京`: bool, `😀`: float?})
by = parts | group(by=`farbe ü`, `größte`=max(`größe`)) | sort(`farbe ü`)
answer {n: count(parts), `große`: parts | where(`größe` > 10) | select(id, `größe`), `über`: by}
"""
GOLD = [
    {"text": "a box of 12 cm, red", "größe": 12, "farbe ü": "red", "東京": True, "😀": 1.5},
    {"text": "a ball of 5 cm, blue", "größe": 5, "farbe ü": "blue", "東京": False, "😀": None},
]
VALUE = {
    "n": 2,
    "große": [{"id": 1, "größe": 12}],
    "über": [{"farbe ü": "blue", "größte": 5}, {"farbe ü": "red", "größte": 12}],
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))
    path = tmp_path / "t.csv"
    path.write_text("id,body\n" + "".join(f'{n},"{row["text"]}"\n' for n, row in enumerate(GOLD, 1)), encoding="utf-8")
    return path


def run(data: Path, name: str, gold: list[dict[str, Any]] = GOLD) -> tuple[api.Result, int]:
    with serve(gold=gold) as server:
        models = {"model": "m", "base_url": server.base_url, "api_key": "k"}
        return api.run(PROGRAM, {"t": data}, **models, trace=data.parent / name), server.calls


def test_a_run_is_asked_stored_sealed_verified_and_compared(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, calls = run(data, "a.trace")
    assert first.value == VALUE and calls == 2
    assert api.verify(data.parent / "a.trace", {"t": data}).ok
    steps = [json.loads(line) for line in (data.parent / "a.trace" / "steps.jsonl").read_text("utf-8").splitlines()]
    assert "`farbe ü`: text" in next(step["type"] for step in steps if step["step"] == "parts")
    parts = json.loads((data.parent / "a.trace" / "answer.json").read_text("utf-8"))["parts"]
    assert [part["part"] for part in parts] == [["n"], ["große"], ["über"]]
    again = api.run(PROGRAM, {"t": data}, answers=data.parent / "a.trace", trace=data.parent / "b.trace")
    assert again.value == VALUE and api.verify(data.parent / "b.trace", {"t": data}).ok
    assert diff(*(Trace.open(data.parent / name) for name in ("a.trace", "b.trace"))).same
    gold = [{**row, "größe": row["größe"] + 1} for row in GOLD]
    monkeypatch.setenv("RLM_DSL_STORE", str(data.parent / "other.sqlite"))
    run(data, "c.trace", gold)
    found = diff(*(Trace.open(data.parent / name) for name in ("a.trace", "c.trace")))
    assert not found.same and [part.differs for part in found.answer] == [False, True, True]
