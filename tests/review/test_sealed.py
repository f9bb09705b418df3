"""Reviews told with a trace: sealed beside it, bound by its head, computed again by `verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import api, traces
from rlm_dsl.review.labels.file import read_labels
from rlm_dsl.review.sealed import reviews_beside, sealed_digest
from rlm_dsl.review.session import open_session
from rlm_dsl.review.telling import replaced_note, told_reviews
from rlm_dsl.trace.reader import open_trace
from tests.support.commands import command
from tests.support.runs import BILLING, PROGRAM, csv, recorded

ROWS = 30


def reviewed_run(folder: Path, rows: int = ROWS) -> Path:
    """A run of 80 classified rows, of which people looked at some and said that the model is wrong in every fifth."""
    trace = recorded(folder, 120)
    with open_session(trace, rows=rows) as session:
        while (item := session.next()) is not None:
            billing = item.text.startswith(BILLING) != (item.number % 5 == 0)
            session.answer(item, "billing" if billing else "other")
    return trace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    reviewed_run(folder)
    (folder / "program.rlm").write_text(PROGRAM)
    return folder


def test_numbers_are_told_with_their_intervals_and_the_reviews_are_sealed(folder: Path) -> None:
    not_yet = command(folder, "show", "run.trace")
    assert "20 by the model; " in not_yet.out and "not sealed with the trace yet" in not_yet.out
    told = command(folder, "review", "run.trace", "--rows", str(ROWS), "--summary")
    assert told.code == 0 and not (folder / "run.reviews.json").exists() and "sealed" not in told.err
    sealed = command(folder, "review", "run.trace", "--rows", str(ROWS), "--seal")
    assert sealed.code == 0 and (folder / "run.reviews.json").is_file() and "digest" in sealed.err
    shown = command(folder, "show", "run.trace").out
    total = next(line for line in shown.splitlines() if "total: 20 by the model" in line)
    assert f"by {ROWS} reviewed rows" in total and "per_user u1 (n): 10 by the model" in shown
    assert total.strip() in command(folder, "cite", "run.trace", "total").out
    held = json.loads(command(folder, "show", "run.trace", "--json").out)["reviews"]
    assert held["numbers"][0]["model"] == 20 and held["numbers"][0]["low"] <= held["numbers"][0]["high"]
    assert traces.reviews(folder / "run.trace").numbers[0].told() == total.strip().removeprefix("total: ")
    assert "reviewed" in traces.show(folder / "run.trace")._repr_html_()


def test_a_run_tells_what_the_labels_beside_its_program_say(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "program.rlm").write_text(PROGRAM)
    data = ("--context", f"tickets={folder / 'tickets.csv'}", "--answers", str(folder / "run.trace"))
    plain = command(tmp_path, "run", "program.rlm", *data)
    assert plain.out.count("no error is known of total, per_user") == 1
    (tmp_path / "program.labels.jsonl").write_bytes((folder / "run.labels.jsonl").read_bytes())
    told = command(tmp_path, "run", "program.rlm", *data)
    assert f"by {ROWS} reviewed rows" in told.out and "no error is known" not in told.out, told.err
    assert "trace  " not in told.out and sorted(p.name for p in tmp_path.iterdir()) == [
        "program.labels.jsonl",
        "program.rlm",
    ]
    kept = command(tmp_path, "run", "program.rlm", *data, "--trace", "new.trace")
    assert "reviews  new.reviews.json" in kept.out and "10 levels hold" in command(tmp_path, "verify", "new.trace").out
    whole = command(tmp_path, "run", "program.rlm", *data, "--labels", "program.labels.jsonl", "--json")
    assert {*json.loads(whole.out)} == {"answer", "reviews"}
    result = api.run(
        PROGRAM,
        {"tickets": str(folder / "tickets.csv")},
        answers=folder / "run.trace",
        labels=folder / "run.labels.jsonl",
    )
    assert result.estimates[0].told().startswith("20 by the model; ") and "reviewed" in result._repr_html_()
    missing = command(tmp_path, "run", "program.rlm", *data, "--labels", "none.jsonl")
    assert missing.code == 2 and "no file of labels" in missing.err


def sealed_again(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The file changed, and its digest made anew, as an owner could."""
    content = json.loads(path.read_text())
    change(content)
    content.pop("digest")
    path.write_text(json.dumps({**content, "digest": sealed_digest(content)}))


def test_verify_computes_again_and_finds_what_was_changed(folder: Path) -> None:
    trace = folder / "run.trace"
    command(folder, "review", "run.trace", "--rows", str(ROWS), "--seal")
    path = reviews_beside(trace)
    whole = path.read_bytes()
    report = api.verify(trace)
    assert report.ok and [level.name for level in report.levels][-1] == "reviews" and len(report.levels) == 10
    digest = json.loads(whole)["digest"]
    assert api.verify(trace, head=digest).ok and not api.verify(trace, head="0" * 64).ok

    def codes(change: Callable[[dict[str, Any]], None]) -> set[str]:
        path.write_bytes(whole)
        sealed_again(path, change)
        found = {d.code for d in api.verify(trace).divergences}
        assert not api.verify(trace, head=digest).ok
        return found

    def another_answer(content: dict[str, Any]) -> None:
        label = content["labels"][0]
        label["answer"] = {"label": "billing" if label["answer"]["label"] == "other" else "other"}

    try:
        assert codes(lambda c: c["numbers"][0].update(low=c["numbers"][0]["low"] + 1)) == {"D16"}
        assert "D17" in codes(another_answer)
        assert "D17" in codes(lambda c: c["labels"][0].update(text="another text"))
        assert "D17" in codes(lambda c: c["labels"].pop())
        assert codes(lambda c: c.update(head="0" * 64)) == {"D16"}
        path.write_bytes(whole.replace(b'"low": ', b'"low":  ', 1))  # the same JSON
        assert api.verify(trace).ok
        path.write_bytes(whole.replace(b'"reviewed": 30', b'"reviewed": 31', 1))
        assert {d.code for d in api.verify(trace).divergences} == {"D17"}
        shown = command(folder, "show", "run.trace").out
        assert "is not as it was sealed, and is not shown" in shown
    finally:
        path.write_bytes(whole)


def test_next_months_run_tells_by_the_labels_of_the_run_that_it_goes_on_from(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(csv(120))
    again = api.rerun(folder / "run.trace", {"tickets": str(tmp_path / "more.csv")}, to=tmp_path / "next.trace")
    assert again.result.estimates[0].estimate.reviewed == ROWS and (tmp_path / "next.reviews.json").is_file()
    whole = (tmp_path / "next.reviews.json").read_bytes()
    summary = command(tmp_path, "review", "next.trace", "--summary", "--rows", str(ROWS))
    assert f"the {ROWS} labels sealed with the trace are taken" in summary.err, summary.err
    assert [path.name for path in tmp_path.glob("next.*") if path.is_file()] == ["next.reviews.json"]
    with open_session(tmp_path / "next.trace", rows=100) as session:
        item = session.next()
        assert item is not None and session.progress.done > 0
        session.answer(item, "other")
        assert len(read_labels(session.path).held) == ROWS + 1
    few = tmp_path / "few.jsonl"
    few.write_text("".join((tmp_path / "next.labels.jsonl").read_text().splitlines(keepends=True)[: ROWS - 1]))
    assert (tmp_path / "next.reviews.json").read_bytes() == whole
    fewer = command(tmp_path, "review", "next.trace", "--seal", "--labels", "few.jsonl")
    assert f"1 sealed label left out, {ROWS} sealed before, {ROWS - 1} now" in fewer.err, fewer.err
    with open_trace(tmp_path / "next.trace") as trace:
        few.write_text(few.read_text().replace('"blind": true', '"blind": false', 1))
        assert "1 sealed label changed" in replaced_note(trace, told_reviews(trace, few))
