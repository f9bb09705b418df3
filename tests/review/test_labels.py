"""The file of labels: nothing is lost, what is damaged is told, and other tools' forms bring back what went out."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.review.labels.exchange import FORMS, Exchanged, taken_in, written
from rlm_dsl.review.labels.file import add_labels, labels_beside, read_labels, undo_label
from rlm_dsl.review.labels.label import Label

ONE = Label(
    "a", "topics", "q", "r", "a text\nof two lines \u2028 \x1b[31m", {"label": "billing"}, "2026-11-29T10:00:00"
)


def numbered(count: int, first: int = 0) -> list[Label]:
    return [replace(ONE, id=f"{n}", row=f"r{n}") for n in range(first, first + count)]


def test_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    full = replace(
        ONE, id="b", reviewer="Ann", place="tickets:3", draw={"by": "simple", "seed": 0}, model={"label": "x"}
    )
    add_labels(path, [ONE, full, replace(ONE, id="c", answer=None, blind=False, reason="brought in")])
    assert read_labels(path).held == (ONE, full, replace(ONE, id="c", answer=None, blind=False, reason="brought in"))
    assert "reviewer" not in path.read_text().split("\n")[0] and "\x1b" not in path.read_text()
    assert read_labels(tmp_path / "none").held == ()


def test_a_line_that_was_cut_short_is_passed_over_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    add_labels(path, numbered(3))
    whole = path.read_bytes()
    for cut in range(1, 200, 7):
        path.write_bytes(whole[:-cut])
        known = read_labels(path)
        assert [label.id for label in known.held][:2] == ["0", "1"]
        add_labels(path, numbered(1, 9))
        after = read_labels(path)
        assert [label.id for label in after.held] == [*(label.id for label in known.held), "9"]
        assert (len(after.held) == 4) or ("line 3" in after.note())


@pytest.mark.parametrize(
    "line", ["{}", "[]", "7", '{"schema": "rlm-label/1"}', "\x00", '{"schema":"rlm-label/1","id":7}']
)
def test_what_is_no_label_is_told_and_nothing_more(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p.labels.jsonl"
    add_labels(path, [ONE])
    path.write_text(f"{line}\n" + path.read_text())
    assert read_labels(path).held == (ONE,) and read_labels(path).damaged == (1,)


def test_a_label_taken_back_is_gone_and_its_line_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    add_labels(path, numbered(2))
    undo_label(path, numbered(2)[1], "2026-11-29T10:00:00")
    assert [label.id for label in read_labels(path).held] == ["0"]
    assert len(path.read_text().splitlines()) == 3


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: add_labels(path, numbered(1, n)), range(60)))
    assert {label.id for label in read_labels(path).held} == {f"{n}" for n in range(60)}


def test_the_last_word_of_each_reviewer_counts(tmp_path: Path) -> None:
    path = tmp_path / "p.labels.jsonl"
    changed = replace(ONE, id="b", answer={"label": "other"})
    add_labels(path, [ONE, changed, replace(ONE, id="c", reviewer="Ann")])
    assert {label.id for label in read_labels(path).by_row["q", "r"]} == {"b", "c"}


def test_no_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "p.labels.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError):
        add_labels(tmp_path / "p.labels.jsonl", [ONE])
    assert not (tmp_path / "elsewhere").exists()


def test_labels_lie_beside_their_program() -> None:
    assert labels_beside(Path("a/tickets.rlm")) == Path("a/tickets.labels.jsonl")
    assert labels_beside(Path("a/tickets.trace")) == labels_beside(Path("a/tickets.trace.zip"))


ROWS = [
    Exchanged("r1", 'a "quoted"\ntext, with a comma', {"label": "billing"}, question="q", reviewer="Ann", when="2026"),
    Exchanged("r2", "=HYPERLINK(1)", None, question="q"),
    Exchanged("r3", "'=text that begins so", {"label": "@other"}, question="q"),
    Exchanged("r4", "nobody said anything", None, told=False, model={"label": "billing"}, question="q"),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_brings_back_what_went_out(form: str) -> None:
    back = [row for _, row in taken_in(written(ROWS, form, ["label"]), form, ["label"]) if row.answer or row.told]
    told = [(row.row, row.text, row.answer, row.question, row.reviewer) for row in back if row.row != "r4"]
    assert told == [(row.row, row.text, row.answer, row.question, row.reviewer) for row in ROWS[:3]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("blind", [True, False, None])
def test_place_and_blindness_come_back_in_every_form(form: str, blind: bool | None) -> None:
    row = replace(ROWS[0], place="=tickets:3", blind=blind)
    ((_, back),) = taken_in(written([row], form, ["label"]), form, ["label"])
    assert (back.place, back.blind, back.shown) == ("=tickets:3", blind, False)


TASK = {"data": {"text": "t"}, "annotations": [{"result": [{"from_name": "label", "value": {"choices": ["x"]}}]}]}
RECORD = {"fields": {"text": "t"}, "responses": {"label": [{"value": "x"}]}}


@pytest.mark.parametrize(
    ("form", "text", "shown", "blind"),
    [
        ("csv", "text,label,model\nt,x,y\n", True, None),
        ("csv", "text,label,label.suggestion,blind\nt,x,y,yes\n", True, True),
        ("csv", "text,label,model,blind\nt,x,,FALSE\n", False, False),
        ("jsonl", '{"text": "t", "label": "x", "model": {"label": "y"}}', True, None),
        ("jsonl", '{"text": "t", "label": "x", "model": null}', False, None),
        ("label-studio", json.dumps([TASK | {"predictions": [{"result": []}]}]), True, None),
        ("label-studio", json.dumps([TASK | {"predictions": []}]), False, None),
        ("argilla", json.dumps([RECORD | {"suggestions": {"label": {"value": "y"}}}]), True, None),
        ("argilla", json.dumps([RECORD | {"suggestions": {"label": {"value": None}}}]), False, None),
    ],
)
def test_a_file_that_holds_what_the_model_said_showed_it(form: str, text: str, shown: bool, blind: bool | None) -> None:
    ((_, back),) = taken_in(text, form, ["label"])
    assert (back.shown, back.blind, back.answer) == (shown, blind, {"label": "x"})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [{"holds": True}, {"holds": False}])
def test_truth_values_come_back_as_what_a_person_reads(form: str, answer: dict[str, Any]) -> None:
    ((_, back),) = taken_in(written([Exchanged("r", "text", answer)], form, ["holds"]), form, ["holds"])
    assert back.answer in (answer, {"holds": "yes" if answer["holds"] else "no"})


def test_a_sheet_runs_no_formula() -> None:
    assert "\n=" not in written(ROWS, "csv", ["label"]) and "'=HYPERLINK(1)" in written(ROWS, "csv", ["label"])


def test_tasks_of_label_studio_and_records_of_argilla_made_elsewhere() -> None:
    task = {
        "id": 1,
        "data": {"text": "a text"},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {
                "completed_by": 3,
                "result": [
                    {"from_name": "topic", "to_name": "t", "type": "choices", "value": {"choices": ["billing"]}},
                ],
            },
        ],
    }
    ((at, found),) = taken_in(json.dumps([task]), "label-studio", ["label"])
    assert (at, found.text, found.answer, found.row) == ("task 1", "a text", {"label": "billing"}, "")
    record = {
        "id": "x",
        "fields": {"text": "a text"},
        "responses": {
            "label": [
                {"user_id": "1", "value": "billing", "status": "submitted"},
                {"user_id": "2", "value": "other", "status": "discarded"},
            ]
        },
    }
    ((_, found),) = taken_in(json.dumps([record]), "argilla", ["label"])
    assert (found.answer, found.reviewer) == ({"label": "billing"}, "1")


@pytest.mark.parametrize(
    ("form", "text"), [("csv", "a,b\n1,2\n"), ("jsonl", "{"), ("label-studio", "{}"), ("argilla", "[7]")]
)
def test_what_is_not_of_the_form_is_one_clear_message(form: str, text: str) -> None:
    with pytest.raises(UserError):
        if not list(taken_in(text, form, ["label"])):
            raise UserError("nothing")
