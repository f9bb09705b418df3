"""Reviewing a recorded run: rows are shown, labels kept, and the answer's numbers get intervals that hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import api
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.proxy_model import Proxy
from rlm_dsl.review.corrected import Corrected, told
from rlm_dsl.review.doubt import by_margin, stratum_of
from rlm_dsl.review.estimates.estimate import Estimate
from rlm_dsl.review.labels.file import add_labels, read_labels
from rlm_dsl.review.session import Session, open_session, read_reviews
from rlm_dsl.review.telling import told_reviews
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import open_trace
from tests.support import reviews
from tests.support.runs import BILLING, csv, gold, recorded

Say = Callable[[str], Any]


def session(trace: Path, **more: Any) -> Session:
    numbers = count(1)
    fixed = {
        "clock": lambda: "2026-11-29T10:00:00+00:00",
        "new_id": lambda: f"{more.get('reviewer', '')}{next(numbers)}",
    }
    return open_session(trace, **{**fixed, **more})


def review(held: Session, say: Say) -> int:
    """Answer every row that is left; how many."""
    answered = 0
    while (item := held.next()) is not None:
        said = say(item.text)
        held.cannot_tell(item) if said is None else held.answer(item, said)
        answered += 1
    return answered


def right(text: str) -> str:
    return "billing" if text.startswith(BILLING) else "other"


def by_name(numbers: list[Corrected]) -> dict[str, Estimate]:
    return {".".join((*n.part, *map(str, n.group.values()))): n.estimate for n in numbers}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("reviewed"), 120)


def test_a_row_is_shown_with_what_stands_around_it_and_blind(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l") as held:
        item = held.next()
        assert item is not None and item.model is None and item.labels == ("billing", "other")
        assert set(item.columns) == {"id", "user"} and item.place.startswith("tickets:")
        number = item.columns["id"]
        beside = [n for n in (number - 2, number - 1) if n % 3][-1:] if number > 1 else []
        assert item.text.endswith(f"({number})") and all(item.before.endswith(f"({n})") for n in beside)
        kept = held.answer(item, "BILLING" if right(item.text) == "billing" else "other")
        assert kept.same is True and kept.label.blind and kept.label.draw["probability"] == pytest.approx(60 / 80)
        assert held.progress.as_json() == {"done": 1, "rows": 60, "left": 59}
        with pytest.raises(UserError, match="no answer of `topics`"):
            held.answer(item, "nonsense")
    with session(trace, labels=tmp_path / "l", blind=False) as seen:
        item = seen.next()
        assert item is not None and item.model == {"label": right(item.text)} and item.number == 2


def test_leaving_undoing_and_coming_back(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l") as held:
        first = held.next()
        assert first is not None
        held.answer(first, "other")
        assert held.undo() is not None and held.next() == first and held.undo() is None
        held.answer(first, "billing")
    with session(trace, labels=tmp_path / "l", rows=20, new_id=lambda: "x") as again:
        assert again.progress.done == 1 and again.next() != first
    with pytest.raises(UserError, match="no model step `topic`"):
        session(trace, step="topic")
    with pytest.raises(UserError, match="cannot be drawn by"):
        session(trace, by="usr")


@pytest.mark.parametrize("by", ["simple", "answer", "user", "doubt"])
def test_every_number_of_the_answer_gets_an_interval(trace: Path, tmp_path: Path, by: str) -> None:
    with session(trace, labels=tmp_path / "l", by=by, rows=40) as held:
        assert "no drawn row is reviewed" in held.corrected()[0].told()
        assert review(held, right) == 40
        found = by_name(held.corrected())
        assert set(found) == {"total", "per_user.u1", "per_user.u2"}
        for estimate in found.values():
            assert estimate.low is not None and estimate.high is not None and estimate.model is not None
            assert estimate.low <= estimate.model <= estimate.high and estimate.width > 0
        (step,) = held.reviews()
        assert step.agreement.value == 1 and 0 < step.agreement.width < 0.3
        assert step.precision["billing"].value == 1 and (step.recall["billing"].low or 0) > 0.3
    with session(trace, labels=tmp_path / "l", by=by, rows=80, new_id=lambda: str(random.random())) as more:
        assert review(more, right) == 40
        assert told(more.corrected()[0].estimate) == "20 by the model; 20 (20 to 20, 95 %) of 80 rows, all reviewed"


def test_what_the_model_got_wrong_is_set_right(trace: Path, tmp_path: Path) -> None:
    def stricter(text: str) -> str:
        return "billing" if right(text) == "billing" and int(text[text.index("(") + 1 : -1]) % 8 == 0 else "other"

    with session(trace, labels=tmp_path / "l", rows=80) as held:
        review(held, stricter)
        assert by_name(held.corrected())["total"].value == 10
        assert held.reviews()[0].precision["billing"].value == 0.5


def reviewed_run(folder: Path, answer: str, by_model: Say, say: Say, rows: int) -> dict[str, Corrected]:
    """The numbers of an answer over 40 tickets, of which the model and people say what they are given."""
    (folder / "t.csv").write_text(csv(40))
    program = 'topics = tickets | classify(on=body, labels=["billing", "other", "odd"], into=topic)\n' + answer + "\n"
    answers = [{"text": each["text"], "label": by_model(each["text"])} for each in gold(40)]
    with serve(gold=answers) as server:
        to = folder / "r.trace"
        api.run(program, {"tickets": str(folder / "t.csv")}, model="m", base_url=server.base_url, trace=to)
    with session(to, labels=folder / "l", rows=rows) as held:
        review(held, say)
        return {" ".join(filter(None, (n.column, *map(str, n.group.values())))): n for n in held.corrected()}


def test_an_average_of_which_all_is_reviewed_is_exact_where_the_model_was_wrong(tmp_path: Path) -> None:
    answer = 'answer topics | where(topic == "billing") | avg(id)'
    found = reviewed_run(tmp_path, answer, right, lambda text: "billing" if text.endswith("(7)") else "other", 40)
    (number,) = found.values()
    assert number.told() == "22 by the model; 7 (7 to 7, 95 %) of 40 rows, all reviewed"


@pytest.mark.parametrize(("more", "there"), [("", True), (" | where(n > 0)", False)])
def test_a_group_that_the_model_never_found_is_told_of(tmp_path: Path, more: str, there: bool) -> None:
    answer = f"answer topics | group(by=topic, n=count(), m=avg(id)){more}"
    found = reviewed_run(tmp_path, answer, right, lambda text: "odd" if text.endswith("(7)") else right(text), 40)
    assert set(found) == {f"{column} {kind}" for column in "nm" for kind in ("billing", "other", *["odd"] * there)}
    if there:
        assert found["n odd"].told() == "0 by the model; 1 (1 to 1, 95 %) of 40 rows, all reviewed"
        assert found["m odd"].told() == "7 (7 to 7, 95 %) of 40 rows, all reviewed"
        assert any("the model gave it no row" in note for note in found["n odd"].estimate.notes)


def test_where_no_reviewed_row_bears_on_a_number_no_value_is_told(tmp_path: Path) -> None:
    answer = 'answer topics | where(topic == "billing") | group(by=user, n=count())'
    found = reviewed_run(tmp_path, answer, right, right, 1)
    tells = [each for each in found.values() if each.estimate.known]
    untold = [each.told() for each in found.values() if not each.estimate.known]
    assert len(tells) == 1 and "by 1 reviewed row" in tells[0].told() and tells[0].estimate.rows in (13, 14)
    assert len(untold) == 2 and all("no error is known: no reviewed row tells of it yet" in each for each in untold)
    with session(tmp_path / "r.trace", labels=tmp_path / "l", rows=1) as held:
        (step,) = held.reviews()
        shown = {label: told(each) for label, each in step.precision.items()}
    assert sum("no reviewed row tells of it yet" in each for each in shown.values()) == 1, shown


def test_two_reviewers_see_the_same_rows_first_and_then_others(trace: Path, tmp_path: Path) -> None:
    labels = tmp_path / "l"
    with session(trace, labels=labels, reviewer="a", rows=30, overlap=10) as held:
        assert review(held, right) == 30
    with session(trace, labels=labels, reviewer="b", rows=50, overlap=10) as other:
        assert review(other, lambda text: "other" if text.endswith("8)") else right(text)) == 30
        (step,) = other.reviews()
        assert step.together == 10 and step.kappa is not None and step.alpha is not None and step.reviewed == 50
        assert any("reviewers differ" in note for note in step.notes) or step.kappa == 1


def test_reviews_hold_in_next_months_run_of_a_changed_program(trace: Path, tmp_path: Path) -> None:
    """Rows that stayed keep their labels; a row that left is told of; the question is known by what it asks."""
    labels = tmp_path / "l"
    with session(trace, labels=labels, rows=80) as held:
        review(held, right)
    (tmp_path / "next.csv").write_text("".join(csv(120).splitlines(True)[:70]))
    program = (
        'asked = tickets | where(user != "u0" and id > 6) '
        '| classify(on=body, labels=["billing", "other"], into=kind)\n'
        'answer asked | where(kind == "billing") | count()\n'
    )
    with serve(gold=gold(120)) as server:
        to = tmp_path / "next.trace"
        api.run(program, {"tickets": str(tmp_path / "next.csv")}, model="m", base_url=server.base_url, trace=to)
    numbers, steps = read_reviews(to, labels)
    assert numbers[0].estimate.low == numbers[0].estimate.high == numbers[0].estimate.model
    assert numbers[0].part == () and "no longer in the run" in " ".join(steps[0].notes)


def test_labels_that_were_not_drawn_lengthen_no_sample(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l", rows=10) as held:
        item = held.item(held.draw.strata[""][30])
        held.answer(item, "billing")
        assert held.next() is not None and "no drawn row is reviewed" in held.corrected()[0].told()
        assert read_labels(tmp_path / "l").held[0].draw == {}


@pytest.mark.parametrize("form", ["csv", "jsonl", "label-studio", "argilla"])
def test_labels_of_another_tool(trace: Path, tmp_path: Path, form: str) -> None:
    with session(trace, labels=tmp_path / "l", rows=30) as held:
        review(held, right)
        out = held.export(form)
    with session(trace, labels=tmp_path / "other", rows=30) as other:
        kept, known, problems = other.take_in(out, form)
        assert (kept, known, problems) == (30, 0, []) and other.next() is None
        assert other.corrected()[0].estimate.reviewed == 30
    with session(trace, labels=tmp_path / "bad") as bad:
        kept, _, problems = bad.take_in("text,label\nno such row,billing\n", "csv")
        assert kept == 0 and problems == ["line 2: no row of `topics` shows this"]


def test_labels_of_a_tool_that_showed_the_models_answer_are_not_blind(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l", rows=3) as held:
        one, two, three = (held.step.texts[row] for _, row in held.order)
        lines: list[dict[str, Any]] = [
            {"text": one, "label": "other", "model": "other"},
            {"text": two, "label": "other"},
        ]
        lines.append({"text": three, "label": "other", "model": "other", "blind": True})
        text = "\n".join(map(json.dumps, lines))
        assert held.take_in(text, "jsonl") == (3, 0, [])
        assert [label.blind for label in held.labels.held] == [False, True, True]
        assert held.take_in(text + "\n" + text, "jsonl") == (0, 6, []) and len(read_labels(tmp_path / "l").held) == 3
        assert held.take_in(text.replace("other", "billing"), "jsonl")[:2] == (3, 0)
        assert [label.blind for label in held.labels.held[3:]] == [False, True, False]


def test_an_export_for_a_reviewer_holds_nobody_elses_answers(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l", rows=6, reviewer="Ann", overlap=2) as ann:
        review(ann, lambda text: "other")
    with session(trace, labels=tmp_path / "l", rows=8, reviewer="Ben", overlap=2) as ben:
        rows = ben.exported()
        assert [row.told for row in rows] == [False] * 4 and "Ann" not in ben.export("csv")
    with session(trace, labels=tmp_path / "l", rows=6) as everybody:
        assert {row.reviewer for row in everybody.exported()} == {"Ann"}


def test_labels_that_count_nothing_are_told_in_a_line_each(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l", rows=2) as held:
        review(held, right)
        label = held.labels.held[0]
        others = replace(label, id="x", question="another"), replace(label, id="y", answer={"label": "biling"})
        add_labels(tmp_path / "l", others)
    with open_trace(trace) as sealed:
        notes = told_reviews(sealed, tmp_path / "l").notes
        assert notes[:2] == (
            "1 label of another question than this run's steps ask: not counted",
            "1 label no answer of `topics`: counted as rows that cannot be told",
        )
        assert "is a folder, no file of labels" in " ".join(told_reviews(sealed, tmp_path).notes)
        assert "there is no file of labels" in " ".join(told_reviews(sealed, tmp_path / "none").notes)


def test_a_plan_tells_widths_that_shrink(trace: Path, tmp_path: Path) -> None:
    with session(trace, labels=tmp_path / "l") as held:
        used, known, planned = held.plan()
        assert (used, known) == (0.9, False) and [each.rows for each in planned] == [20, 40, 60, 80]
        widths = [each.agreement for each in planned]
        assert widths == sorted(widths, reverse=True) and widths[-1] == 0
        assert planned[-1].widths[0].model == 60
        own = held.plan_numbers(0.9, (20, 60))
        assert {n.number.part: n.number.estimate.model for n in own}["total",] == 20
        for number in own:
            (_, low, high), (_, lower, higher) = (each for each in number.limits if each is not None)
            assert low <= lower < higher <= high
        review(held, right)
        assert held.plan()[:2] == (1.0, True)


PROGRAMS = {
    "share": ("answer count(kept) / count(tickets)", ""),
    "mean": ("answer kept | avg(id)", ""),
    "sum": ("answer kept | sum(id)", ""),
    "count_if": ("answer kept | count_if(id > 20)", ""),
    "times": ("answer count(kept) * 2", ""),
    "take": ("answer kept | take(5) | count()", "looks at several rows together"),
    "median": ("answer kept | median(id)", "is no sum over rows"),
    "listed": ("answer kept", "listed, not counted"),
    "first": ("answer kept | first(id)", "is no sum over rows"),
    "compared": ("answer kept | where(id > avg(kept, id)) | count()", "compares with what rests on a model step"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_can_be_followed_is_and_what_cannot_says_why(tmp_path: Path, name: str) -> None:
    last, why = PROGRAMS[name]
    (tmp_path / "t.csv").write_text(csv(40))
    program = f'kept = tickets | keep("It is about money.", on=body)\n{last}\n'
    answers = [{"text": each["text"], "holds": each["label"] == "billing"} for each in gold(40)]
    with serve(gold=answers) as server:
        to = tmp_path / "r.trace"
        run = api.run(program, {"tickets": str(tmp_path / "t.csv")}, model="m", base_url=server.base_url, trace=to)
    with session(to, labels=tmp_path / "l", rows=40) as held:
        review(held, lambda text: "yes" if right(text) == "billing" else "no")
        (number,) = held.corrected()
        if why:
            assert not number.estimate.known and why in number.told()
        else:
            assert number.estimate.model == pytest.approx(run.value)
            assert (number.estimate.low, number.estimate.high) == pytest.approx((run.value, run.value))


@pytest.mark.parametrize(("kept", "why"), [("true", ""), ("p > 0.1", "how probable the model holds a label")])
def test_labels_by_probability(tmp_path: Path, kept: str, why: str) -> None:
    (tmp_path / "t.csv").write_text(csv(40))
    program = (
        'kinds = tickets | classify(on=body, labels=["billing", "other"], into=kind, probability=p)\n'
        f'answer kinds | where(kind == "billing" and {kept}) | count()\n'
    )
    with serve(gold=gold(40)) as server:
        to = tmp_path / "r.trace"
        api.run(program, {"tickets": str(tmp_path / "t.csv")}, model="m", base_url=server.base_url, trace=to)
    with session(to, labels=tmp_path / "l", rows=40) as held:
        review(held, right)
        (number,) = held.corrected()
        assert why in number.told() if why else (number.estimate.low, number.estimate.high) == (10, 10)


def test_a_chain_counts_what_was_reviewed_of_both_steps(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv(40))
    program = (
        'kept = tickets | keep("It is about money.", on=body)\n'
        'kinds = kept | classify(on=body, labels=["billing", "other"], into=kind)\n'
        'answer kinds | where(kind == "billing") | count()\n'
    )
    answers = [{**each, "holds": int(each["text"].split("(")[1][:-1]) % 2 == 0} for each in gold(40)]
    with serve(gold=answers) as server:
        to = tmp_path / "r.trace"
        api.run(program, {"tickets": str(tmp_path / "t.csv")}, model="m", base_url=server.base_url, trace=to)
    with session(to, step="kept", labels=tmp_path / "l", rows=40) as held:
        review(held, lambda text: int(text.split("(")[1][:-1]) % 2 == 0)
        half = by_name(held.corrected())[""]
        assert half.low == 0 and any("not reviewed for kinds" in note for note in half.notes)
    with session(to, step="kinds", labels=tmp_path / "l", rows=40, new_id=lambda: str(random.random())) as held:
        review(held, right)
        full = by_name(held.corrected())[""]
        assert (full.low, full.value, full.high) == (10, 10, 10)


def test_doubt_is_how_probable_the_model_holds_its_answer_where_the_program_asks(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv(40))
    program = (
        'kinds = tickets | classify(on=body, labels=["billing", "other"], into=kind, probability=p)\n'
        "answer kinds | select(id, p)\n"
    )
    with serve(gold=gold(40)) as server:
        to = tmp_path / "r.trace"
        run = api.run(program, {"tickets": str(tmp_path / "t.csv")}, model="m", base_url=server.base_url, trace=to)
    with session(to, labels=tmp_path / "l", by="doubt", rows=40) as held:
        assert held.step.doubts == pytest.approx([1 - row["p"] for row in run.value])
        assert sum(map(len, held.draw.strata.values())) == 40


@pytest.mark.parametrize("kind", ["pairs", "fields"])
def test_pairs_and_answers_of_several_fields(tmp_path: Path, kind: str) -> None:
    """Both rows of a pair stand beside each other; dates, decimals and nulls come back from the file as they were."""
    to = reviews.reviewed(tmp_path, kind)
    with session(to, labels=tmp_path / "l", rows=200) as held:
        item = held.next()
        assert item is not None
        if kind == "pairs":
            assert item.pair is not None and set(item.pair[0]) == {"id", "user", "body"}
            assert set(item.pair[1]) == {"name", "city"} and set(item.columns) == {"candidate_rank"}
        else:
            with pytest.raises(UserError, match="no field `amout`"):
                held.answer(item, {"amout": 1})
        while item is not None:
            model = held.step.answers[item.row]
            assert model is not None
            assert held.answer(item, model).same is True
            item = held.next()
        (step,) = held.reviews()
        assert step.agreement.low == step.agreement.high == 1
        for number in held.corrected():
            assert number.estimate.low == number.estimate.high == pytest.approx(number.estimate.model)


def test_doubt_by_the_margin_of_a_proxy() -> None:
    """None where it is sure of the model's answer, some where it is not, all where it says something else."""
    sure = Proxy(("a", "b"), 1, bytes((0, 0)), (9, 0), (5, None), "0.9", "0.05", 0, {})
    unsure = replace(sure, thresholds=(10, None))
    assert by_margin(sure, ["x", "x", "y"], ["a", "b", None]) == (0, 1, 1)
    assert by_margin(unsure, ["x"], ["a"]) == (0.25,) and stratum_of(0.25) == "some doubt"
