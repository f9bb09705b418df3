"""Whole traces, made against the test endpoint: verified, changed by one thing, killed half-way, searched."""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlm_dsl import api
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.prices import Price
from rlm_dsl.models.recording import Call
from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from rlm_dsl.trace.divergence import CAP, LEVELS, Code, Report, verdict
from rlm_dsl.trace.events import check_chain, read_events
from rlm_dsl.trace.layout import EVENTS, SEAL
from rlm_dsl.trace.seal import write_seal
from tests.support.forging import ended_anew, put
from tests.support.processes import Process
from tests.support.runs import OF_ONE, csv, gold

ALL = """\
topics = tickets | classify(on=body, labels=["billing", "other"], into=topic)
answer topics | where(topic == "billing") | count()
"""
TURNS = ["```\nshow tickets | take(2)\n```", f"```\n{OF_ONE}```"]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own, and no key of the user's."""
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "answers.sqlite"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tickets.csv` and the good trace `run.trace`; never changed, only copied."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "tickets.csv").write_text(csv(30))
    with serve(gold=gold(30)) as server:
        run(OF_ONE, folder, server, "run.trace", store=str(folder / "s.sqlite"), price=Price(1.0, 2.0))
    return folder


@pytest.fixture
def copied(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path / "copy")
    return tmp_path / "copy"


def run(program: str, folder: Path, server: Server, trace: str, **more: Any) -> Any:
    contexts = {"tickets": str(folder / "tickets.csv")}
    return api.run(program, contexts, model="m", base_url=server.base_url, trace=folder / trace, **more)


def checked(folder: Path) -> Report:
    return api.verify(folder / "run.trace", contexts={"tickets": str(folder / "tickets.csv")})


def codes(report: Report) -> set[str]:
    return {each.code for each in report.divergences}


def failed(report: Report) -> list[str]:
    return [level.name for level in report.levels if level.status == "failed"]


# --- good traces


def test_a_good_trace_holds_at_every_level_without_a_call(copied: Path) -> None:
    report = checked(copied)
    assert [(level.name, level.status) for level in report.levels] == [(name, "ok") for name in LEVELS]
    assert len(LEVELS) == 9 and report.ok and report.calls == 0
    assert report.head == json.loads((copied / "run.trace" / SEAL).read_text())["predicate"]["head"]


def test_an_asked_question_leaves_a_trace_that_holds(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(30))
    with serve(gold=gold(30), script=TURNS) as server:
        contexts = {"tickets": str(tmp_path / "tickets.csv")}
        api.ask("How many?", contexts, model="m", base_url=server.base_url, trace=tmp_path / "run.trace")
    assert checked(tmp_path).ok


def test_a_packed_trace_holds_too_and_a_renamed_one(copied: Path) -> None:
    from rlm_dsl.trace.archive import pack

    contexts = {"tickets": str(copied / "tickets.csv")}
    assert api.verify(pack(copied / "run.trace"), contexts=contexts).ok
    (copied / "run.trace").rename(copied / "other name.trace")
    assert api.verify(copied / "other name.trace", contexts=contexts).ok


def test_verify_opens_no_socket(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any, **more: Any) -> Any:
        raise AssertionError("verify reached for the network")

    made = socket.socket.__init__

    def only_within(self: socket.socket, family: int = -1, *more: Any, **named: Any) -> None:
        """The pair by which an event loop wakes itself is no network."""
        if family != socket.AF_UNIX:
            refused()
        made(self, family, *more, **named)

    monkeypatch.setattr(socket.socket, "__init__", only_within)
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refused)
    with pytest.raises(AssertionError):
        socket.socket(socket.AF_INET)
    assert checked(copied).ok


def test_a_run_on_recorded_answers_is_the_same_run(copied: Path, recorded: Path) -> None:
    contexts = {"tickets": str(copied / "tickets.csv")}
    api.run(OF_ONE, contexts, answers=copied / "run.trace", trace=copied / "again.trace")
    for name in ("steps.jsonl", "answer.json", "plan.sql", "program.rlm"):
        again, before = ((copied / trace / name).read_text() for trace in ("again.trace", "run.trace"))
        assert again.replace(str(copied), str(recorded)) == before, name


def test_layout_threads_and_the_order_of_answers_change_no_byte(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(30))
    layout = OF_ONE.replace(" | ", "\n    | ").replace("mine =", "\n\nmine  =")
    kinds = {"one": (OF_ONE, 1), "two": (layout, 2), "four": (OF_ONE, 4)}
    traces = []
    for seed, (name, (program, threads)) in enumerate(kinds.items()):
        with serve(gold=gold(30), latency=0.004, jitter=1.5, seed=seed) as server:
            run(program, tmp_path, server, f"{name}.trace", threads=threads, store=str(tmp_path / f"{name}.sqlite"))
        traces.append(tmp_path / f"{name}.trace")
        contexts = {"tickets": str(tmp_path / "tickets.csv")}
        assert api.verify(traces[-1], contexts=contexts).ok
    for name in ("answer.json", "plan.sql", "program.rlm"):
        assert len({(trace / name).read_bytes() for trace in traces}) == 1, name
    lines = [without_keys(trace / "steps.jsonl") for trace in traces]
    assert lines[0] == lines[1] == lines[2]


def without_keys(path: Path) -> list[dict[str, Any]]:
    """The lines without keys, which name the server and so its port."""
    return [{k: v for k, v in json.loads(line).items() if k != "key"} for line in path.read_text().splitlines()]


def test_one_server_threads_one_two_four_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(30))
    with serve(gold=gold(30), latency=0.004, jitter=1.5) as server:
        for threads in (1, 2, 4):
            own = str(tmp_path / f"{threads}.sqlite")
            run(OF_ONE, tmp_path, server, f"{threads}.trace", threads=threads, store=own)
    for name in ("steps.jsonl", "answer.json"):
        assert len({(tmp_path / f"{threads}.trace" / name).read_bytes() for threads in (1, 2, 4)}) == 1, name


# --- one change each, sealed anew


def edited(trace: Path, name: str, old: str, new: str) -> None:
    content = (trace / name).read_text(encoding="utf-8")
    assert old in content
    (trace / name).write_text(content.replace(old, new, 1), encoding="utf-8")


def header(trace: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads((trace / "trace.json").read_text())
    change(value)
    put(trace, "trace.json", [value])


def forged(trace: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """The recorded calls with a change, under the log as it was."""
    path = trace / "payload" / "calls.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    rows.sort(key=lambda row: row["key"])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def calls(trace: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """The recorded calls with a change, as someone would write them who forges a whole trace: its log ends anew."""
    forged(trace, change)
    ended_anew(trace)


UNDER_AN_OLD_LOG = {"torn tail", "event", "forged calls under an old log"}


def changed_prompt(rows: list[dict[str, Any]]) -> None:
    """Every request with another instruction, under its own key: as an older renderer would have asked."""
    for row in rows:
        request = json.loads(row["request"])
        request["messages"][0]["content"] = "Once more: " + request["messages"][0]["content"]
        row["request"] = json.dumps(request, ensure_ascii=False, sort_keys=True)
        row["key"] = Call.from_json(row).request.key


def answered(row: dict[str, Any], text: str) -> None:
    row["answer"] = json.dumps({**json.loads(row["answer"]), "text": text})


def turned_answer(rows: list[dict[str, Any]]) -> None:
    text = json.loads(rows[0]["answer"])["text"]
    answered(rows[0], text.replace("billing", "#").replace("other", "billing").replace("#", "other"))


def never_used(rows: list[dict[str, Any]]) -> None:
    request = json.loads(rows[0]["request"])
    request["messages"][-1]["content"] = "a text that no row has"
    row = {**rows[0], "request": json.dumps(request), "origin": "store"}
    rows.append({**row, "key": Call.from_json(row).request.key})


def changed_digest(trace: Path) -> None:
    lines = (trace / "steps.jsonl").read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if "digest" in json.loads(line))
    value = json.loads(lines[at])
    value["digest"] = value["digest"][:-1] + ("0" if value["digest"][-1] != "0" else "1")
    lines[at] = json.dumps(value)
    (trace / "steps.jsonl").write_text("\n".join(lines) + "\n")


def changed_request(rows: list[dict[str, Any]]) -> None:
    rows[0]["request"] = rows[0]["request"].replace("log in", "log out").replace("charged", "debited")


def of_another_price(trace: Path) -> None:
    header(trace, lambda h: h.update(prices={"m": [9.0, 9.0]}))


CHANGES: dict[str, tuple[Callable[[Path], Any], str, set[str]]] = {
    "torn tail": (lambda t: (t / EVENTS).write_bytes((t / EVENTS).read_bytes()[:-9]), "chain", {"D02"}),
    "event": (lambda t: edited(t, EVENTS, '"rows": ', '"rows": 1'), "chain", {"D01"}),
    "recorded context": (lambda t: header(t, lambda h: h["contexts"][0].update(digest="0" * 64)), "context", {"D03"}),
    "schema": (lambda t: header(t, lambda h: h.update(schema="rlm-trace/2")), "context", {"D15"}),
    "unknown rule of redaction": (lambda t: header(t, lambda h: h.update(redaction=["?"])), "context", {"D14"}),
    "program": (lambda t: edited(t, "program.rlm", '"u1"', '"u2"'), "program", {"D04"}),
    "program that is none": (lambda t: (t / "program.rlm").write_text("answer ???\n"), "program", {"D04"}),
    "program that is no text": (lambda t: (t / "program.rlm").write_bytes(b"\xff\xfe"), "program", {"D01"}),
    "plan": (lambda t: edited(t, "plan.sql", "SELECT", "select"), "plan", {"D05"}),
    "digest of rows": (changed_digest, "rows", {"D06"}),
    "answer of a call": (lambda t: calls(t, turned_answer), "rows", {"D06"}),
    "forged calls under an old log": (lambda t: forged(t, turned_answer), "files", {"D06", "D01"}),
    "changed request": (lambda t: calls(t, changed_request), "requests", {"D07"}),
    "changed prompt": (lambda t: calls(t, changed_prompt), "requests", {"D07"}),
    "model": (lambda t: header(t, lambda h: h["models"]["sub"].update(model="other")), "requests", {"D08"}),
    "parameters": (lambda t: header(t, lambda h: h["models"]["sub"].update(parameters={})), "requests", {"D08"}),
    "removed call": (lambda t: calls(t, lambda rows: rows.pop(0)), "requests", {"D09"}),
    "no calls": (lambda t: calls(t, lambda rows: rows.clear()), "requests", {"D09"}),
    "added call": (lambda t: calls(t, never_used), "requests", {"D10"}),
    "answer that does not parse": (lambda t: calls(t, lambda rows: answered(rows[0], "nonsense")), "answers", {"D11"}),
    "who answered": (lambda t: header(t, lambda h: h["served"][0].update(fingerprint="new")), "answers", {"D12"}),
    "prices": (of_another_price, "answers", {"D13"}),
    "answer": (lambda t: edited(t, "answer.json", '"value": ', '"value": 1'), "answer", {"D06"}),
    "evidence": (lambda t: edited(t, "answer.json", '"count": ', '"count": 1'), "answer", {"D06"}),
}


OF_REVIEWS = {"D16", "D17"}
"""Of what people said of rows: changed in tests/review/test_sealed.py."""


def test_every_code_has_its_mutation() -> None:
    assert {code for _, _, expected in CHANGES.values() for code in expected} | OF_REVIEWS == set(Code.__members__)


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_under_a_new_seal_is_found_at_its_level_with_its_code(copied: Path, name: str) -> None:
    change, level, expected = CHANGES[name]
    change(copied / "run.trace")
    unsealed = checked(copied)
    assert {"chain", "files"} & set(failed(unsealed)), "the old seal does not hold"
    if name not in UNDER_AN_OLD_LOG:
        ended_anew(copied / "run.trace")
    write_seal(copied / "run.trace")
    report = checked(copied)
    assert report.first_failed == level, report.as_json()
    assert codes(report) == expected, report.divergences
    assert [each.name for each in report.levels] == list(LEVELS) and not report.ok
    assert all(each.next_command for each in report.divergences)


def test_every_request_that_differs_is_told_and_the_list_is_capped(copied: Path) -> None:
    calls(copied / "run.trace", changed_prompt)
    write_seal(copied / "run.trace")
    (level,) = [each for each in checked(copied).levels if each.name == "requests"]
    rows = pq.read_table(copied / "run.trace" / "payload" / "calls.parquet").num_rows
    assert level.found == {"D07": rows} and len(level.as_json()["divergences"]) == min(rows, CAP)
    assert {each.row for each in level.divergences if each.row} and level.divergences[0].line == 2


@pytest.mark.parametrize(("level", "count"), [("1", 1), ("files", 2), ("rows", 6), ("9", 9)])
def test_verify_stops_where_it_is_told_to(copied: Path, level: str, count: int) -> None:
    report = api.verify(copied / "run.trace", {"tickets": str(copied / "tickets.csv")}, level=level)
    assert report.ok and len(report.levels) == count
    assert ("not looked at" in verdict(report)) == (count < 9)
    with pytest.raises(UserError, match="there is no level"):
        api.verify(copied / "run.trace", level="file")


def test_an_answer_that_does_not_parse_is_named_with_the_question_that_follows_it(copied: Path) -> None:
    calls(copied / "run.trace", lambda rows: answered(rows[0], "nonsense"))
    write_seal(copied / "run.trace")
    (found,) = checked(copied).divergences
    assert found.step == "topics" and found.recorded == "nonsense" and "does not fit" in str(found.now)


def test_a_changed_byte_of_the_context_is_found_and_its_file_named(copied: Path) -> None:
    edited(copied, "tickets.csv", "log in", "log on")
    report = checked(copied)
    assert report.first_failed == "context"
    (found,) = [each for each in report.divergences if each.code == "D03"]
    assert "tickets.csv" in found.message and "sha256" in str(found.recorded)
    assert [level.status for level in report.levels[:2]] == ["ok", "ok"]


def test_a_missing_context_is_named_with_the_way_to_give_it(copied: Path) -> None:
    report = api.verify(copied / "run.trace", contexts={"tickets": str(copied / "nowhere.csv")})
    (found,) = report.divergences
    assert found.code == "D03" and found.next_command == "verify --context tickets=PATH"


@pytest.mark.parametrize("name", ["trace.json", "program.rlm", "plan.sql", "steps.jsonl", "answer.json", EVENTS, SEAL])
def test_any_file_missing_empty_or_of_another_form_is_a_report_and_no_crash(copied: Path, name: str) -> None:
    for content in (None, b"", b"[]\n", b"{}\n", b"null\n", b'{"schema": "rlm-trace/1"}\n', b"\xff"):
        path = copied / "run.trace" / name
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        report = checked(copied)
        assert not report.ok and [each.name for each in report.levels] == list(LEVELS), content


@pytest.mark.parametrize("name", ["trace.json", "steps.jsonl", "payload/calls.parquet"])
def test_flipped_bytes_are_reports_and_no_crashes(copied: Path, name: str) -> None:
    path = copied / "run.trace" / name
    content = path.read_bytes()
    for at in random.Random(3).sample(range(len(content)), 8):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not checked(copied).ok


def test_a_forged_row_of_calls_is_a_report_and_no_crash(copied: Path) -> None:
    whole = (copied / "run.trace" / "payload" / "calls.parquet").read_bytes()
    for value in (None, "", "[]", "{}", '{"text": 1}'):
        for column in ("request", "answer"):
            (copied / "run.trace" / "payload" / "calls.parquet").write_bytes(whole)
            forged(copied / "run.trace", lambda rows, c=column, f=value: rows[0].update({c: f}))
            write_seal(copied / "run.trace")
            assert not checked(copied).ok


# --- killed half-way

MANY = 100


def killed(folder: Path, server: Server, seen: int, wait: float) -> None:
    """Start a run in a process of its own and kill it once the server has seen so many requests, a little later."""
    before = server.calls
    more = {"model": "m", "base_url": server.base_url, "threads": 2}
    places = {"trace": folder / "run.trace", "store": str(folder / "s.sqlite")}
    with Process(folder, api.run, ALL, {"tickets": str(folder / "tickets.csv")}, **more, **places) as process:
        while server.calls - before < seen and process.running:
            time.sleep(0.001)
        time.sleep(wait)
        process.send(signal.SIGKILL)
        assert process.ended().code in (0, -signal.SIGKILL)
    time.sleep(0.05)


def texts_held(path: Path) -> set[str]:
    """The texts shown in requests whose answers the store has."""
    if not path.exists():
        return set()
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        rows = connection.execute("SELECT request FROM answers").fetchall() if tables else []
    connection.close()
    return {json.loads(request)["messages"][-1]["content"] for (request,) in rows}


def survives_kills(tmp_path: Path, kills: int, seed: int) -> None:
    order = random.Random(seed)
    with serve(gold=gold(MANY), latency=0.015) as server:
        for number in range(kills):
            folder = tmp_path / f"kill {number}"
            folder.mkdir()
            (folder / "tickets.csv").write_text(csv(MANY))
            killed(folder, server, order.randint(0, MANY), order.random() * 0.05)
            if (folder / "run.trace" / EVENTS).exists():
                found, _, count = check_chain(folder / "run.trace" / EVENTS)
                assert {each.code for each in found} <= {"D02"}
                assert sum(event.sound for event in read_events(folder / "run.trace" / EVENTS)) >= count
            finished = (folder / "run.trace" / SEAL).exists()
            held, before = texts_held(folder / "s.sqlite"), server.calls
            if not finished:
                result = run(ALL, folder, server, "run.trace", store=str(folder / "s.sqlite"), threads=2)
                assert result.value == MANY // 4
            again = {each.body["messages"][-1]["content"] for each in server.requests[before:]}
            assert not held & again, f"{len(held & again)} of {len(held)} acknowledged answers were asked for again"
            assert finished or len(again) == MANY - len(held)
            assert checked(folder).ok
    answers = {(folder / "run.trace" / "answer.json").read_text().replace(str(folder), "") for folder in
               tmp_path.glob("kill *")}  # fmt: skip
    with serve(gold=gold(MANY)) as server:
        run(ALL, folder, server, "undisturbed.trace", store=str(tmp_path / "fresh.sqlite"))
    answers.add((folder / "undisturbed.trace" / "answer.json").read_text().replace(str(folder), ""))
    assert len(answers) == 1


def test_what_was_acknowledged_before_a_kill_is_never_asked_again(tmp_path: Path) -> None:
    survives_kills(tmp_path, 2, 11)


@pytest.mark.proof
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    survives_kills(tmp_path, 200, 12)


# --- secrets

OPENAI = "sk-proj-" + "c4N" * 12
GITHUB = "ghp_" + "n1Ry" * 9
VALUE = "canary-of-the-environment"
IN_USE = "key-in-use-canary-0001"
CANARIES = (OPENAI, GITHUB, VALUE, IN_USE)


def searched(*folders: Path) -> Iterator[tuple[str, str]]:
    """Everything on disk as text, by name; Parquet decompressed."""
    for path in [found for folder in folders for found in folder.rglob("*") if found.is_file()]:
        if path.suffix == ".parquet":
            yield path.name, json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False)
        yield path.name, path.read_bytes().decode("utf-8", "replace")


def leaks(*folders: Path) -> list[tuple[str, str]]:
    return sorted({(name, each[:8]) for name, text in searched(*folders) for each in CANARIES if each[:20] in text})


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows that hold canaries, outside of what is searched."""
    monkeypatch.setenv("MY_SECRET_TOKEN", VALUE)
    (tmp_path / "data").mkdir()
    rows = [f"my key is {OPENAI}", f"mine {GITHUB} too", f"and {VALUE}!", f"used: {IN_USE}", "plain"]
    (tmp_path / "data" / "tickets.csv").write_text("id,body\n" + "".join(f"{n},{row}\n" for n, row in enumerate(rows)))
    return tmp_path


def secretly(folder: Path, server: Server, **more: Any) -> dict[str, Any]:
    return {
        "contexts": {"tickets": str(folder / "data" / "tickets.csv")},
        "model": "m",
        "base_url": server.base_url,
        "api_key": IN_USE,
        "trace": folder / "out" / "run.trace",
        "store": str(folder / "out" / "s.sqlite"),
        **more,
    }


ASKED = f"""\
found = tickets | ask("What of {OPENAI} and {GITHUB} is said?", on=body, returns={{said: text}})
answer found | select(id, body, said)
"""


def test_no_secret_of_rows_or_answers_reaches_the_disk(secret: Path) -> None:
    said = f"The key {OPENAI}, {GITHUB}, {VALUE} and {IN_USE}."
    program = 'found = tickets | ask("What is said?", on=body, returns={said: text})\nanswer found'
    with serve(gold=lambda text, schema: {"said": said}) as server:
        api.run(program, **secretly(secret, server))
        assert not any(each in json.dumps([r.body for r in server.requests]) for each in CANARIES), "sent to the server"
    assert (secret / "out" / "run.trace" / SEAL).exists()
    assert leaks(secret / "out") == []


def test_a_trace_of_rows_and_answers_with_secrets_verifies(secret: Path) -> None:
    program = 'found = tickets | ask("What is said?", on=body, returns={said: text})\nanswer found'
    with serve(gold=lambda text, schema: {"said": f"The key {OPENAI} and {VALUE}."}) as server:
        api.run(program, **secretly(secret, server, api_key=None))
    report = api.verify(secret / "out" / "run.trace")
    assert report.ok, report.divergences


def test_no_secret_of_a_question_or_a_turn_reaches_the_disk(secret: Path) -> None:
    last = f'```\nanswer tickets | where(body != "{GITHUB}") | count()\n```'
    turns = [f"I saw {OPENAI}.\n```\nshow tickets\n```", last]
    with serve(script=turns) as server:
        api.ask(f"Who has {OPENAI} or {VALUE}?", **secretly(secret, server))
        assert not any(each in json.dumps([r.body for r in server.requests]) for each in CANARIES), "sent to the server"
    assert leaks(secret / "out") == []


def test_no_secret_of_a_servers_error_reaches_the_disk_or_the_message(secret: Path) -> None:
    script = [{"content": f"Incorrect key {IN_USE} {OPENAI} {VALUE}", "status": 400}]
    with serve(script=script) as server, pytest.raises(UserError) as failure:
        api.ask("How many?", **secretly(secret, server))
    assert not any(each in str(failure.value) for each in CANARIES)
    assert leaks(secret / "out") == []


def test_no_secret_of_a_value_cut_for_its_record_reaches_the_disk(secret: Path) -> None:
    """A step's value is shown cut: half a secret at the cut is still a secret."""
    with serve() as server:
        for width in range(200, 300, 7):
            api.run(f'answer tickets | text(body, sep="{"x" * width}")', **{**secretly(secret, server), "trace": None})
        api.run(f'answer tickets | text(body, sep="{"x" * 277}")', **secretly(secret, server))
    assert leaks(secret / "out") == []


def test_a_trace_whose_value_holds_a_secret_verifies(secret: Path) -> None:
    with serve() as server:
        api.run("answer tickets | first(body)", **secretly(secret, server, api_key=None))
    report = api.verify(secret / "out" / "run.trace")
    assert report.ok, report.divergences
    assert leaks(secret / "out") == []


@pytest.mark.parametrize("program", [ASKED, f'found = tickets | classify(labels=["a", "{GITHUB}"])\nanswer found'])
def test_a_program_that_holds_a_secret_is_refused(secret: Path, program: str) -> None:
    with serve() as server, pytest.raises(UserError, match="holds a secret") as failure:
        api.run(program, **secretly(secret, server))
    assert GITHUB not in str(failure.value) and OPENAI not in str(failure.value)
    assert leaks(secret / "out") == []


def test_labels_that_come_from_rows_with_secrets_do_not_reach_the_disk(secret: Path) -> None:
    program = (
        "kinds = tickets | distinct(body) | values(body)\nanswer tickets | classify(on=body, labels=kinds, into=l)"
    )
    with serve(fallback="first") as server:
        api.run(program, **secretly(secret, server))
        assert not any(each in json.dumps([r.body for r in server.requests]) for each in CANARIES), "sent to the server"
    assert leaks(secret / "out") == []


def test_data_under_a_name_that_the_trace_does_not_have_is_refused(copied: Path) -> None:
    """Else a mistyped name would run, or verify, on the data of then."""
    for ask in (api.verify, api.rerun):
        with pytest.raises(UserError, match="the trace has no context `ticket`; it has `tickets`"):
            ask(copied / "run.trace", {"ticket": str(copied / "tickets.csv")})


def test_recorded_answers_that_lack_a_text_say_so_and_what_asks_it(copied: Path) -> None:
    edited(copied, "tickets.csv", "log in (1)", "log out (1)")
    with pytest.raises(UserError, match=r"topics: the recorded answers have none for this text: .*\n  hint: .*rerun"):
        api.run(OF_ONE, {"tickets": str(copied / "tickets.csv")}, answers=copied / "run.trace")
