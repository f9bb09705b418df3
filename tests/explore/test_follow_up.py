"""Questions that go on from a finished exploration: what is known costs nothing, and the new trace stands alone."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl import traces
from rlm_dsl.cli import run as command_line
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import retry
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support import runs

ROWS = 24
FIRST = "How many billing tickets has u1?"
OF_U1 = 8
"""Rows that the first question shows to a model."""
BY_TOPIC = "answer topics | group(by=topic, n=count()) | sort(topic)"
COUNTS = [{"topic": "billing", "n": 2}, {"topic": "other", "n": 6}]


@dataclass
class Desk:
    """Tickets, an endpoint at one address, and a first question that was answered."""

    folder: Path
    port: int = 0
    stores: int = 0

    def __post_init__(self) -> None:
        (self.folder / "tickets.csv").write_text(runs.csv(ROWS))

    def serving(self, *turns: str, **more: Any) -> Any:
        return serve(gold=runs.gold(2 * ROWS), script=list(turns), port=self.port, **more)

    def first(self, *turns: str, **more: Any) -> rlm_dsl.Result:
        with self.serving(*(turns or runs.TURNS_OF_ONE)) as server:
            self.port = int(server.base_url.rpartition(":")[2].partition("/")[0])
            contexts = {"tickets": str(self.folder / "tickets.csv")}
            given = {"store": self.store(), "trace": self.folder / "first.trace", **more}
            return rlm_dsl.ask(FIRST, contexts, model="m", base_url=server.base_url, **given)

    def store(self) -> str:
        """A store in which nothing is, so that only the parent's answers are known."""
        self.stores += 1
        return str(self.folder / f"{self.stores}.sqlite")

    def then(self, question: str, *turns: str, calls: int | None = None, **more: Any) -> rlm_dsl.Result:
        """A question after the first; `calls` is how many it makes, a root turn each unless it is said."""
        given = {"continue_from": self.folder / "first.trace", "trace": self.folder / "then.trace", **more}
        with self.serving(*turns) as server:
            found = rlm_dsl.ask(question, store=self.store(), **given)
            assert server.calls == (len(turns) if calls is None else calls)
            self.prompts = [request.body["messages"] for request in server.requests]
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_question_goes_on_with_bindings_and_answers_and_its_trace_stands_alone(desk: Desk) -> None:
    first = desk.first()
    found = desk.then("and by topic?", "show topics | take(1)", BY_TOPIC, continue_from=first)
    assert found.value == COUNTS and found.spent.calls == 2 and found.spent.stored == OF_U1
    opening = desk.prompts[0][1]["content"]
    assert f"Asked before this: {FIRST}" in opening and "topic: other 6, billing 2" in opening
    assert "answer: int = 2" in opening and opening.endswith("Model calls left: 1,000.")
    assert desk.prompts[1][-1]["content"].endswith("Model calls left: 999."), "what was known costs no call"
    shutil.rmtree(desk.folder / "first.trace")
    assert rlm_dsl.verify(desk.folder / "then.trace").ok
    parent = Trace.open(desk.folder / "then.trace").header["parent"]
    assert parent == {"name": "first.trace", "head": first.head, "question": FIRST, "different": {}}
    again = desk.then("and how many at all?", "answer topics | count()", continue_from=desk.folder / "then.trace",
                      trace=None)  # fmt: skip
    assert again.value == OF_U1


def test_what_was_bound_beside_the_answer_is_bound_too(desk: Desk) -> None:
    beside = "kinds = tickets | take(3) | classify(on=body, labels=['billing', 'other'])\nwrong = tickets | nope()"
    desk.first("```\nlate = tickets | where(id > 20)\n```", beside, "n = late | count()\nanswer late | count()")
    found = desk.then("and before?", "answer {late: count(late), kinds: count(kinds), n: n}")
    assert found.value == {"late": 4, "kinds": 3, "n": 4}
    assert "kinds: 3 rows (id: int" in desk.prompts[0][1]["content"]
    assert "wrong" not in desk.prompts[0][1]["content"]


def test_new_rows_are_asked_by_the_parents_model_and_the_root_may_be_another(desk: Desk) -> None:
    desk.first()
    all_topics = "all = tickets | classify(on=body, labels=['billing', 'other'], into=topic)\nanswer all | count()"
    found = desk.then("and of all?", all_topics, calls=1 + ROWS - OF_U1, model="another")
    assert found.value == ROWS
    models = Trace.open(desk.folder / "then.trace").header["models"]
    assert (models["root"]["model"], models["sub"]["model"]) == ("another", "m")
    assert rlm_dsl.verify(desk.folder / "then.trace").ok
    with serve(script=[BY_TOPIC]) as elsewhere:
        moved = rlm_dsl.ask(
            "and by topic?",
            continue_from=desk.folder / "first.trace",
            base_url=elsewhere.base_url,
            store=desk.store(),
        )
        assert moved.value == COUNTS and elsewhere.calls == 1, "the root alone is asked elsewhere"


def test_data_that_changed_is_refused_unless_it_is_named_and_then_it_is_told(desk: Desk) -> None:
    desk.first()
    (desk.folder / "tickets.csv").write_text(runs.csv(ROWS + 6))
    with pytest.raises(UserError, match=r"not what (it )?was"):
        desk.then("and by topic?", BY_TOPIC)
    named = {"tickets": str(desk.folder / "tickets.csv")}
    with pytest.warns(UserWarning, match=f"{ROWS} rows then, {ROWS + 6} now"):
        found = desk.then("and by topic?", BY_TOPIC, calls=1 + 2, contexts=named)
    assert found.value == [{"topic": "billing", "n": 3}, {"topic": "other", "n": 7}]
    assert Trace.open(desk.folder / "then.trace").header["parent"]["different"] == {"contexts": ["tickets"]}
    assert rlm_dsl.verify(desk.folder / "then.trace").ok
    (desk.folder / "tickets.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="there is no column `id`"):
        desk.then("and by topic?", BY_TOPIC, contexts=named, trace=desk.folder / "other.trace")


def test_a_session_that_was_stopped_goes_on_without_its_parent_and_the_store(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    desk.first()
    turns = ["show topics | take(1)", "more = topics | where(topic == 'other')", "answer more | count()"]
    whole = desk.then("and others?", *turns)
    with desk.serving(*turns, down_after=2), pytest.raises(UserError):
        rlm_dsl.ask(
            "and others?",
            continue_from=desk.folder / "first.trace",
            store=desk.store(),
            trace=desk.folder / "stopped.trace",
        )
    shutil.rmtree(desk.folder / "first.trace")
    with desk.serving(*turns) as server:
        found = rlm_dsl.resume(desk.folder / "stopped.trace", store=desk.store())
        assert server.calls == 1, "only the turn that was not answered"
    assert (found.value, found.program) == (whole.value, whole.program) and found.value == 6
    assert rlm_dsl.verify(desk.folder / "stopped.trace").ok


def test_a_run_and_tables_in_python_and_more_data_go_on(desk: Desk) -> None:
    table = [{"user": "u1", "n": 1}, {"user": "u2", "n": 2}]
    rlm_dsl.run("big = t | where(n > 1)\nanswer big | count()", {"t": table}, trace=desk.folder / "run.trace")
    given = {"continue_from": desk.folder / "run.trace", "model": "m"}
    with pytest.raises(UserError, match="hand it in"):
        desk.then("who?", "answer big | first(user)", **given)
    with desk.serving("answer big | join(names, on=user) | first(name)") as server:
        found = rlm_dsl.ask("who?", {"t": table, "names": [{"user": "u2", "name": "Ann"}]}, **given,
                            base_url=server.base_url, store=desk.store())  # fmt: skip
    assert found.value == "Ann"
    with pytest.raises(UserError, match="no trace to go on from"):
        rlm_dsl.ask("and?", continue_from=found)
    with pytest.raises(UserError, match="no data is named"):
        rlm_dsl.ask("and?", model="m")


def test_the_command_goes_on_and_show_and_the_page_tell_the_parent(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.first()
    trace = str(desk.folder / "then.trace")
    with desk.serving(BY_TOPIC) as server:
        first = str(desk.folder / "first.trace")
        code = command_line(["ask", "and by topic?", "--continue", first, "--trace", trace, "--store", desk.store()])
        assert code == 0 and server.calls == 1
    assert "billing" in capsys.readouterr().out
    assert command_line(["show", trace]) == 0
    assert f"goes on   first.trace ({FIRST})  head " in capsys.readouterr().out
    assert traces.show(trace).as_json()["parent"]["question"] == FIRST
    if importlib.util.find_spec("jinja2"):
        assert command_line(["view", trace, "--out", str(desk.folder / "page.html")]) == 0
        assert f"goes on from first.trace ({FIRST})" in (desk.folder / "page.html").read_text()
    assert command_line(["ask", "and?", "--continue", first, "--mode", "direct", "--no-trace"]) == 2
