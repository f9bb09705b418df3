"""A model that gives nearly all texts one answer is told of: live, in an exploration, of a trace; old traces verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.engine.calls.rows import RoundResult
from rlm_dsl.engine.one_answer import one_answer, without_mostly
from rlm_dsl.language.types import BOOL, TEXT, Enum, Field, Record
from rlm_dsl.models.request import Answer
from rlm_dsl.models.typed_retry import Outcome
from rlm_dsl.testing import serve
from tests.explore.test_failed_rows import COUNT, TOPICS, Place
from tests.support.commands import command
from tests.support.scripted_server import completion

LABEL = Record((Field("label", Enum(("a", "b", "c"))),))
HOLDS = Record((Field("holds", BOOL),))
WORDS = Record((Field("why", TEXT), Field("kind", Enum(("a", "b")))))


def round_of(field: str, values: list[Any], texts: int | None = None) -> RoundResult:
    """Rows with these answers; of so many different texts."""
    found = {
        n: Outcome("ok", {field: value}, ((f"key {n % (texts or len(values))}", Answer("")),))
        for n, value in enumerate(values)
    }
    return RoundResult({**found, -1: None}, len(values))


@pytest.mark.parametrize(
    ("result", "field", "values", "texts", "filters", "told"),
    [
        (LABEL, "label", ["a"] * 17 + ["b"] * 3, None, False, ("a", 17, 20, True)),
        (LABEL, "label", ["a"] * 16 + ["b"] * 4, None, False, None),
        (LABEL, "label", ["b"] * 18 + ["a"] * 2, None, False, ("b", 18, 20, False)),
        (LABEL, "label", ["b"] * 17 + ["a"] * 3, None, False, None),
        (LABEL, "label", ["a"] * 19, None, False, None),
        (LABEL, "label", ["a"] * 40, 19, False, None),
        (Record((Field("label", Enum(("a",))),)), "label", ["a"] * 40, None, False, None),
        (HOLDS, "holds", [True] * 39 + [False], None, True, (True, 39, 40, False)),
        (HOLDS, "holds", [False] * 40, None, True, None),
        (HOLDS, "holds", [False] * 40, None, False, (False, 40, 40, False)),
        (WORDS, "kind", ["b"] * 40, None, False, ("b", 40, 40, False)),
        (Record((Field("why", TEXT),)), "why", ["x"] * 40, None, False, None),
    ],
)
def test_when_it_is_told(
    result: Record, field: str, values: list[Any], texts: int | None, filters: bool, told: tuple[Any, ...] | None
) -> None:
    found = one_answer(round_of(field, values, texts), result, filters=filters)
    assert (found and (found["value"], found["texts"], found["of"], found["first"])) == told


def test_it_is_told_by_run_show_and_a_trace_of_before_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))
    (tmp_path / "t.csv").write_text("s\n" + "".join(f"text {n}\n" for n in range(60)))
    program = tmp_path / "p.rlm"
    program.write_text('l = t | classify(on=s, labels=["x", "y", "z"], into=k)\nanswer l | group(by=k, n=count())\n')
    told = 'l: 60 of 60 different texts were answered "x", the first of the list'
    with serve(fallback="first") as server:
        given = ["--context", f"t={tmp_path / 't.csv'}", "--model", "m", "--base-url", server.base_url]
        ran = command(tmp_path, "run", str(program), *given, "--trace", str(tmp_path / "t.trace"))
        assert ran.code == 0 and told in ran.out
        again = command(tmp_path, "run", str(program), *given, "--json")
        assert told in again.err and json.loads(again.out) == [{"k": "x", "n": 60}]
    assert told in command(tmp_path, "show", str(tmp_path / "t.trace")).out
    (step, *_) = json.loads(command(tmp_path, "show", str(tmp_path / "t.trace"), "--json").out)["steps"]
    assert step["asked"]["mostly"] == {"field": "label", "first": True, "of": 60, "texts": 60, "value": "x"}
    assert rlm_dsl.verify(tmp_path / "t.trace").ok


def test_a_root_is_told_right_after_the_statement(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda sent: completion('{"label": "good"}'), TOPICS, COUNT)
    assert place.ask().value == 30
    note = 'note: 30 of 30 different texts were answered "good", the first of the list'
    assert note in place.told[0].observation and note not in place.told[1].observation


def test_what_a_run_of_before_did_not_count_is_no_difference() -> None:
    assert without_mostly({"ok": 1, "mostly": {}}, {"ok": 1}) == {"ok": 1}
    assert without_mostly({"ok": 1, "mostly": {"of": 2}}, {"mostly": {}}) == {"ok": 1, "mostly": {"of": 2}}
