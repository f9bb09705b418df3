"""Two runs beside each other: what is told of them at any width, and laws of comparing."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.cli import run as command
from rlm_dsl.compare.diff import diff
from rlm_dsl.compare.rows import Columns, compare_rows
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support import runs
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS

DIFFS = CORPUS / "diffs.txt"
ROWS = 40
CONDITION = runs.PROGRAM.replace('user != "u0"', 'user == "u0"') + "late = mine | take(1)\nshow late\n"


def labelled(shown: Any, schema: Any) -> dict[str, str]:
    """Labels from the text; from a fourth label on, of some billing questions another."""
    text, labels = str(shown), schema["properties"]["label"]["enum"]
    found = "billing" if runs.BILLING in text else "other"
    return {"label": "refund" if "refund" in labels and found == "billing" and "8" in text else found}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of traces: a run, and others made from it."""
    folder = tmp_path_factory.mktemp("diffs")
    (folder / "tickets.csv").write_text(runs.csv(ROWS))
    changed = runs.csv(ROWS + 6).replace("(7)", "(7, and again)").splitlines()
    (folder / "month.csv").write_text("\n".join([changed[0], *changed[3:]]) + "\n")
    first = folder / "first.trace"
    with serve(gold=labelled) as server:
        contexts = {"tickets": str(folder / "tickets.csv")}
        more: dict[str, Any] = {"store": ":memory:"}
        rlm_dsl.run(runs.PROGRAM, contexts, model="m", base_url=server.base_url, trace=first, **more)
        rlm_dsl.rerun(first, to=folder / "again.trace", **more)
        rlm_dsl.rerun(first, {"tickets": str(folder / "month.csv")}, to=folder / "month.trace", **more)
        labels = ['labels=["billing", "refund", "other"]', 'guide="What is it about?"']
        rlm_dsl.rerun(first, at="topics", settings=labels, to=folder / "labels.trace", **more)
        rlm_dsl.rerun(first, program=CONDITION, to=folder / "condition.trace", **more)
    with serve(gold=lambda shown, schema: {"label": "other"}) as other:
        rlm_dsl.rerun(first, model="n", base_url=other.base_url, to=folder / "model.trace", **more)
    yield folder


@pytest.mark.parametrize("title", corpus_cases(DIFFS))
def test_what_is_told(
    title: str,
    recorded: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    words, expected = corpus_cases(DIFFS)[title]
    other, width, *options = words.split()
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.chdir(recorded)
    code = command(["diff", "first.trace", f"{other}.trace", *options])
    told = capsys.readouterr().out.strip("\n")
    got = f"exit {code}\n{told}"
    if "--md" not in options:
        assert all(len(line) <= int(width) for line in told.splitlines())
    server = json.loads((recorded / f"{other}.trace" / "trace.json").read_text())["models"]["sub"]["base_url"]
    assert server not in told
    if request.config.getoption("--accept"):
        accept(DIFFS, title, "expected", got)
        return
    assert got == expected


def test_json_has_all_of_it_and_what_is_not_comparable_is_said(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(recorded)
    assert command(["diff", "first.trace", "labels.trace", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    topics = next(step for step in told["steps"] if step["step"] == "topics")
    assert topics["changed"] == 2 and topics["moves"] == [{"before": "billing", "after": "refund", "rows": 2}]
    assert sum(topics["causes"].values()) == topics["changed"]
    (tmp_path / "log.txt").write_text("a\nb\n")
    rlm_dsl.run("lines = log | count()\nanswer lines", {"log": str(tmp_path / "log.txt")}, trace=tmp_path / "o.trace")
    assert command(["diff", "first.trace", str(tmp_path / "o.trace")]) == 2
    assert "no step in common" in capsys.readouterr().err
    assert command(["diff", "first.trace", "nowhere.trace"]) == 2
    assert command(["diff", "first.trace", "labels.trace", "--step", "topic"]) == 2
    assert "did you mean `topics`" in capsys.readouterr().err


def test_a_model_that_answers_the_same_request_differently_is_counted(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(runs.csv(ROWS))
    contexts = {"tickets": str(tmp_path / "tickets.csv")}
    with serve(gold=labelled) as server:
        port, url = int(server.base_url.rpartition(":")[2].partition("/")[0]), server.base_url
        rlm_dsl.run(runs.PROGRAM, contexts, model="m", base_url=url, trace=tmp_path / "a.trace", store=":memory:")
    with serve(gold=labelled, error_rate=0.2, seed=3, port=port) as server:
        rlm_dsl.run(runs.PROGRAM, contexts, model="m", base_url=url, trace=tmp_path / "b.trace", store=":memory:")
    found = diff(Trace.open(tmp_path / "a.trace"), Trace.open(tmp_path / "b.trace"))
    topics = next(step for step in found.steps if step.pair.name == "topics")
    assert topics.rows is not None and 0 < found.flaky == len(topics.rows.changed) < 27
    assert dict(topics.causes) == {"answered differently": found.flaky} and not found.same


def test_the_answer_says_of_its_rows_what_their_step_says(tmp_path: Path) -> None:
    """Groups by a label, rows of equal texts, an unchanged table: one way to match rows, one count; on the page too."""
    pytest.importorskip("jinja2")
    from rlm_dsl.report.pages import diff_page

    labels = 'topics = t | classify(on=body, labels=["good", "bad", "odd"], into=label)\n'
    program = labels + (
        "groups = topics | group(by=label, n=count())\ntexts = topics | select(body, label)\n"
        "users = t | group(by=user, n=count())\nanswer {groups: groups, texts: texts, users: users}\n"
    )
    rows = [{"user": f"u{n % 2}", "body": f"text {n % 5}"} for n in range(12)]
    for name, changed in (("a", ""), ("b", "4"), ("c", "0")):
        with serve(gold=lambda shown, schema, _c=changed: {"label": grade(str(shown), _c)}) as server:
            more: dict[str, Any] = {"model": "m", "base_url": server.base_url, "store": ":memory:"}
            rlm_dsl.run(program, {"t": rows}, trace=tmp_path / f"{name}.trace", pack=1, **more)
    for other in ("b", "c"):
        found = diff(Trace.open(tmp_path / "a.trace"), Trace.open(tmp_path / f"{other}.trace"))
        steps = {step.pair.name: step.rows for step in found.steps}
        for part in found.answer:
            of_part, of_step = part.rows, steps[part.name]
            assert of_part is not None and of_step is not None
            one, two = ((r.same, len(r.changed), len(r.added), len(r.removed)) for r in (of_part, of_step))
            assert one == two, (other, part.name)
            if (other, part.name) == ("b", "groups"):  # a group is known by its label: one changed, one is new
                assert one == (1, 1, 1, 0)
        page = diff_page(found, "")
        assert "<p>2 rows" in page and "Rows: 2 the same, 0 changed" not in page


def grade(text: str, changed: str) -> str:
    digit = next(character for character in text if character.isdigit())
    return "odd" if digit == changed else "good" if digit < "3" else "bad"


@st.composite
def tables(draw: st.DrawFn) -> Columns:
    count = draw(st.integers(0, 12))
    values = {name: draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)) for name in "abc"}
    return Columns(tuple("abc"), values, count)


@given(tables(), tables(), st.randoms(use_true_random=False))
def test_every_row_is_counted_once_whatever_the_order(a: Columns, b: Columns, chance: random.Random) -> None:
    found = compare_rows(a, b, frozenset("c"))
    assert found.same + len(found.changed) + len(found.removed) == a.count
    assert found.same + len(found.changed) + len(found.added) == b.count
    assert len({c.before for c in found.changed} | set(found.removed)) == len(found.changed) + len(found.removed)
    back = compare_rows(b, a, frozenset("c"))
    assert (back.same, len(back.changed)) == (found.same, len(found.changed))
    order = list(range(a.count))
    chance.shuffle(order)
    mixed = Columns(a.names, {name: [a.values[name][place] for place in order] for name in a.names}, a.count)
    assert not compare_rows(a, mixed, frozenset("c")).differ


@pytest.mark.proof
def test_a_diff_of_100_000_rows_takes_less_than_ten_seconds(tmp_path: Path) -> None:
    rows = 100_000
    (tmp_path / "tickets.csv").write_text(runs.csv(rows))
    changed = runs.csv(rows + 500).replace("how do I log in (7", "how do I log out (7")
    (tmp_path / "month.csv").write_text(changed)
    limits: dict[str, float] = {"calls": 300_000, "tokens": 10**9}
    with serve(gold=labelled) as server:
        more: dict[str, Any] = {"budget": limits, "store": str(tmp_path / "s.sqlite")}
        contexts = {"tickets": str(tmp_path / "tickets.csv")}
        first, second = tmp_path / "a.trace", tmp_path / "b.trace"
        rlm_dsl.run(runs.PROGRAM, contexts, model="m", base_url=server.base_url, trace=first, **more)
        rlm_dsl.rerun(first, {"tickets": str(tmp_path / "month.csv")}, to=second, **more)
    started = time.perf_counter()
    found = diff(Trace.open(first), Trace.open(second))
    seconds = time.perf_counter() - started
    topics = next(step for step in found.steps if step.pair.name == "topics")
    assert topics.rows is not None and topics.rows.added and seconds < 10, seconds


def test_what_follows_from_other_answers_is_told_of_the_step_that_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "tickets.csv").write_text(runs.csv(12))
    port = None
    for name, off in (("a", 0), ("b", 1)):
        gold = [{"text": runs.body(n), "label": "billing" if (n + off) % 4 == 0 else "other"} for n in range(1, 13)]
        with serve(gold=gold, **({} if port is None else {"port": port})) as server:
            port = int(server.base_url.rpartition(":")[2].partition("/")[0])
            more: dict[str, Any] = {"store": ":memory:", "model": "m", "base_url": server.base_url}
            rlm_dsl.run(runs.PROGRAM, {"tickets": str(tmp_path / "tickets.csv")}, trace=tmp_path / name, **more)
    assert command(["diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    ends = {
        "! topics classify": "  answered differently",
        "! billing where": "topics: answered differently",
        "~ answer_per_user_group": "topics: answered differently",
        "why ": "(2 other became billing, 2 billing became other)",
    }
    for begins, end in ends.items():
        [line] = [line for line in told if line.startswith(begins)]
        assert line.endswith(end), line
