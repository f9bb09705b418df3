"""Evaluations: scores are those that the label errors alone allow, nothing is asked twice, one budget holds for all."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.evaluate.budget_shares import BudgetShares
from rlm_dsl.evaluate.evaluate import Evaluation, evaluate
from rlm_dsl.evaluate.report import interval, summaries, table
from rlm_dsl.evaluate.scoring import METRICS
from rlm_dsl.evaluate.tasks import Data, Defaults, read_tasks
from rlm_dsl.models.local.process import SERVERS
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Limits, Settings
from rlm_dsl.testing import serve
from rlm_dsl.testing.gold import with_error
from tests.models.test_local_models import gguf
from tests.support.commands import Ran, command
from tests.support.examples import OOLONG_SQL, json_lines
from tests.support.processes import command_started
from tests.support.real import REAL, needs_real_data
from tests.support.solving import turns

LABELS = ("alarm", "calendar", "home", "music", "shopping", "weather")
MANY, SHARE = Limits(10_000, 100_000_000), Limits(50, 500_000)
RATES = (0.0, 0.05, 0.1)
NO_KEYS = Keys({})


def settings(base_url: str, store: Path, **more: Any) -> Settings:
    given = {"limits": MANY, "concurrency": 32, "threads": 2, **more}
    return Settings(models={"root": "root", "sub": "rows"}, base_url=base_url, store=str(store), **given)


def answers(rows: Sequence[dict[str, Any]], queries: dict[str, str], user: str) -> dict[str, list[Any]]:
    """What SQL gives for each question over these labels, in sorted order."""
    made = sqlite3.connect(":memory:")
    made.execute(f"CREATE TABLE rows (day TEXT, date TEXT, user, user_id, text TEXT, label TEXT)")  # noqa: F541
    values = [(r["date"], r["date"], r[user], r[user], r["text"], r["label"]) for r in rows]
    made.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)", values)
    found = {name: made.execute(query).fetchall() for name, query in queries.items()}
    return {name: [list(row) if len(row) > 1 else row[0] for row in held] for name, held in found.items()}


def mislabelled(rows: Sequence[dict[str, Any]], labels: Sequence[str], rate: float, seed: int) -> list[dict[str, Any]]:
    """The rows with the labels that the endpoint will give."""
    schema = {"enum": list(labels)}
    return [{**r, "label": with_error(r["label"], schema, seed, r["text"], "label", rate)} for r in rows]


def allowed(kind: str, came: list[Any], right: list[Any]) -> float:
    """The score that an exact exploration gets on these labels, worked out here: of ties it names the first."""
    if kind == "PAIRS":
        one, two = {tuple(p) for p in came}, {tuple(p) for p in right}
        precision = len(one & two) / len(one) if one else float(not two)
        recall = len(one & two) / len(two) if two else float(not one)
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    if kind == "NUMERIC":
        return 0.75 ** min(abs(came[0] - accepted) for accepted in right)
    return float(came[0] in right)


@pytest.mark.parametrize(
    ("rate", "count"), [(0.1, 40), *(pytest.param(rate, 1_000, marks=pytest.mark.proof) for rate in RATES)]
)
def test_scores_are_what_the_label_errors_allow(rate: float, count: int, tmp_path: Path) -> None:
    rows = json_lines("oolong", "rows.jsonl")[:count]
    alike = {"o04", "o05", "o06", "o07", "o08", "o10", "o14", "o17", "o18", "o19", "o20", "o23"}
    questions = [q for q in json_lines("oolong", "questions.jsonl") if count >= 1_000 or q["id"] not in alike]
    queries = {
        q["id"]: OOLONG_SQL[q["id"]].replace("USERS", ", ".join(re.findall(r"\b\d{5}\b", q["question"])))
        for q in questions
    }
    right = answers(rows, queries, "user")
    came = answers(mislabelled(rows, LABELS, rate, 7), queries, "user")
    lines = (Path("examples/oolong/context.txt").read_text(encoding="utf-8").splitlines(keepends=True))[:count]
    (tmp_path / "oolong.txt").write_text("".join(lines), encoding="utf-8")
    tasks = [{**q, "answer": right[q["id"]], "context": "oolong.txt"} for q in questions if right[q["id"]]]
    script = {q["question"]: turns(q["question"], LABELS, "oolong") for q in questions}
    found = scores(tasks, script, rows, rate, 7, tmp_path)
    expected = {t["id"]: allowed(t["answer_type"], came[t["id"]], right[t["id"]]) for t in tasks if came[t["id"]]}
    assert found.keys() == {t["id"] for t in tasks}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert rate > 0 or set(expected.values()) == {1.0}
    assert rate == 0 or any(score < 1 for score in expected.values()), "the errors are seen"


def scores(
    tasks: Sequence[dict[str, Any]], script: Any, rows: Sequence[Any], rate: float, seed: int, folder: Path
) -> dict[str, float]:
    """Each task's score by an evaluation of our exploration."""
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks), encoding="utf-8")
    gold = list({row["text"]: {"text": row["text"], "label": row["label"]} for row in rows}.values())
    with serve(gold=gold, script=script, error_rate=rate, seed=seed) as server:
        given = Evaluation(
            read_tasks(folder / "tasks.jsonl", Defaults(metric="oolong")),
            ["rlm-dsl"],
            settings(server.base_url, folder / "answers.sqlite"),
            Limits(5_000, 50_000_000),
            folder / "out",
            NO_KEYS,
            parallel=2,
        )
        outcomes = evaluate(given)
    assert [outcome.problem for outcome in outcomes if outcome.failure] == []
    return {outcome.task: outcome.score for outcome in outcomes}


@needs_real_data
@pytest.mark.proof
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("world", ["clinc-300-12", "snips-1000-13"])
def test_real_worlds_score_what_the_label_errors_allow(world: str, rate: float, tmp_path: Path) -> None:
    folder = REAL / "worlds" / world
    read = {name: [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
            for name in ("rows.jsonl", "questions.jsonl")}  # fmt: skip
    rows, questions = read["rows.jsonl"], read["questions.jsonl"]
    labels = json.loads((folder / "meta.json").read_text())["labels"]
    came = answers(mislabelled(rows, labels, rate, 5), {q["id"]: q["gold_sql"] for q in questions}, "user_id")
    script = {q["question"]: turns(q["question"], labels, "context_rows") for q in questions}
    path = str(folder / "context.txt")
    tasks = [{**q, "context": {"context_rows": path}} for q in questions if q["answer"] is not None]
    found = scores(tasks, script, rows, rate, 5, tmp_path)
    for task in tasks:
        given, right = came[task["id"]], task["answer"]
        if task["task"] == "FIRST_MONTH":
            given = [month_name(each) for each in given]
        assert found[task["id"]] == pytest.approx(allowed(task["answer_type"], given, right)), task["question"]
    assert rate > 0 or set(found.values()) == {1.0}


def month_name(text: str) -> str:
    names = "January February March April May June July August September October November December".split()
    year, month = text.split("-")
    return f"{names[int(month) - 1]} {year}"


# ---- scoring ----


@pytest.mark.parametrize(
    ("metric", "kind", "given", "right", "score"),
    [
        ("exact", "", "Answer: Home", "home", 1.0),
        ("exact", "", 3.0, 3, 1.0),
        ("exact", "", {"b": 1, "a": 2}, {"a": 2, "b": 1}, 1.0),
        ("exact", "", "homely", "home", 0.0),
        ("exact", "", "07/09/2023", "2023-07-09", 1.0),
        ("numeric", "", 7, 10, 0.75**3),
        ("numeric", "", "about 1,200 of them", 1_200, 1.0),
        ("numeric", "", "7 or 8", 7, 0.0),
        ("numeric", "", True, 1, 0.0),
        ("set_f1", "", [{"a": 1, "b": 2}], [[1, 2], [3, 4]], 2 / 3),
        ("set_f1", "", [["1", "2"], [1, 2]], [[1, 2]], 1.0),
        ("set_f1", "", ["x", "X "], ["x"], 1.0),
        ("set_f1", "", [], [], 1.0),
        ("set_f1", "", [], [[1, 2]], 0.0),
        ("set_f1", "", 3, [3], 0.0),
        ("oolong", "NUMERIC", 4, [5], 0.75),
        ("oolong", "LABEL", "Label: music", ["home", "music"], 1.0),
        ("oolong", "COMPARISON", "music is more common than home", ["more common than"], 1.0),
        ("oolong", "COMPARISON", "more common or less common", ["more common than"], 0.0),
        ("oolong", "USER", 44010, [44010], 1.0),
        ("oolong", "PAIRS", [{"a": 1, "b": 2}], [[1, 2]], 1.0),
    ],
)
def test_metrics(metric: str, kind: str, given: Any, right: Any, score: float) -> None:
    assert METRICS[metric].score(given, right, kind) == pytest.approx(score)


def test_intervals_are_the_ones_they_say() -> None:
    known = interval([1.0] * 8 + [0.0] * 2)
    assert (known.method, round(known.low, 4), round(known.high, 4)) == ("Wilson", 0.4902, 0.9433)
    partial = interval([0.75, 1.0, 0.5, 0.0] * 25)
    assert partial.method == "bootstrap" and partial.low < partial.mean == 0.5625 < partial.high
    assert partial == interval([0.75, 1.0, 0.5, 0.0] * 25), "seeded"
    assert 0.13 < partial.high - partial.low < 0.17


# ---- tasks ----


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "tasks.jsonl:1: no JSON"),
        ("3", "a task is an object"),
        ('{"text": "x", "answer": 1}', "has no question"),
        ('{"question": "q", "text": "x"}', "has no answer"),
        ('{"question": "q", "answer": 1}', "has no data"),
        ('{"question": "q", "text": "x", "answer": 1, "metric": "exakt"}', "did you mean `exact`?"),
        ('{"question": "q", "text": "x", "answer": "x", "metric": "numeric"}', "the right answer is no number"),
        ('{"question": "q", "text": "x", "answer": 1, "returns": "integer"}', "write `int`"),
        ('{"question": "q", "context": 3, "answer": 1}', "a path or paths by name"),
        ("", "has no tasks"),
    ],
)
def test_a_line_that_is_no_task_is_named(line: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text(line + "\n")
    done = evaluated(tmp_path, "tasks.jsonl", "--model", "m")
    assert done.code == 2 and says in done.err and "Traceback" not in done.err


# ---- what is asked, and once ----

COUNT = ["answer text | count()"]
LINES = [{"id": f"t{n}", "question": f"How many lines has number {n}?", "text": "line\n" * n, "answer": n,
          "metric": "numeric", "group": "odd" if n % 2 else "even"} for n in range(1, 9)]  # fmt: skip


def tasks_file(folder: Path, lines: Sequence[Any] = LINES) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def evaluated(folder: Path, *arguments: str, **environment: str) -> Ran:
    return command(folder, "eval", *arguments, **environment)


def test_the_command_shows_a_table_and_json_and_asks_nothing_again(tmp_path: Path) -> None:
    tasks_file(tmp_path)
    with serve(script=["show text | take(1)", "answer 1 + count(text)"], key="k") as server:
        asked = ("tasks.jsonl", "--model", "m", "--base-url", server.base_url, "--price", "1/2")
        first = evaluated(tmp_path, *asked, OPENAI_API_KEY="k")
        assert first.code == 0, first.err
        assert re.search(r"rlm-dsl +8 +0\.750 +0\.750 to 0\.750 \(bootstrap\) +16 +16 ", first.out), first.out
        assert "rlm-dsl: even: 0.750" in first.out and "$0.0" in first.out
        calls = server.calls
        again = evaluated(tmp_path, *asked, "--json", OPENAI_API_KEY="k")
        assert server.calls == calls == 16 and again.err.count("(known)") == 8
        (told,) = json.loads(again.out)["summaries"]
        assert (told["tasks"], told["score"]["mean"], told["turns"]) == (8, 0.75, 2.0)
        more = evaluated(tmp_path, *asked, "--turns", "7", OPENAI_API_KEY="k")
        assert more.code == 0 and server.calls > calls, "other conditions are another evaluation"
    assert "OPENAI" not in "".join(p.read_text() for p in tmp_path.rglob("*.jsonl"))


def test_killed_and_run_again_it_asks_nothing_twice(tmp_path: Path) -> None:
    tasks_file(tmp_path)
    with serve(script=["show text | take(1)", *COUNT], latency=0.15) as server:
        asked = ["tasks.jsonl", "--model", "m", "--base-url", server.base_url, "--parallel", "2"]
        with command_started(tmp_path, "eval", *asked) as process:
            until(lambda: server.calls >= 7)
            process.send(signal.SIGKILL)
            assert process.ended().code == -signal.SIGKILL
        until(lambda: server.stats()["in_flight"] == 0)
        done = evaluated(tmp_path, *asked, "--json")
        held = json.loads(done.out)["summaries"][0]
        assert done.code == 0 and held["score"]["mean"] == 1.0 and held["tasks"] == 8
        sent = [json.dumps(r.body, sort_keys=True) for r in server.requests]
        assert len(sent) - len(set(sent)) <= 2, "at most what was in flight when it was killed"
        assert len(set(sent)) == 16


def until(holds: Any) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_server_that_gives_out_is_no_score_and_the_rest_is_asked_next_time(tmp_path: Path) -> None:
    tasks_file(tmp_path)
    with serve(script=COUNT, expire_key_after=2) as server:
        outcomes = evaluate(of(tmp_path, server.base_url, parallel=1))
        assert server.calls == 3, "no other task is tried then"
    (told,) = summaries(outcomes)
    assert (told.tasks, told.unasked, told.failures) == (2, 6, {"key": 6})
    assert "run the same command again" in table([told])
    assert len((tmp_path / "out" / "outcomes.jsonl").read_text().splitlines()) == 2


def of(folder: Path, base_url: str, *, share: Limits = SHARE, parallel: int = 4, budget: Limits = MANY,
       systems: Sequence[str] = ("rlm-dsl",), **more: Any) -> Evaluation:  # fmt: skip
    tasks = read_tasks(folder / "tasks.jsonl", Defaults())
    given = settings(base_url, folder / "s.sqlite", limits=budget, **more)
    return Evaluation(tasks, systems, given, share, folder / "out", NO_KEYS, parallel)


def test_one_budget_holds_for_all_tasks(tmp_path: Path) -> None:
    tasks_file(tmp_path)
    with serve(script=["show text", *COUNT]) as server:
        outcomes = evaluate(of(tmp_path, server.base_url, budget=Limits(10, 10_000_000), share=Limits(3, 100_000)))
        assert server.calls <= 10
    kinds = [outcome.failure for outcome in outcomes]
    assert kinds.count("purse") == len(kinds) - kinds.count("") and 3 <= kinds.count("") <= 5


def test_a_share_waits_for_those_that_may_come_back() -> None:
    shares = BudgetShares(Limits(10, 1_000), Limits(6, 600))
    assert shares.acquire()
    shares.release(2, 100)
    assert shares.acquire() and shares.calls == 2
    shares.release(6, 600)
    assert not shares.acquire()


def test_failures_are_counted_by_kind(tmp_path: Path) -> None:
    tasks_file(tmp_path, LINES[:4])
    script = {
        "number 1": ["show nothing"],
        "number 2": ["answer text | first(text)"],
        "number 3": ["x = text | classify(on=text, labels=['a', 'b'], into=t)"],
        "number 4": COUNT,
    }
    gold = [{"text": "line", "label": "a"}]
    with serve(script=script, gold=gold) as server:
        outcomes = evaluate(of(tmp_path, server.base_url, turns=3, share=Limits(3, 500_000)))
    assert [outcome.failure for outcome in outcomes] == ["turns", "type", "budget", ""]
    assert [outcome.score for outcome in outcomes] == [0, 0, 0, 1]
    assert outcomes[0].turns == 3 and outcomes[0].usage[0].calls == 3, "what a failed exploration used is told"


# ---- others ----


def test_the_plain_model_is_asked_once_with_all_of_the_data(tmp_path: Path) -> None:
    tasks_file(tmp_path)

    def gold(shown: str, schema: Any) -> dict[str, Any]:
        return {"text": shown, "value": shown.count("line\n")}

    with serve(gold=gold, script=COUNT) as server:
        outcomes = evaluate(of(tmp_path, server.base_url, systems=("rlm-dsl", "plain"), window=5_000))
        sent = [r.body["messages"][-1]["content"] for r in server.requests if "response_format" in r.body]
    assert len(sent) == 8 and all("Question: How many lines" in text for text in sent)
    told = {each.system: each for each in summaries(outcomes)}
    assert told["plain"].score is not None and told["plain"].score.mean == 1.0 and told["plain"].turns == 1


def test_data_larger_than_the_window_is_no_task_for_the_plain_model(tmp_path: Path) -> None:
    tasks_file(tmp_path, [{**LINES[0], "text": "line\n" * 3_000}])
    with serve(script=COUNT) as server:
        (outcome,) = evaluate(of(tmp_path, server.base_url, systems=("plain",), window=2_000))
    assert outcome.failure == "window" and server.calls == 0


def test_dspy_and_rlms_are_asked_where_they_are_installed(tmp_path: Path) -> None:
    pytest.importorskip("dspy")
    pytest.importorskip("rlm")
    tasks_file(tmp_path, LINES[:2])
    field = "[[ ## reasoning ## ]]\nCount.\n\n[[ ## code ## ]]\n```python\n{}\n```\n\n[[ ## completed ## ]]"
    code = "SUBMIT(str(len(context.splitlines())))"
    repl = "```repl\nanswer['content'] = str(len(context.splitlines()))\nanswer['ready'] = True\n```"
    script = {"context.splitlines": ["never"], "repl_history": [field.format(code)], "": [repl]}
    with serve(script=script) as server:
        given = of(tmp_path, server.base_url, systems=("dspy", "rlms"))
        with pytest.raises(UserError, match="runs Python that the model writes"):
            evaluate(given)
        outcomes = evaluate(Evaluation(given.tasks, given.systems, given.settings, given.share,
                                       tmp_path / "again", NO_KEYS, 1, local_python=True))  # fmt: skip
    assert [(o.system, o.score, o.problem) for o in outcomes] == [
        (name, 1.0, "") for _ in range(2) for name in ("dspy", "rlms")
    ]
    assert all(o.turns == 1 and sum(each.calls for each in o.usage) == 1 for o in outcomes)
    gone = of(tmp_path, "http://127.0.0.1:9/v1", systems=("dspy",), parallel=1)
    alone = (given.tasks, ["dspy"], gone.settings, given.share, tmp_path / "dead", NO_KEYS)
    dead = evaluate(Evaluation(*alone, local_python=True))
    assert [o.failure for o in dead] == ["outage"] * 2, "a dead server is no peer's fault"


def test_what_contenders_spent_on_failed_tasks_is_booked_and_nobody_else_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root and rows are asked of one model here; each answer is of the wrong type, or none that can be read."""
    pytest.importorskip("dspy")
    pytest.importorskip("rlm")
    from dspy.clients import model_metadata

    monkeypatch.setattr(model_metadata, "_data", None)  # another test of this process may have it read
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP", raising=False)
    elsewhere, look_up = [], socket.getaddrinfo

    def only_here(host: Any, *more: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", "::1"):
            elsewhere.append(host)
            raise OSError("no network")
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    tasks_file(tmp_path, LINES[:1])
    code = "print(llm_query('hello'))"
    turn = f"[[ ## reasoning ## ]]\nAsk.\n\n[[ ## code ## ]]\n```python\n{code}\n```\n\n[[ ## completed ## ]]"
    script = {"context.splitlines": ["never"], "repl_history": [turn], "hello": ["hi"], "": [f"```repl\n{code}\n```"]}
    with serve(script=script) as server:
        given = of(tmp_path, server.base_url, systems=("dspy", "rlms"), turns=2)
        one = replace(given.settings, models={"root": "one", "sub": "one"})
        outcomes = evaluate(replace(given, settings=one, parallel=1, local_python=True))
        assert [outcome.failure for outcome in outcomes] == ["peer", "type"]
        assert sum(each.new for outcome in outcomes for each in outcome.usage) == server.calls > 6
        assert all({each.root for each in outcome.usage} == {True, False} and outcome.turns for outcome in outcomes)
        assert sum(told.calls for told in summaries(outcomes)) == server.calls
    assert elsewhere == []


def test_an_unknown_system_is_named_with_the_nearest(tmp_path: Path) -> None:
    tasks_file(tmp_path)
    done = evaluated(tmp_path, "tasks.jsonl", "--model", "m", "--with", "plane")
    assert done.code == 2 and "did you mean `plain`?" in done.err
    without = evaluated(tmp_path, "tasks.jsonl")
    assert without.code == 2 and "no model is named" in without.err


def test_data_is_named_once_for_all_tasks(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a\nb\nc\n")
    tasks_file(tmp_path, [{"question": "How many?", "answer": 3}])
    (task,) = read_tasks(tmp_path / "tasks.jsonl", Defaults({"text": Data(str(tmp_path / "lines.txt"))}, "numeric"))
    assert (task.id, str(task.returns), task.metric) == ("line-1", "int", "numeric")
    with serve(script=COUNT) as server:
        given = Evaluation(
            [task], ["rlm-dsl"], settings(server.base_url, tmp_path / "s"), Limits(9, 99_999), tmp_path, NO_KEYS
        )
        assert evaluate(given)[0].score == 1.0


@pytest.mark.parametrize("contender", ["plain", "dspy"])
def test_a_peer_asks_weights_of_ones_own_by_the_server_that_is_started_for_them(
    contender: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is played here: what is shown is that each contender reaches it with its key."""
    pytest.importorskip("dspy")
    (tmp_path / "tasks.jsonl").write_text('{"question": "How many?", "text": "one", "answer": 1}\n')
    with serve(gold=lambda text, schema: {"answer": "1"}, script=["```text\nnone\n```"], key="own") as endpoint:
        reached = SimpleNamespace(address=endpoint.base_url, key="own")
        monkeypatch.setattr(SERVERS, "at", lambda serving: reached)
        model = f"local:{gguf(tmp_path)}"
        asked = (
            "--model",
            model,
            "--with",
            contender,
            "--local-python",
            "--turns",
            "1",
            "--each",
            "calls=5,tokens=50000",
        )
        ran = command(tmp_path, "eval", "tasks.jsonl", *asked, "--budget", "calls=5,tokens=50000")
    assert endpoint.calls > 0 and "outage" not in ran.out + ran.err, ran.out + ran.err
    assert {request.body["model"] for request in endpoint.requests} == {"Small 1"}
