"""Rows without a valid answer in an exploration: the root is told which and why, and goes on; nothing is paid twice.

In: a server that is the root and the rows' model at once. Out: nothing but a verdict. Law: only what no statement could
mend ends an exploration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.protocol import BudgetExceeded
from rlm_dsl.trace.reader import Trace
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion, error

ROWS = 30
BAD = 17
STEP = 'topics = log | classify(on=text, labels=["good", "bad"], into=topic{more})'
TOPICS, NULLS = STEP.format(more=""), STEP.format(more=', on_error="null"')
COUNT = "answer topics | where(topic == 'good') | count()"


class Place:
    """A log of rows, a root that says what it is told to, and an odd answer for one of the rows or for `every` one."""

    def __init__(
        self, folder: Path, odd: Callable[[Sent], Reply], *turns: str, long: bool = False, every: bool = False
    ) -> None:
        rows = [f"row {number}" + " and more" * (2_000 if long and number == BAD else 0) for number in range(ROWS)]
        (folder / "log.txt").write_text("".join(f"{row}\n" for row in rows))
        self.folder, self.odd, self.turns, self.every = folder, odd, iter(turns), every
        self.asked: Counter[str] = Counter()
        self.told: list[Any] = []

    def reply(self, sent: Sent) -> Reply:
        if "small programs" in str(sent.body["messages"][0]["content"]):
            return completion(next(self.turns))
        row = str(sent.body["messages"][:2][-1]["content"])
        self.asked[row] += 1
        return self.odd(sent) if self.every or row.startswith(f"row {BAD}") else completion('{"label": "good"}')

    def ask(self, **more: Any) -> Any:
        with ScriptedServer(self.reply) as server:
            given = {"store": str(self.folder / "s.sqlite"), "trace": self.folder / "t.trace", "pack": 1, **more}
            contexts = {"log": str(self.folder / "log.txt")}
            return rlm_dsl.ask(
                "How many?", contexts, model="m", base_url=server.base_url, shown=self.told.append, **given
            )


ODD: dict[str, tuple[Callable[[Sent], Reply], str, int]] = {
    "refused": (lambda sent: completion("", "content_filter"), "refused: the server filtered the answer", 1),
    "invalid": (lambda sent: completion('{"label": "ugly"}'), "invalid: ", 2),
    "too long for the server": (
        lambda sent: error(400, "prompt is too long", code="context_length_exceeded"),
        "error: ",
        1,
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_the_root_is_told_of_a_row_and_goes_on(tmp_path: Path, name: str) -> None:
    odd, why, times = ODD[name]
    place = Place(tmp_path, odd, TOPICS, f"{NULLS}\n{COUNT}")
    assert place.ask().value == ROWS - 1
    first = place.told[0]
    assert "error: topics: 1 of 30 rows have no valid answer\n  row 18 (log:18) " + why in first.observation
    assert "it begins 'row 17'" in first.observation and 'on_error="null"' in first.observation
    assert (first.errors, len(place.told)) == (1, 2)
    assert place.asked.pop(f"row {BAD}") == times and set(place.asked.values()) == {1}
    assert rlm_dsl.verify(tmp_path / "t.trace").ok
    ends = [event.content for event in Trace.open(tmp_path / "t.trace").events() if event.type == "turn.end"]
    assert (ends[0]["errors"], ends[0]["observation"]) == (1, first.observation)


def test_a_row_that_no_call_has_room_for_is_told_before_anything_is_paid(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda sent: error(500, "asked"), TOPICS, f"{NULLS}\n{COUNT}", long=True)
    assert place.ask(window=2_000).value == ROWS - 1
    told = place.told[0].observation
    assert "1 of 30 rows do not fit the model's window\n  row 18 (log:18) error: a text of about" in told
    assert "partition" in told and len(place.asked) == ROWS - 1 and set(place.asked.values()) == {1}
    assert rlm_dsl.verify(tmp_path / "t.trace").ok
    with pytest.raises(UserError, match="do not fit the model's window"):
        rlm_dsl.run(f"{TOPICS}\n{COUNT}", {"log": str(tmp_path / "log.txt")}, model="m", window=2_000)


def test_many_failed_rows_are_told_in_bounds(tmp_path: Path) -> None:
    refusal = completion("x" * 3_000, "content_filter", message={"refusal": "no\x1b[31m" * 400})
    place = Place(tmp_path, lambda sent: refusal, TOPICS, "answer log | count()", every=True)
    assert place.ask(max_failed=1.0).value == ROWS
    told = place.told[0].observation
    assert "topics: 30 of 30 rows have no valid answer" in told and "... and 25 more" in told
    assert len(told) < 1_500 and "\x1b" not in told and told.count("likewise") == 4


def test_too_many_failed_rows_end_the_step_and_not_the_exploration(tmp_path: Path) -> None:
    place = Place(tmp_path, ODD["refused"][0], TOPICS, "answer log | count()", every=True)
    assert place.ask().value == ROWS
    assert "answers are not valid; the last is refused" in place.told[0].observation
    assert "partition" in place.told[0].observation and "--max-failed" not in place.told[0].observation


FOR_GOOD = {
    "a key": (error(401, "Incorrect API key provided"), "Incorrect API key"),
    "credits": (error(402, "Insufficient Balance"), "Insufficient Balance"),
    "no row to blame": (error(400, "top_k must be from 1 to 100", param="top_k"), "top_k must be"),
}


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("name", FOR_GOOD)
def test_what_no_statement_could_mend_ends_it(tmp_path: Path, name: str, nulls: bool) -> None:
    reply, words = FOR_GOOD[name]
    place = Place(tmp_path, lambda sent: reply, NULLS if nulls else TOPICS, COUNT, every=True)
    with pytest.raises(UserError, match=words):
        place.ask()
    assert place.told == []


def test_a_budget_that_ends_in_the_middle_ends_it(tmp_path: Path) -> None:
    long = completion('{"label": "good"}', usage={"prompt_tokens": 100, "completion_tokens": 2_900})
    place = Place(tmp_path, lambda sent: long, f"{TOPICS}\n{COUNT}", every=True)
    with pytest.raises(BudgetExceeded):
        place.ask(budget={"tokens": 9_000, "calls": 100}, parameters={"max_completion_tokens": 3_000})
    assert place.told == []


def test_a_failure_that_was_mended_is_not_why_there_is_no_answer(tmp_path: Path) -> None:
    place = Place(tmp_path, ODD["refused"][0], TOPICS, NULLS, "show topics | take(1)")
    with pytest.raises(UserError, match="no answer within 2 turns"):
        place.ask(turns=2)
    again = Place(tmp_path, ODD["refused"][0], TOPICS, "show log | take(1)", "show log | take(2)")
    with pytest.raises(UserError, match="1 of 30 rows have no valid answer"):
        again.ask(turns=2, trace=tmp_path / "u.trace")
