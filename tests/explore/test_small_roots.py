"""Roots that are weak: what they are shown, what they are told of errors, and what of their answers is doubted."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import api, traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.card_choice import chosen_card, is_small, prompt_limit
from rlm_dsl.explore.loop import AGAIN, Exploration, NoAnswer, Told, explore
from rlm_dsl.explore.reply import program_text
from rlm_dsl.explore.session import SEND, Session
from rlm_dsl.language.check import Environment
from rlm_dsl.models.settings import Settings
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support.roots import TICKETS, Root
from tests.support.small import calls_of, loaded

CITIES, STATES = ("Paris", "Berlin", "Rome"), ("open", "shipped", "returned")


def orders(count: int = 90) -> dict[str, list[Any]]:
    chance = random.Random(5)
    return {
        "id": list(range(1, count + 1)),
        "city": [chance.choice(CITIES) for _ in range(count)],
        "status": [chance.choice(STATES) for _ in range(count)],
        "price": [chance.randint(100, 9_000) / 100 for _ in range(count)],
        "ordered": [datetime.date(2024, 1, 1) + datetime.timedelta(days=4 * n) for n in range(count)],
        "comment": [
            f"The parcel {n} was late, and nobody could tell me where it had been all week" for n in range(count)
        ],
    }


@pytest.fixture
def warehouse() -> Iterator[tuple[Warehouse, Environment]]:
    with Warehouse(2) as held:
        yield held, Environment({"orders": loaded(held, "orders", orders())})


Held = tuple[Warehouse, Environment]


def asked(
    held: Held, question: str, *replies: str, turns: int = 9, **more: Any
) -> tuple[Exploration, list[Told], Root]:
    told: list[Told] = []
    root = Root([*replies])
    session = Session(Runner(held[0], calls_of(), NoProgress(), digests=False), held[1], models=False)
    found = explore(question, session, root, turns=turns, tell=lambda kind, fields: None, shown=told.append, **more)
    return found, told, root


# ---- what an answer is doubted for ----

WRONG = [
    ("How many are from Paris?", 'orders | where(city == "Berlin") | count()', 'names "Paris"'),
    ("How many are from paris?", "orders | count()", 'where(city == "Paris")'),
    ("How many open orders are from Rome?", 'orders | where(city == "Rome") | count()', 'names "open"'),
    ("How many are from Paris?", 'orders | where(contains(city, "Ber")) | count()', 'chooses "Ber"'),
    ("How many are from Paris?", 'orders | grep(r"Rome", on=city) | count()', 'chooses "Rome"'),
    ("How many are from Paris?", "orders | group(by=city, n=count()) | sort(-n) | first(n)", 'names "Paris"'),
    ("How many came from Lutetia?", 'orders | where(city == "paris") | count()', 'No row has city == "paris"'),
    ("What is the average price?", "orders | count()", "asks for average"),
    ("What is the average price in Rome?", 'orders | where(city == "Rome") | sum(price)', "asks for average"),
    (
        "How many are from Paris, and open?",
        'orders | where(city == "Paris" and status == "Open") | count()',
        'No row has status == "Open"',
    ),
    ("Which city has the most orders?", "orders | group(by=city, n=count()) | sort(-n) | take(3)", "has 3 rows"),
    ("Which share of the orders is returned?", 'orders | where(status == "returned") | count()', "asks for share"),
    ("What is the highest price?", "orders | avg(price)", "asks for the most or least"),
    ("How many different cities are there?", "orders | count()", "asks for different"),
    ("How many cities are there?", "orders | count()", "`count_distinct(city)`"),
    ("How many orders are there?", "orders | select(city) | sort(city) | first(city)", "holds no number"),
    ("What did they pay, by price?", "orders | count()", "names `price`"),
    ("How many were made after 2024-05-01?", "orders | count()", "and nothing in the program does"),
    ("How many cost more than 50?", "orders | count()", "names 50"),
    ("How many were ordered in March?", "orders | count()", "names March"),
    ("Which order was it?", "orders | take(1)", "in which they happen to stand"),
    ("Who paid it?", "orders | first(city)", "in which they happen to stand"),
    ("What is in the orders?", "orders", "the whole of `orders`"),
    ("How many are there, and how many paid?", "{all: orders | count(), paid: 17}", "`paid` of that answer"),
]
RIGHT = [
    ("How many are from Paris?", 'orders | where(city == "Paris") | count()'),
    ("How many are from Paris?", 'orders | grep(r"(?i)paris", on=city) | count()'),
    ("How many orders has each city, Paris for one?", "orders | group(by=city, n=count())"),
    ("Are there more from Paris or from Rome?", "orders | group(by=city, n=count()) | sort(-n, city)"),
    ("How many came from Lutetia?", 'orders | where(city == "Lutetia") | count()'),
    ("How many orders are there?", "orders | count()"),
    ("How many orders are in the 90 rows?", "orders | count()"),
    ("Which city has most orders?", "orders | group(by=city, n=count()) | sort(-n) | first(city)"),
    ("What is the average price in Rome?", 'orders | where(city == "Rome") | avg(price)'),
    ("What percentage was returned?", '100 * (orders | where(status == "returned") | count()) / count(orders)'),
    ("Which 3 orders cost most?", "orders | sort(-price) | take(3)"),
    ("What is the average price of each city?", "orders | group(by=city, price=avg(price))"),
    ("Which cities have more than 3 orders?", "orders | group(by=city, n=count()) | where(n > 3)"),
    ("How many cost at most 50?", "orders | where(price <= 50) | count()"),
    ("How many were ordered in March 2024?", "orders | where(month(ordered) == 3 and year(ordered) == 2024) | count()"),
    ("How many were ordered in May?", "orders | where(ordered between @2024-05-01 and @2024-05-31) | count()"),
    ("How many were ordered on Jan 05, 2024?", 'orders | where(ordered == @2024-01-05) | count()'),
    ("How many may be returned?", 'orders | where(status == "returned") | count()'),
    ("How many different cities are there?", "orders | count_distinct(city)"),
    ("What are the top 3 prices?", "orders | sort(-price) | take(3) | select(price)"),
    ("Show the first order", "orders | take(1)"),
    ("List all orders", "orders"),
    ("What does order 17 cost?", "orders | where(id == 17) | first(price)"),
    ("What is the 90th percentile of the price?", "orders | quantile(price, 0.9)"),
    ("How many of the 90 have a comment that names a parcel?", 'orders | where(contains(comment, "parcel")) | count()'),
    ("How many per city, and how many in all?", "{per: orders | group(by=city, n=count()), all: orders | count()}"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "answer", "says"), WRONG)
def test_a_wrong_answer_is_doubted_once_and_the_doubt_stays_on_record(
    warehouse: Held, question: str, answer: str, says: str
) -> None:
    found, told, _ = asked(warehouse, question, f"answer {answer}", f"answer {answer}")
    assert says in told[0].observation and AGAIN in told[0].observation and len(told) == 2
    assert found.outcome == "answered" and any(says in doubt for doubt in found.doubts)


@pytest.mark.parametrize(("question", "answer"), RIGHT)
def test_a_right_answer_is_taken_at_once(warehouse: Held, question: str, answer: str) -> None:
    found, told, _ = asked(warehouse, question, f"answer {answer}")
    assert (len(told), found.doubts) == (1, ())


def test_a_doubt_is_told_once_whatever_is_answered_next(warehouse: Held) -> None:
    found, told, _ = asked(
        warehouse, "How many are from Paris?", "answer orders | count()", "answer orders | select(id) | count()"
    )
    assert len(told) == 2 and 'names "Paris"' in found.doubts[0]


def test_the_last_turn_is_one_of_those_that_were_said_and_its_answer_is_taken_with_its_doubts(warehouse: Held) -> None:
    wrong = "answer orders | count()"
    found, told, root = asked(warehouse, "How many are from Paris?", "show orders | take(1)", wrong, turns=2)
    assert (found.outcome, found.value, len(told), len(root.prompts)) == ("answered", 90, 2, 2) and found.doubts


def test_what_was_bound_last_stands_with_its_doubts(warehouse: Held) -> None:
    found, told, _ = asked(warehouse, "How many are from Paris?", "n = orders | count()", "", turns=2)
    assert (found.outcome, found.value, len(told)) == ("bound", 90, 2) and found.doubts


def test_a_number_that_rests_on_nothing_is_sent_twice_or_not_taken(warehouse: Held) -> None:
    assert asked(warehouse, "How many?", "answer 7", turns=1)[0].outcome == "turns"


# ---- what is told of errors ----


AGAIN_AND_AGAIN = 'answer data | where(city = "Rome") | count()'


@pytest.mark.parametrize("second", [AGAIN_AND_AGAIN, 'answer data | where(city = "Paris") | count()'])
def test_an_error_that_is_made_again_is_answered_with_the_statement_that_mends_it(warehouse: Held, second: str) -> None:
    _, told, _ = asked(warehouse, "How many?", AGAIN_AND_AGAIN, second, "answer orders | count()")
    assert (
        "the table is called `orders`; write `orders | ...`" in told[0].observation and SEND not in told[0].observation
    )
    mended = second.replace("data", "orders").replace(" = ", " == ")
    assert told[1].observation.endswith(f"{SEND}\n{mended}")
    assert not any("^" in turn.observation or " | answer" in turn.observation for turn in told)


def test_equal_errors_are_told_once_with_their_lines(warehouse: Held) -> None:
    reply = "a = orders | where(citi == 'x')\nb = orders | where(citi == 'y')\nc = orders | where(stat > 1)"
    _, told, _ = asked(warehouse, "How many?", reply, "answer orders | count()")
    assert told[0].observation.count("unknown name `citi`") == 1 and "in lines 1, 2" in told[0].observation
    assert told[0].observation.count("error[") == 2


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("error[C01]: unknown name `x`\n --> turn 1:1:1\n1 | answer x\n  |        ^\n  = hint: bound: t\nanswer t",
         "answer t"),
        ("```\nanswer t\n  | where(a == 1)\n  |         ^^^^\n```", "answer t\n  | where(a == 1)"),
        ("```\nerror[C01] at `x`: unknown name `x`\n  hint: did you mean `t`?\nanswer t | count()\n```",
         "answer t | count()"),
        ("```\n1 | a = t | take(1)\n2 | answer a\n```", "a = t | take(1)\nanswer a"),
        ("```\na: table(id: int), 4 rows\n  1 | u1 | money\n... 3 more rows\nanswer t\n```", None),
        ("help: use where\nanswer t", "answer t"),
        ("```\nNot bound: `a`.\nhelp: write it\nerror: nothing\nanswer t\n```", "answer t"),
        ("answer {\n  error: t | count(),\n  note: 5,\n}", "answer {\n  error: t | count(),\n  note: 5,\n}"),
        ('a = t | keep("""\nerror: is it one?\n1 | x\n  | ^^\n""", on=body)', 'a = t | keep("""\nerror: is it one?\n'
         '1 | x\n  | ^^\n""", on=body)'),
    ],
)  # fmt: skip
def test_lines_of_problems_that_come_back_are_dropped(reply: str, program: str | None) -> None:
    read = program_text(reply)
    assert read == program if program is not None else "table(" not in read and "answer t" in read


# ---- what a small root is shown ----

TABLES: list[dict[str, list[Any]]] = [
    orders(),
    orders(3),
    TICKETS,
    {"odd name": ["a|b", 'say "x"', "a|b", "back\\slash"] * 5, "select": [1, 2, 3, 4] * 5, "day": [True, False] * 10},
    {"when": [datetime.datetime(2024, 2, 29, 23, n) for n in range(20)], "x": [0.1 * n for n in range(20)]},
    {"text": [f"line {n} says nothing that is short enough to be a kind of anything at all" for n in range(30)]},
    {"a": [None, None, "x", "y", "x"] * 4, "b": [None] * 20},
]


@pytest.mark.parametrize("columns", TABLES, ids=range(len(TABLES)))
def test_worked_exchanges_run_as_they_are_shown(columns: dict[str, list[Any]]) -> None:
    with Warehouse(2) as held:
        types = {"my table": loaded(held, "my table", columns)}
        session = Session(Runner(held, calls_of(), NoProgress(), digests=False), Environment(types), models=False)
        shown = session.worked("How many are from Paris?")
        assert shown
        for worked in shown:
            turn = session.submit(worked.reply)
            assert turn.errors == 0 and turn.answered is not None, (worked, turn.observation)


def test_a_small_roots_prompt_has_exchanges_of_the_runs_own_and_its_question_last(warehouse: Held) -> None:
    question = "How many orders are from Paris?"
    found, _, root = asked(warehouse, question, "answer data | count()",
                              'answer orders | where(city == "Rome") | count()',
                              'answer orders | where(city == "Paris") | count()', size="small")  # fmt: skip
    first, second, third = (prompt.messages for prompt in root.prompts)
    assert [message.role for message in first] == ["system", *["user", "assistant"] * 7, "user"]
    assert first[-1].content.endswith(f"Question: {question}") and '"Paris" is a value of city' in first[-1].content
    assert "where(city ==" in first[-2].content, "the likest exchange stands last"
    assert not any("Paris" in message.content for message in first[2:-1]), "copied values are noticed"
    assert second[: len(first)] == first and SEND in second[-1].content, "an error is mended at once"
    assert third[-1].content.count('answer orders | where(city == "Paris") | count()') == 1, "and a doubt"
    assert found.value and not found.doubts and root.prompts[0].prompt_tokens < 1_800


def test_without_a_sign_that_a_root_is_small_it_is_told_what_it_always_was() -> None:
    def size(model: str, window: int | None = None, **more: Any) -> str:
        return chosen_card(Settings(models={"root": model, "sub": "x-70b"}, **more), window)

    assert [is_small(name) for name in ("qwen2.5-0.5b-instruct", "SmolLM2-135M", "gemma3:270m", "Llama-3.2-3B")] == [
        True
    ] * 4
    assert not any(map(is_small, ("gpt-5-mini", "llama-3.1-8b", "mixtral-8x7b", "qwen2.5-72b", "m", "o3")))
    assert (size("gpt-5-mini"), size("x-0.5b"), size("gpt-5-mini", 4_000)) == ("medium", "small", "small")
    assert (size("x-0.5b", card="medium"), size("gpt-5-mini", card="full")) == ("medium", "full")
    assert prompt_limit(8_000, "small", 3_000) == 3_000 and prompt_limit(8_000, "medium", None) == 8_000
    assert prompt_limit(8_000, "full", None) > 12_000
    with pytest.raises(UserError, match="too long"):
        prompt_limit(8_000, "full", 4_000)


# ---- a run's record ----


def csv(path: Path) -> str:
    held = orders(40)
    rows = zip(*held.values(), strict=True)
    path.write_text("\n".join([",".join(held), *(",".join(f'"{cell}"' for cell in row) for row in rows)]))
    return str(path)


def test_card_and_doubts_stand_in_the_trace_and_a_stopped_run_goes_on_with_them(tmp_path: Path) -> None:
    data, trace = csv(tmp_path / "orders.csv"), tmp_path / "a.trace"
    wrong = "answer orders | count()"
    with serve(script=["n = orders | count()", wrong, wrong]) as server:
        more = {"base_url": server.base_url, "store": str(tmp_path / "s.sqlite")}
        with pytest.raises(UserError, match="budget"):
            api.ask("How many from Paris?", {"orders": data}, model="x-0.5b", budget={"calls": 1}, trace=trace, **more)
        assert Trace.open(trace, unfinished=True).header["card"] == "small"
        before = server.calls
        result = api.resume(trace, budget={"calls": 9}, store=":memory:")
        assert server.calls == before + 2, "the first turn's prompt was the same"
    assert 'names "Paris"' in result.doubts[0] and api.verify(trace).ok
    assert list(Trace.open(trace).header["doubts"]) == list(result.doubts)
    turns = traces.show(trace).turns
    assert len(turns) == 3 and AGAIN in turns[1].observation


@pytest.mark.parametrize("turns", [1, 5])
def test_as_many_turns_are_asked_as_were_said_whatever_they_come_to(tmp_path: Path, turns: int) -> None:
    data = csv(tmp_path / "orders.csv")
    for number, script in enumerate((["prose alone"], ["answer 1", "answer 2", "answer 3", "answer 4", "answer 5"],
                                     ["a = orders | nope()"])):  # fmt: skip
        trace = tmp_path / f"{number}.trace"
        with serve(script=script) as server:
            more = {"base_url": server.base_url, "store": ":memory:"}
            with pytest.raises(NoAnswer):
                api.ask("How many?", {"orders": data}, model="m", turns=turns, trace=trace, **more)
            assert server.calls == turns
            with pytest.raises(NoAnswer):
                api.resume(trace, store=":memory:")
            assert server.calls == turns, "and none more when it goes on"
        assert len(traces.show(trace).turns) == turns


def test_an_exploration_that_failed_is_read_by_sql_and_show(tmp_path: Path) -> None:
    data, trace = csv(tmp_path / "orders.csv"), tmp_path / "a.trace"
    script = ['some = orders | where(city == "Paris")', "per = some | group(by=status, n=count())\nx = orders | nope()",
              "show per | sort(n)", "prose", "bad ="]  # fmt: skip
    with serve(script=script) as server, pytest.raises(NoAnswer):
        api.ask("Why?", {"orders": data}, model="m", base_url=server.base_url, turns=5, trace=trace, store=":memory:",
                returns="text")  # fmt: skip
    columns, rows = traces.sql(trace, "select turn, errors from turns")
    assert columns == ("turn", "errors") and [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert [row[0] for row in traces.sql(trace, "select step from steps")[1]][:2] == ["some", "per"]
    assert traces.sql(trace, "select count(*) from calls where step = 'root'")[1] == [(5,)]
    assert traces.sql(trace, "select * from evidence")[1] == [] and traces.sql(trace, 'select * from "rows"')[1] == []
    story = traces.show(trace)
    assert story.program.split() == ('some = orders | where(city == "Paris") '
                                     "per = some | group(by=status, n=count())").split()  # fmt: skip
    assert [step["step"] for step in story.steps][:2] == ["some", "per"] and "no answer" in story.stopped
