"""The exploration loop: what root models write, what they are told, how it ends, and how large a prompt gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_dsl.api import ask, run
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.loop import CUT_SHORT, LAST_TURN, NO_DATA, NOTHING, Exploration, NoAnswer, Told, explore
from rlm_dsl.explore.reply import program_text
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.testing import serve
from tests.support.roots import TICKETS, Root
from tests.support.small import calls_of, loaded


class Judge:
    """A model that calls what has money in it billing."""

    async def answer(self, request: Request) -> Answer:
        return Answer(json.dumps({"label": "billing" if "money" in request.messages[-1].content else "other"}))


@pytest.fixture
def session() -> Iterator[Session]:
    with Warehouse(2) as warehouse:
        types = {"tickets": loaded(warehouse, "tickets", TICKETS)}
        yield Session(Runner(warehouse, calls_of(Judge()), NoProgress(), digests=False), Environment(types))


def explored(session: Session, *replies: str | Answer, turns: int = 9) -> tuple[Exploration, list[Told], Root]:
    told: list[Told] = []
    root = Root(list(replies))
    found = explore("How many?", session, root, turns=turns, tell=lambda kind, fields: None, shown=told.append)
    return found, told, root


COUNT = "answer tickets | where(contains(body, 'money')) | count()"


def test_the_answers_program_is_its_backward_slice(session: Session) -> None:
    found, _, _ = explored(
        session,
        "```\nshow tickets | take(1)\nparam who: text = 'u1'\ndead = tickets | take(2)\n```",
        "mine = tickets | where(user == who)\nn = mine | count()",
        "topics = mine | classify(on=body, labels=['billing', 'other'], into=topic)\nanswer {n: n, rows: topics}",
    )
    assert found.outcome == "answered" and found.tree is not None
    assert show(found.tree) == (
        "context tickets: table(id: int, user: text, body: text)\n"
        'param who: text = "u1"\n\n'
        "mine = tickets | where(user == who)\n"
        "n = mine | count()\n"
        'topics = mine | classify(on=body, labels=["billing", "other"], into=topic)\n'
        "answer {n: n, rows: topics}\n"
    )
    assert found.value["n"] == 2 and [row["topic"] for row in found.value["rows"]] == ["billing", "billing"]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("I think the answer is 42.", NOTHING.format(table="tickets")),
        ("", NOTHING.format(table="tickets")),
        ("<think>answer 5 perhaps", NOTHING.format(table="tickets")),
        (Answer("show tick", finish="length"), CUT_SHORT),
        (Answer("Let me think about", finish="length"), CUT_SHORT),
        ("x = tickets | filter(id > 1)", "write where(condition)"),
        ("SELECT count(*) FROM tickets", "pipe a table through operators"),
        ("x = tickets[0]", "error[S"),
        ("x = tickets | where(usr == 'u1')", "did you mean `user`?"),
        ("answer 42", NO_DATA),
        ("x = tickets | where(\n", "not finished"),
        ("y = tickets | derive(z=9223372036854775807 + id)", "left the range of 64 bits"),
    ],
)
def test_what_models_write_is_answered_with_what_to_do(session: Session, reply: str | Answer, says: str) -> None:
    found, told, _ = explored(session, reply, COUNT)
    assert says in told[0].observation
    assert found.outcome == "answered" and found.value == 2


def test_an_error_changes_nothing_and_earlier_names_stay(session: Session) -> None:
    _, told, _ = explored(session, "a = tickets | take(1)\nb = a | wher(x)\n", "b = a | count()", f"c = b\n{COUNT}")
    assert "a: the columns of tickets" in told[0].observation and "did you mean `where`" in told[0].observation
    assert "b: int = 1" in told[1].observation


def test_a_step_seen_before_is_known_and_a_name_is_bound_once(session: Session) -> None:
    _, told, _ = explored(session, "a = tickets | take(1)", "a = tickets | take(1)", "a = tickets | take(2)", COUNT)
    assert "You sent this in turn 1 already; nothing was run again" in told[1].observation
    assert "bound already" in told[2].observation and told[2].errors == 1


def test_an_answer_beside_an_error_is_held_back(session: Session) -> None:
    found, told, _ = explored(session, f"a = tickets | nope()\n{COUNT}", COUNT)
    assert "held back" in told[0].observation and found.outcome == "answered" and len(told) == 2


def test_an_answer_without_data_is_taken_when_it_is_meant(session: Session) -> None:
    found, told, _ = explored(session, "answer 42", "answer 42")
    assert found.value == 42 and len(told) == 2


def test_what_an_observation_has_no_room_for_is_named_with_what_shows_it() -> None:
    many = {"id": list(range(40)), "body": [f"{n} {'money ' * 40}" for n in range(40)]}
    asked = "t = log | where(id > 1)\nshow log\nshow log | sort(-id)\ntwo = log | take(2)\nshow t | take(20, skip=20)"
    with Warehouse(2) as warehouse:
        types = {"log": loaded(warehouse, "log", many)}
        held = Session(runner := Runner(warehouse, calls_of(), NoProgress(), digests=False), Environment(types))
        _, told, root = explored(held, asked, "all = log | text(body)\nshow all", "answer log | count()")
        assert runner is held.runner
    first, second = told[0].observation, told[1].observation
    assert "send `show log | sort(-id)` alone." in first and "send `show t | take(20, skip=20)` alone." in first
    assert len(first) < 6_000 and first in root.prompts[1].messages[-1].content, "what is shown is shown whole"
    assert "the next of it: show substring(all, 2401, 2400)" in second


def test_several_blocks_and_prose_between_them_are_one_reply(session: Session) -> None:
    reply = "First:\n```rlm\na = tickets | take(2)\n```\nthen\n~~~\nanswer a | count()\n~~~\nDone."
    found, _, _ = explored(session, reply)
    assert found.value == 2


def test_turns_are_as_many_as_were_said_and_the_last_is_announced(session: Session) -> None:
    found, told, root = explored(session, "show tickets", "show tickets", COUNT, turns=3)
    assert found.outcome == "answered" and len(told) == 3
    assert [LAST_TURN in prompt.messages[-1].content for prompt in root.prompts] == [False, False, True]
    assert "Turn 3 of 3" in root.prompts[-1].messages[-1].content
    silent, _, root = explored(session, *["show tickets"] * 3, turns=2)
    assert silent.outcome == "turns" and silent.tree is None and len(root.prompts) == 2


def test_examples_name_a_table_of_this_run() -> None:
    with Warehouse(2) as warehouse:
        types = {"answer": loaded(warehouse, "answer", TICKETS)}
        held = Session(Runner(warehouse, calls_of(Judge()), NoProgress(), digests=False), Environment(types))
        _, told, _ = explored(held, "", Answer("no", refusal="no"), '{"tool_calls": []}', "FINAL(3)", turns=4)
    assert all("`answer` | " in turn.observation and "tickets" not in turn.observation for turn in told)


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("a = t | take(1)\nI then count.\nanswer a | count()", "a = t | take(1)\nanswer a | count()"),
        ("x = t\n  | where(\n a == 1)\n\nThat is it", "x = t\n  | where(\n a == 1)"),
        ("```\na = t\n", "a = t"),
        ("<thinking>a = b</thinking>show t", "show t"),
        ("The answer is: 5 == 5", ""),
    ],
)
def test_statements_are_found_in_prose(reply: str, program: str) -> None:
    assert program_text(reply) == program


def corpus(path: Path, size: int) -> None:
    """Lines as a log has them, `size` bytes of them."""
    line = "2024-03-01 10:00:00 INFO service=checkout user=u{} the request took {} ms and nothing else is to be said\n"
    each = "".join(line.format(n % 977, n % 1009) for n in range(10_000))
    with path.open("w") as file:
        for _ in range(size // len(each) + 1):
            file.write(each)


TURNS = [
    "show log | take(20)",
    'parsed = log | extract(r"user=(?P<user>\\w+) .*took (?P<ms>\\d+) ms", types={ms: int})\nshow parsed | take(20)',
    "slow = parsed | where(ms > 1000) | group(by=user, n=count(), worst=max(ms)) | sort(-n, user)\nshow slow",
    *[f"step{n} = slow | where(n > -{n})\nshow step{n} | take(20)" for n in range(12)],
    "answer slow | take(5)",
]


def largest_prompts(tmp_path: Path, megabytes: list[int], monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """The largest root prompt of a 16-turn exploration over logs of several sizes, as the endpoint counted it."""
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "s.sqlite"))
    largest: dict[int, int] = {}
    for size in megabytes:
        corpus(tmp_path / "log.txt", size * 1_000_000)
        told: list[Told] = []
        with serve(script=TURNS) as server:
            ask(
                "Who is slow?",
                {"log": str(tmp_path / "log.txt")},
                model="m",
                base_url=server.base_url,
                shown=told.append,
            )
        largest[size] = max(turn.prompt_tokens for turn in told)
    return largest


def test_the_prompt_stays_small_whatever_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = largest_prompts(tmp_path, [1, 4], monkeypatch)
    assert max(largest.values()) <= 8_000, largest
    assert largest[4] <= largest[1] * 1.05, largest


@pytest.mark.proof
def test_the_prompt_stays_small_at_100_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = largest_prompts(tmp_path, [1, 10, 100], monkeypatch)
    assert max(largest.values()) <= 8_000 and largest[100] <= largest[1] * 1.05, largest


def test_wide_tables_long_cells_and_many_names_do_not_grow_the_prompt(session: Session) -> None:
    wide = (
        "w = tickets | derive(" + ", ".join(f"column_with_a_long_name_{n}=concat(body, {n})" for n in range(150)) + ")"
    )
    many = ["\n".join(f"n{k}_{n} = tickets | take({n + 1})" for n in range(20)) for k in range(10)]
    found, _, root = explored(session, wide, *many, "y" * 50_000, COUNT, turns=40)
    assert found.value == 2
    assert max(prompt.prompt_tokens for prompt in root.prompts) <= 8_000


def test_ask_and_run_agree_and_the_result_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "s.sqlite"))
    (tmp_path / "t.csv").write_text("id,body\n1,<b>money</b>\n2,help\n")
    with serve(script=["```\nanswer {n: t | count(), rows: t}\n```"]) as server:
        result = ask("How many?", {"t": str(tmp_path / "t.csv")}, model="m", base_url=server.base_url)
    assert result.value == {"n": 2, "rows": [{"id": 1, "body": "<b>money</b>"}, {"id": 2, "body": "help"}]}
    assert run(result.program, {"t": str(tmp_path / "t.csv")}).value == result.value
    assert "&lt;b&gt;money" in result._repr_html_() and "<b>money" not in result._repr_html_()
    assert repr(result).startswith("Result(")


def test_no_answer_within_the_turns_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "s.sqlite"))
    (tmp_path / "t.csv").write_text("id\n1\n")
    with serve(script=["show t"]) as server, pytest.raises(NoAnswer):
        ask("Again?", {"t": str(tmp_path / "t.csv")}, model="m", base_url=server.base_url, turns=1)


def test_the_public_names_are_functions_whatever_was_imported_before() -> None:
    import rlm_dsl
    import rlm_dsl.engine.warehouse

    for public in ("ask", "load", "run", "verify"):
        assert callable(getattr(rlm_dsl, public))
