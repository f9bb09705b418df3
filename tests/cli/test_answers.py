"""Answers as people read them: texts as texts, records and lists line by line, what they rest on beneath."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.cli import run
from rlm_dsl.cli.render.answer import answer_text
from rlm_dsl.cli.render.evidence import places_words
from rlm_dsl.report.coverage import answered
from rlm_dsl.testing import serve
from tests.support import runs


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (12, ["12"]),
        (None, ["null"]),
        ("two\nlines of \"text\"", ["two", 'lines of "text"']),
        ("", ['""']),
        (" x", ['" x"']),
        (["a", "b"], ["a", "b"]),
        (["a"], ['["a"]']),
        ([], ["[]"]),
        ({"user": "u1", "topics": ["a", "b"], "n": None}, ["user    u1", "topics  a", "        b", "n       null"]),
        ([{"user": "u1", "n": 1}, {"user": "u22", "n": 20}], ["user  n", "u1    1", "u22   20"]),
        (list(range(42)), [*map(str, range(40)), "... 2 more"]),
    ],
)  # fmt: skip
def test_a_value_is_told_as_text_or_a_table(value: Any, lines: list[str]) -> None:
    told = answer_text([{"part": [], "type": "", "value": value}])
    assert told.split("\n") == ["answer", *(f"  {line}" for line in lines)]


def test_parts_stand_under_their_names() -> None:
    parts = [{"part": ["a"], "type": "int", "value": 1}, {"part": ["b", "c"], "type": "", "value": {"x": 1, "y": 2}}]
    assert answer_text(parts) == "answer\n  a = 1\n  b.c\n    x  1\n    y  2"


def test_places_that_are_not_stored_are_counted() -> None:
    assert [places_words(1, 1), places_words(211, 100)] == ["1 place", "100 of 211 places stored"]


def test_rows_without_an_answer_are_told() -> None:
    steps = [
        {"step": "a", "asked": {"rows": 9, "invalid": 2, "refused": 1, "nothing_shown": 3}},
        {"step": "b", "asked": {"rows": 1}},
        {"step": "c", "asked": {"rows": 0}},
        {"step": "d"},
    ]
    assert list(answered(steps)) == [
        "`a` asked about 9 rows: no answer for 2 whose answers did not fit, 1 that were refused, 3 that show no text.",
        "`b` asked about 1 row: each has an answer, none is lost.",
    ]


def test_ask_prints_the_answer_then_what_it_rests_on_and_its_program_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tickets.csv").write_text(runs.csv(12))
    with serve(gold=runs.gold(12), script=runs.TURNS) as server:
        more = ["--model", "m", "--base-url", server.base_url, "--store", "s.sqlite", "--trace", "t.trace"]
        assert run(["ask", runs.QUESTION, "--context", "tickets=tickets.csv", *more, "--explain", "--n", "2"]) == 0
    told = capsys.readouterr().out
    heads = re.findall(r"^(\w[\w ]*)$", told, re.MULTILINE)
    assert heads == ["answer", "rests on", "would change it", "in words", "program", "steps"]
    for line in (
        "  8 of 12 rows (66.7%) of tickets were read by a model in `topics`; the rest were left out: 4 by `mine`.",
        "  `topics` asked about 8 rows: each has an answer, none is lost.",
        "  2 of 2 explorations came to this answer.",
        "  another answer of m in `topics` (8 rows)",
        "  another `wanted_topic`: rlm-dsl rerun t.trace --param wanted_topic=VALUE",
        "  other data: rlm-dsl rerun t.trace --context tickets=PATH",
        '  `mine` takes `tickets` and keeps the rows where user is not "u0".',
    ):
        assert line in told.split("\n"), line
    words = told[told.index("in words\n") :].split("\n")[1:3]
    assert run(["explain", "t.trace"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [line[2:] for line in words]
    assert run(["explain", "t.trace/program.rlm", "--words"]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [line[2:] for line in words]
