"""`review` over a pipe: keys in, labels kept, numbers with intervals out; whatever ends it, no answer is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlm_dsl.review.labels.file import read_labels
from tests.support.commands import command
from tests.support.runs import recorded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviewed")
    recorded(folder)
    return folder


def test_keys_over_a_pipe(folder: Path) -> None:
    ran = command(
        folder, "review", "run.trace", "--labels", "l", "--rows", "10", stdin="1\n2\nu\n?\nbill\nnonsense\n2\n"
    )
    assert ran.code == 0, ran.err
    assert "[1] billing  [2] other  [?] cannot tell  [u] undo  [q] leave" in ran.err
    assert "the model said" in ran.err and "no answer of `topics`" in ran.err and "taken back" in ran.err
    assert "by 3 reviewed rows" in ran.out and "4 of 10 rows reviewed" in ran.out
    said = [label.answer and label.answer["label"] for label in read_labels(folder / "l").held]
    assert said == ["billing", None, "billing", "other"]
    again = command(folder, "review", "run.trace", "--labels", "l", "--rows", "10", stdin="q\n")
    assert "row 5 of 10" in again.err and len(read_labels(folder / "l").held) == 4


def test_plan_summary_and_other_tools(folder: Path) -> None:
    plan = command(folder, "review", "run.trace", "topics", "--labels", "p", "--plan", "--json")
    assert [each["rows"] for each in json.loads(plan.out)["plan"]] == [20, 27]
    assert "± 0.0 %" in command(folder, "review", "run.trace", "--labels", "p", "--plan").out
    assert command(folder, "review", "run.trace", "--labels", "p", "--export", "out.csv").code == 0
    text = (folder / "out.csv").read_text().replace(')",,', ')",billing,').replace("),,", "),other,")
    (folder / "in.csv").write_text(text)
    taken = command(folder, "review", "run.trace", "--labels", "p", "--import", "in.csv")
    assert taken.code == 0 and "27 labels kept" in taken.out, taken.err
    told = json.loads(command(folder, "review", "run.trace", "--labels", "p", "--summary", "--json").out)
    assert told["numbers"][0]["part"] == ["total"] and told["numbers"][0]["reviewed"] == 27
    assert (
        command(folder, "review", "run.trace", "--export", "tickets.csv", "--labels", "p").code == 2
    )  # another's file


def test_bad_input_is_told(folder: Path) -> None:
    assert "drawn by" in command(folder, "review", "run.trace", "--by", "usr").err
    assert command(folder, "review", "run.trace", "billing").code == 2
    (folder / "d").write_text('{"schema": "rlm-label/1", "id": ')
    assert "line 1 of the labels is damaged" in command(folder, "review", "run.trace", "--labels", "d", "--summary").err
