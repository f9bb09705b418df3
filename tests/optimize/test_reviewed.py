"""Reviews as examples: the same labels that give a number its interval make a program better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rlm_dsl import api
from rlm_dsl.optimize.examples import Labelled, split
from rlm_dsl.optimize.labelled import labelled_examples
from rlm_dsl.optimize.steps import Tunable
from rlm_dsl.review.labels.file import read_labels
from rlm_dsl.review.labels.parts import example_identity, part_of
from rlm_dsl.review.session import open_session, read_reviews
from rlm_dsl.testing import serve
from rlm_dsl.testing.gold import is_wrong
from rlm_dsl.testing.server import Server
from tests.support.commands import Ran, command
from tests.support.intents import laid_out, own
from tests.support.optional import needs

pytestmark = needs("dspy", "optuna", "sklearn")
LABELS = "p.labels.jsonl"


def recorded(folder: Path, server: Server, name: str = "run.trace", tuned: str | None = None) -> Path:
    more: dict[str, Any] = {"base_url": server.base_url, "trace": folder / name, "store": str(folder / "s.sqlite")}
    program = (folder / "p.rlm").read_text()
    api.run(program, {"tickets": str(folder / "t.csv")}, model="m", tuned=tuned, **more)
    return folder / name


def reviewed(trace: Path, said: dict[str, str], rows: int, **more: Any) -> None:
    with open_session(trace, labels=trace.parent / LABELS, rows=rows, **more) as held:
        while (item := held.next()) is not None:
            held.answer(item, said[item.text])


def optimize(folder: Path, server: Server, *more: str) -> Ran:
    told = ["--optimizer", "bootstrap", "--words-only", "--unproved", "--json", "--model", "m", "--force"]
    where = ["--context", "tickets=t.csv", "--base-url", server.base_url]
    return command(folder, "optimize", "p.rlm", "--labels", LABELS, *where, *told, *more, OPENAI_API_KEY="k")


def test_sixty_reviews_give_intervals_and_a_better_program(tmp_path: Path) -> None:
    rows = own(160)
    laid_out(tmp_path, rows)
    with serve(fallback="learn") as server:
        trace = recorded(tmp_path, server)
        reviewed(trace, dict(rows), 60)
        numbers, (before,) = read_reviews(trace, tmp_path / LABELS)
        assert len(numbers) == 4 and all(number.estimate.reviewed == 60 for number in numbers)
        ran = optimize(tmp_path, server)
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)
        assert found["test"]["after"] > found["test"]["before"] + 0.2, found["test"]
        assert sum(found["examples"].values()) == 60
        held_out = {text for text, _ in rows if part_of(example_identity("kinds", text)) == "test"}
        learned = (tmp_path / "p.tuned.yaml").read_text()
        assert not any(text in learned for text in held_out)
        # numbers of the tuned program rest on rows for the score alone, the others being known
        again = recorded(tmp_path, server, "tuned.trace", str(tmp_path / "p.tuned.yaml"))
        numbers, (after,) = read_reviews(again, tmp_path / LABELS)
        assert (after.agreement.value or 0) > (before.agreement.value or 1) + 0.2
        assert all(number.estimate.known for number in numbers)
        assert any("learned from" in note for note in after.notes)


def test_rows_that_help_are_learned_from_and_nothing_else(tmp_path: Path) -> None:
    """They are chosen by doubt, carry no draw, stand in no sample, and in no part for the score."""
    rows = own(120)
    laid_out(tmp_path, rows)
    said = dict(rows)
    with serve(fallback="learn") as server:
        trace = recorded(tmp_path, server)
    reviewed(trace, said, 30)
    before = read_reviews(trace, tmp_path / LABELS)
    reviewed(trace, said, 20, learning=True, disagreements={rows[5][0]: 3})
    held = read_labels(tmp_path / LABELS).held
    learning = [label for label in held if label.for_learning]
    assert len(held) == 50 and len(learning) == 20 and not any(label.draw for label in learning)
    assert "in 3 ways" in learning[0].reason or rows[5][0] in {label.text for label in held[:30]}
    assert read_reviews(trace, tmp_path / LABELS) == before
    kept = {label.text for label in learning}
    assert not any(part_of(example_identity("kinds", text)) == "test" for text in kept)
    examples = [Labelled(label.step, label.text, label.answer, learning=label.for_learning) for label in held]
    parts = split([*examples, *(Labelled("kinds", text, {}) for text, _ in rows if text not in {e.text for e in held})])
    assert not kept & {example.text for example in parts.test}


def test_contradictions_and_what_cannot_be_told_are_left_out_and_said(tmp_path: Path) -> None:
    rows = own(80)
    laid_out(tmp_path, rows)
    with serve(fallback="learn") as server:
        trace = recorded(tmp_path, server)
    with open_session(trace, labels=tmp_path / LABELS, rows=6) as held:
        texts = []
        for number in range(6):
            item = held.next()
            assert item is not None
            texts.append(item.text)
            held.cannot_tell(item) if number == 0 else held.answer(item, "a1" if number == 1 else dict(rows)[item.text])
        held.undo()
    with open_session(trace, labels=tmp_path / LABELS, rows=6, reviewer="b") as other:
        item = other.item(other.step.texts.index(texts[2]))
        other.answer(item, "a1" if dict(rows)[texts[2]] != "a1" else "a2")
    wrong = "a2" if dict(rows)[texts[3]] != "a2" else "a3"
    lines = [{"text": texts[3], "label": wrong}, {"text": texts[4], "label": dict(rows)[texts[4]]}]
    (tmp_path / "few.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with open_session(trace) as opened:
        step = opened.step
        tunable = Tunable("kinds", "kinds", "classify", "guide", "", ("body",), step.result, "sub", ())
        found = labelled_examples(tmp_path / "few.jsonl", tmp_path / LABELS, {"kinds": (tunable, step.round)})
    assert {example.text for example in found.examples} == {texts[1], texts[4]}
    told = " ".join(found.notes)
    assert "cannot be told" in told and "differently by reviewers" in told and "differ on 1 text" in told


def test_eval_tells_how_often_steps_answer_as_people_did(tmp_path: Path) -> None:
    rows = own(60)
    laid_out(tmp_path, rows)
    gold = [{"text": text, "label": label} for text, label in rows]
    with serve(gold=gold, error_rate=0.2) as server:
        trace = recorded(tmp_path, server)
        reviewed(trace, dict(rows), 30)
        with open_session(trace, labels=tmp_path / LABELS, rows=31) as held:
            item = held.next()
            assert item is not None
            held.cannot_tell(item)
        told = {label.text for label in read_labels(tmp_path / LABELS).held if label.answer is not None}
        calls = server.calls
        asked = ["eval", LABELS, "--context", "tickets=t.csv", "--model", "m", "--base-url", server.base_url]
        ran = command(tmp_path, *asked, "--json", OPENAI_API_KEY="k")
        assert ran.code == 0, ran.err
        (step,) = json.loads(ran.out)["steps"]
        assert server.calls == calls, "what the run was answered is known"
        words = command(tmp_path, *asked, OPENAI_API_KEY="k").out
    wrong = sum(is_wrong(0, text, "label", 0.2) for text in told)
    assert 0 < wrong < 30 and (step["right"], step["rows"]) == (30 - wrong, 30)
    assert step["low"] < (30 - wrong) / 30 < step["high"] and sum(each["rows"] for each in step["mistaken"]) == wrong
    assert f"kinds: {30 - wrong} of 30 reviewed rows right" in words and "0 model calls" in words
    (tmp_path / "p.rlm").rename(tmp_path / "q.rlm")
    assert "say which: --program FILE" in command(tmp_path, *asked, OPENAI_API_KEY="k").err
    assert command(tmp_path, *asked, "--program", "q.rlm", OPENAI_API_KEY="k").code == 0
