"""Sub-runs: a row's long text explored as a context of its own, recorded, run again, bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.api import run, verify
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support.forging import sealed_anew

QUESTION = "How many lines speak of a parcel?"
PROGRAM = f"""context docs: table(path: text, text: text)

found = docs | recurse("{QUESTION}", returns=int, into=parcels)
answer found | select(path, parcels)
"""
TURNS = ["show text | take(2)", 'answer text | grep(r"parcel", on=text) | count()']


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))
    for name, text in {
        "a": "my parcel\nhello\nparcel two",
        "b": "no such thing",
        "c": "my parcel\nhello\nparcel two",
    }.items():
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / "docs" / f"{name}.txt").write_text(text)
    return str(tmp_path / "docs")


ROWS = [{"path": "a.txt", "parcels": 2}, {"path": "b.txt", "parcels": 0}, {"path": "c.txt", "parcels": 2}]


def test_each_different_text_is_explored_once_and_the_trace_holds(docs: str, tmp_path: Path) -> None:
    with serve(script={QUESTION: TURNS}) as server:
        result = run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url, trace=tmp_path / "t.trace")
        assert result.value == ROWS and server.calls == 4 and result.spent.calls == 4
        again = run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url)
        assert again.value == ROWS and server.calls == 4, "sub-runs are explored again on stored answers"
    report = verify(tmp_path / "t.trace")
    assert report.ok, report
    assert run(PROGRAM, {"docs": docs}, answers=tmp_path / "t.trace").value == ROWS
    rows = Trace.open(tmp_path / "t.trace").table("calls").to_pylist()
    programs = [json.loads(row["answer"]).get("program") for row in rows if row["origin"] == "sub-run"]
    assert len(programs) == 2 and all("grep" in program for program in programs)


def changed(trace: Path, change: Any) -> None:
    """A recorded sub-run with another answer or program, as if it had been recorded so."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = trace / "payload" / "calls.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        if row["origin"] == "sub-run":
            row["answer"] = json.dumps(change(json.loads(row["answer"])))
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    sealed_anew(trace)


@pytest.mark.parametrize("part", ["text", "program"])
def test_a_sub_runs_program_must_give_what_was_recorded(docs: str, tmp_path: Path, part: str) -> None:
    trace = tmp_path / "t.trace"
    with serve(script={QUESTION: TURNS}) as server:
        run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url, trace=trace)
    other = {"text": '{"result": 7}', "program": "context text: table(line: int, text: text)\n\nanswer text | count()"}
    changed(trace, lambda answer: {**answer, part: other[part]})
    with pytest.raises(UserError, match="gives another answer"):
        run(PROGRAM, {"docs": docs}, answers=trace)
    assert not verify(trace).ok


def test_an_answer_of_another_type_is_explored_again_with_what_was_wrong(docs: str) -> None:
    with serve(script={"That does not fit": TURNS, QUESTION: ["answer text | first(text)"]}) as server:
        result = run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url)
        assert result.value == ROWS


def test_a_sub_run_without_an_answer_fails_its_row(docs: str) -> None:
    with serve(script={QUESTION: ["show text"]}) as server:
        with pytest.raises(UserError, match="no valid answer"):
            run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url, turns=3)
        lenient = PROGRAM.replace("into=parcels", 'into=parcels, on_error="null"')
        result = run(lenient, {"docs": docs}, model="m", base_url=server.base_url, turns=3)
        assert [row["parcels"] for row in result.value] == [None, None, None]


def test_the_budget_holds_over_sub_runs(docs: str) -> None:
    with serve(script={QUESTION: TURNS}) as server:
        with pytest.raises(UserError) as stopped:
            run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url, budget={"calls": 3})
        assert stopped.value.exit_code == 3 and server.calls <= 3


def test_sub_runs_go_as_deep_as_they_may(docs: str) -> None:
    inner = "How many words?"
    deep = PROGRAM.replace("into=parcels", "into=parcels, depth=2")
    turns = [f'words = text | recurse("{inner}", returns=int, into=n)', "answer words | where(n > 1) | count()"]
    script = {QUESTION: turns, inner: ['answer text | derive(w=split(text, " ")) | explode(w) | count()']}
    with serve(script=script) as server:
        result = run(deep, {"docs": docs}, model="m", base_url=server.base_url)
        assert [row["parcels"] for row in result.value] == [2, 1, 2]
        with pytest.raises(UserError, match="no valid answer"):
            run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url, turns=2, store=":memory:")


def test_a_person_sees_each_sub_run_by_itself_and_the_bound(docs: str, tmp_path: Path) -> None:
    from rlm_dsl.cli.render.plan import plan_text
    from rlm_dsl.cli.render.story import story_text
    from rlm_dsl.common.source import Source
    from rlm_dsl.context.loading import load
    from rlm_dsl.trace.story import story

    with serve(script={QUESTION: TURNS}) as server:
        run(PROGRAM, {"docs": docs}, model="m", base_url=server.base_url, trace=tmp_path / "t.trace")
    told = story_text(story(Trace.open(tmp_path / "t.trace")))
    first, second = told.index("sub-run 1 of 2, in found"), told.index("sub-run 2 of 2, in found")
    assert told[first:second].count("\nturn ") == 2 == told[second:].count("\nturn ")
    source = Source("p", PROGRAM)
    assert "at most 360 calls for 3 rows" in plan_text(source, {"docs": load("docs", docs, format="documents")}, {})


SHARED = PROGRAM.replace("returns=int", 'returns=int, share="program"')
FORM = "my parcel\nhello {n}\n"


def texts(folder: Path, count: int, odd: int = -1) -> str:
    made = folder / "many"
    made.mkdir()
    for n in range(count):
        (made / f"{n:03}.txt").write_text("no line here" if n == odd else FORM.format(n=n) + "parcel\n" * (n % 4))
    return str(made)


def test_a_program_is_found_on_the_first_texts_and_run_on_all_others(docs: str, tmp_path: Path) -> None:
    many = texts(tmp_path, 6)
    with serve(script={QUESTION: TURNS}) as server:
        trace = tmp_path / "t.trace"
        result = run(SHARED, {"docs": many}, model="m", base_url=server.base_url, trace=trace)
        assert [row["parcels"] for row in result.value] == [1 + n % 4 for n in range(6)]
        assert server.calls == 3 * len(TURNS)
    assert verify(trace).ok and run(SHARED, {"docs": many}, answers=trace).value == result.value


def test_a_text_on_which_the_shared_program_fails_is_explored(docs: str, tmp_path: Path) -> None:
    many = texts(tmp_path, 6, odd=4)
    program = 'answer first(text | grep(r"hello") | extract(r"hello (?P<n>\\d+)", types={n: int}), n)'
    with serve(script={QUESTION: [program]}) as server:
        trace = tmp_path / "t.trace"
        shared = SHARED.replace("returns=int", 'returns=int, on_error="null"')
        result = run(shared, {"docs": many}, model="m", base_url=server.base_url, trace=trace)
        assert [row["parcels"] for row in result.value] == [0, 1, 2, 3, None, 5]
        told = "three answers are doubted once, as parcels are asked for; the odd text is explored, in vain"
        assert server.calls == 2 * 3 + 1, told
    assert verify(trace).ok
