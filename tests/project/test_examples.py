"""The examples' programs give the gold answers that were computed without them."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.api import load, run
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.testing import is_wrong, serve
from rlm_dsl.testing.server import Server
from tests.support.paths import ROOT
from tests.support.processes import Process

TICKETS, OOLONG = Path("examples/tickets"), Path("examples/oolong")
TOPICS = ["billing", "technical", "account", "shipping", "feedback", "other"]
LABELS = ["alarm", "calendar", "home", "music", "shopping", "weather"]


def jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def tickets() -> Context:
    return load(TICKETS / "tickets.csv", "tickets")


@pytest.fixture(scope="module")
def oolong() -> Context:
    return load(OOLONG / "context.txt", "oolong")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("examples") / "s.sqlite")


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with serve(gold=TICKETS / "gold.jsonl") as tickets, serve(gold=OOLONG / "gold.jsonl") as oolong:
        yield {"tickets": tickets, "oolong": oolong}


@pytest.mark.parametrize("name", ["oolong", "stdlib", "tickets"])
def test_programs_are_in_canonical_form(name: str) -> None:
    text = Path("examples", name, "program.rlm").read_text(encoding="utf-8")
    assert show(parse(Source("program.rlm", text))) == text


def answered(program: str, context: Context, server: Server, store: str, **more: Any) -> Any:
    return run(
        program,
        {context.name: context},
        model="m",
        base_url=server.base_url,
        store=store,
        budget={"calls": 6_000, "tokens": 10**9},
        concurrency=64,
        **more,
    ).value


PACKED = {"rows_per_call": {"labelled": 40}}
"""Of the 2,600 different lines of oolong, so many in one request."""


ALL_TOPICS = (
    f'topics = tickets | classify(on=body, labels={json.dumps(TOPICS)}, into=topic, guide="What is it about?")\n'
)
MONTH = "left(concat(sent), 7)"
TICKET_PROGRAMS = {
    "t02": 'tickets | where(user in ["u17", "u42", "u88"]) | count()',
    "t03": 'topics | where(user in ["u17", "u42", "u88"]) | group(by=topic, n=count()) | sort(-n) | first(topic)',
    "t04": 'topics | where(user == "u10") | group(by=topic, n=count()) | sort(-n) | first(topic)',
    "t05": 'topics | where(topic == "billing") | group(by=user, n=count()) | sort(-n) | first(user)',
    "t06": 'topics | group(by=user, a=count_if(topic == "account"), b=count_if(topic == "billing"))'
    " | where(a > 0 and b == 0) | count()",
    "t08": "topics | group(by=topic, n=count()) | sort(n) | first(topic)",
    "t09": 'topics | where(topic == "billing" and sent between @2025-03-01 and @2025-04-30) | count()',
    "t10": f'topics | where(topic == "shipping") | group(by=[m={MONTH}], n=count()) | sort(-n) | first(m)',
    "t11": 'topics | where(topic == "shipping" and sent >= @2025-12-01) | count_distinct(user)',
}


def test_tickets_program_gives_the_gold_answer(tickets: Context, servers: dict[str, Server], store: str) -> None:
    value = answered((TICKETS / "program.rlm").read_text(), tickets, servers["tickets"], store)
    assert value["total"] == jsonl(TICKETS / "questions.jsonl")[0]["answer"]


@pytest.mark.proof
def test_tickets_questions(tickets: Context, servers: dict[str, Server], store: str) -> None:
    gold = {q["id"]: q["answer"] for q in jsonl(TICKETS / "questions.jsonl")}
    parts = ", ".join(f"{name}: {program}" for name, program in TICKET_PROGRAMS.items())
    tables = (
        "t07: topics | group(by=topic, n=count()), "
        f't12: topics | where(topic == "billing") | group(by=[m={MONTH}], n=count())'
    )
    found = answered(f"{ALL_TOPICS}answer {{{parts}, {tables}}}", tickets, servers["tickets"], store)
    assert {name: found[name] for name in TICKET_PROGRAMS} == {name: gold[name] for name in TICKET_PROGRAMS}
    assert {row["topic"]: row["n"] for row in found["t07"]} == gold["t07"]
    assert {row["m"]: row["n"] for row in found["t12"]} == gold["t12"]


def test_label_errors_move_the_count_by_just_what_they_are(tickets: Context, tmp_path: Path) -> None:
    rate, seed = 0.05, 11
    gold = {row["text"]: row["label"] for row in jsonl(TICKETS / "gold.jsonl")}
    bodies = [
        body
        for user, body in zip(tickets.rows["user"].to_pylist(), tickets.rows["body"].to_pylist(), strict=True)
        if user in ("u17", "u42", "u88", "u10", "u117")
    ]
    program = f"""
        mine = tickets | where(user in ["u17", "u42", "u88", "u10", "u117"])
        topics = mine | classify(on=body, labels={json.dumps(TOPICS)}, into=topic)
        answer topics | select(body, topic)
    """
    with serve(gold=TICKETS / "gold.jsonl", error_rate=rate, seed=seed) as server:
        found = answered(program, tickets, server, str(tmp_path / "s.sqlite"))
    wrong = [row for row in found if row["topic"] != gold[row["body"].strip()]]
    expected = [body for body in bodies if is_wrong(seed, body, "label", rate)]
    assert [row["body"] for row in wrong] == expected and 0 < len(expected) < len(bodies) / 5


def test_oolong_program_and_questions(oolong: Context, servers: dict[str, Server], store: str) -> None:
    gold = {q["id"]: q["answer"] for q in jsonl(OOLONG / "questions.jsonl")}
    value = answered((OOLONG / "program.rlm").read_text(), oolong, servers["oolong"], store, **PACKED)
    counts = {row["label"]: row["n"] for row in value["counts"]}
    assert [counts[label] for label in LABELS] == [gold[f"o0{n}"][0] for n in range(3, 9)]
    assert value["most"] in gold["o01"] and value["counts"][-1]["label"] in gold["o02"]
    assert [value[k] for k in ("music_of_one", "alarms_before", "alarms_after")] == [
        gold[k][0] for k in ("o15", "o22", "o23")
    ]
    check_oolong_questions(oolong, servers, store)


def compared(a: int, b: int) -> str:
    return "more common than" if a > b else "less common than" if a < b else "same frequency as"


def test_oolong_program_compares_two_labels_of_a_user(oolong: Context, tmp_path: Path) -> None:
    """Three users, one for each outcome; only their lines are kept, so few calls are made."""
    labels: dict[int, list[str]] = {}
    for row in jsonl(OOLONG / "rows.jsonl"):
        labels.setdefault(row["user"], []).append(row["label"])
    outcomes = {user: compared(own.count("music"), own.count("home")) for user, own in labels.items()}
    users = {outcome: user for user, outcome in outcomes.items()}
    assert len(users) == 3
    program = (OOLONG / "program.rlm").read_text(encoding="utf-8")
    narrow = program.replace("labelled = rows", "mine = rows | where(user == one)\nlabelled = mine")
    with serve(gold=OOLONG / "gold.jsonl") as server:
        for outcome, user in users.items():
            found = answered(narrow, oolong, server, str(tmp_path / "s.sqlite"), params={"one": user})
            assert found["music_than_home_of_one"] == outcome


def comparison(a: str, b: str) -> str:
    return f'if({a} > {b}, "more common than", if({a} < {b}, "less common than", "same frequency as"))'


def number(condition: str) -> str:
    return f"(labelled | where({condition}) | count())"


def shares(label: str, day: str) -> str:
    """Whether a label's share of the lines before a day is more than that after it, compared in whole numbers."""
    is_it = f'label == "{label}"'
    before = number(f"{is_it} and sent < {day}") + " * " + number(f"sent > {day}")
    after = number(f"{is_it} and sent > {day}") + " * " + number(f"sent < {day}")
    return f'if({before} > {after}, "more common", if({before} < {after}, "less common", "same frequency"))'


def commonest(condition: str) -> str:
    return f"labelled | where({condition}) | group(by=label, n=count()) | sort(-n, label) | first(label)"


THREE = "user in [30103, 42379, 48817]"
TEN = "user in [18626, 20041, 20317, 26527, 30761, 34490, 38166, 64406, 68917, 76836]"
SUMMER = "sent between @2023-06-01 and @2023-08-31"
OOLONG_PROGRAMS = {
    "o09": comparison(number('label == "alarm"'), number('label == "calendar"')),
    "o10": comparison(number('label == "weather"'), number('label == "music"')),
    "o11": "rows | group(by=user, n=count()) | sort(-n) | first(user)",
    "o12": "rows | count_distinct(user)",
    "o13": 'labelled | where(label == "alarm") | group(by=user, n=count()) | sort(-n) | first(user)',
    "o14": 'labelled | where(label == "shopping") | group(by=user, n=count()) | sort(-n) | first(user)',
    "o16": commonest("user == 15969"),
    "o17": number(f'{THREE} and label == "music"'),
    "o18": commonest(THREE),
    "o19": number(f'{TEN} and label == "music"'),
    "o20": commonest(TEN),
    "o21": "rows | group(by=sent, n=count()) | sort(-n) | first(sent)",
    "o24": shares("weather", "@2023-11-15"),
    "o25": number(f'{SUMMER} and label == "home"'),
    "o26": f"labelled | where({SUMMER}) | group(by=label, n=count()) | sort(n) | first(label)",
    "o27": comparison(number(f'{SUMMER} and label == "calendar"'), number(f'{SUMMER} and label == "shopping"')),
    "o28": 'labelled | group(by=[m=left(concat(sent), 7)], a=count_if(label == "music"), b=count_if(label == "home"))'
    " | where(a > b) | count()",
}
SHOPPERS = 'count_if(label == "shopping") >= 3'
LATE = 'count_if(label == "calendar") >= 1 and count_if(label == "calendar" and sent <= @2024-03-15) == 0'
PAIRS = {
    "o29": (SHOPPERS, SHOPPERS),
    "o30": (LATE, LATE),
    "o31": (
        'count_if(label == "home") == 1 and count_if(label == "weather") >= 2',
        'count_if(label == "music") >= 6 and count_if(label == "shopping") == 0',
    ),
}
"""The roles of a pair's two users, either of whom may have either."""
BOTH = "left.user < right.user and ((left.a and right.b) or (left.b and right.a))"


def check_oolong_questions(oolong: Context, servers: dict[str, Server], store: str) -> None:
    """Over users, time and pairs."""
    gold = {q["id"]: q["answer"] for q in jsonl(OOLONG / "questions.jsonl")}
    head = (OOLONG / "program.rlm").read_text().split("counts =")[0]
    parts = ", ".join(f"{name}: {program}" for name, program in OOLONG_PROGRAMS.items())
    users = "".join(f"{name}_users = labelled | group(by=user, a={a}, b={b})\n" for name, (a, b) in PAIRS.items())
    pairs = ", ".join(
        f"{name}: {name}_users | join({name}_users, on={BOTH}) | select(user, other_user) | sort(user, other_user)"
        for name in PAIRS
    )
    found = answered(f"{head}{users}answer {{{parts}, {pairs}}}", oolong, servers["oolong"], store, **PACKED)
    wrong = {name: (found[name], gold[name]) for name in OOLONG_PROGRAMS if found[name] not in gold[name]}
    assert not wrong
    for name in PAIRS:
        assert [[row["user"], row["other_user"]] for row in found[name]] == gold[name]


def test_the_standard_library_counts_as_plain_python_does() -> None:
    with Process(ROOT, runpy.run_path, "examples/stdlib/gold.py", run_name="__main__") as process:
        done = process.ended()
    assert done.code == 0 and done.out.count("✓") == 8, done.out + done.err
