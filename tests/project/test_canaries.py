"""Canaries: secrets put into the environment, headers, prompts, rows, answers and error texts, and searched for in
every byte that is written or sent; and traces that verify whatever secrets the verifier's own environment holds.

In: runs against the testing endpoint. Out: nothing but a verdict. Law: no secret is on the disk, in a log, in a message
or in an export; what was taken out is taken out again by whoever has the same rows, and by the rows alone.
"""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq
import pytest

from rlm_dsl import api, cli, traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.settings import Server as Address
from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from tests.support.forging import put, sealed_anew
from tests.support.scripted_server import Reply, ScriptedServer, Sent

OPENAI = "sk-proj-" + "c4N" * 12
GITHUB = "ghp_" + "n1Ry" * 9
VALUE = "canary-of-the-environment"
QUOTED = 'can"ary\\of\\quotes'
HEADER = "canary-of-a-header-0001"
IN_USE = "canary-key-in-use-0001"
TENANT, IN_QUERY = "canary-of-a-tenant-0001", "canary-in-the-query-0001"
PROXIED, SPACED = "canary/of?a proxy-0001", "canary of a password+0001"
CANARIES = (OPENAI, GITHUB, VALUE, QUOTED, HEADER, IN_USE, TENANT, IN_QUERY)
ENVIRONMENT = {
    "MY_SECRET_TOKEN": VALUE,
    "DB_PASSWORD": QUOTED,
    "GATEWAY_KEY": HEADER,
    "TENANT": TENANT,
    "REGION": IN_QUERY,
}


def forms(secret: str) -> list[bytes]:
    """A secret's beginning as it is, and as it stands within JSON once and twice over."""
    found, text = [], secret[:20]
    for _ in range(3):
        found.append(text.encode())
        text = json.dumps(text)[1:-1]
    return found


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file's bytes; of what is compressed also what it holds."""
    for path in [found for found in folder.rglob("*") if found.is_file()]:
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            yield str(path), json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(path.with_name(path.name + ".read"))
            yield from contents(path.with_name(path.name + ".read"))
            shutil.rmtree(path.with_name(path.name + ".read"))


def leaks(folder: Path) -> list[tuple[str, str]]:
    return sorted({(n, c[:9]) for n, held in contents(folder) for c in CANARIES for f in forms(c) if f in held})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data that holds canaries, outside of `out`, which is searched."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    texts = [f"my key is {OPENAI}", f"mine {GITHUB} too", f"and {VALUE}!", f"so {QUOTED}.", f"used: {IN_USE}", "plain"]
    rows = [json.dumps({"id": number, "body": text}) for number, text in enumerate(texts)]
    (tmp_path / "data" / "tickets.jsonl").write_text("\n".join(rows) + "\n")
    return tmp_path


def data(place: Path) -> dict[str, str]:
    return {"tickets": str(place / "data" / "tickets.jsonl")}


def options(place: Path, server: Server, **more: Any) -> dict[str, Any]:
    return {
        "contexts": data(place),
        "model": "m",
        "base_url": server.base_url,
        "api_key": IN_USE,
        "store": str(place / "out" / "s.sqlite"),
        "trace": place / "out" / "run.trace",
        "servers": (Address(server.base_url, headers={"X-Gateway": "${GATEWAY_KEY}"}),),
        **more,
    }


ASKED = 'found = tickets | ask("What is said?", on=[id, body], returns={said: text})\nanswer found'
SAID = f"The key {OPENAI}, {GITHUB}, {VALUE}, {QUOTED}, {HEADER} and {IN_USE}."


def told_all(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that can be made of a trace, into `out`."""
    trace, out = place / "out" / "run.trace", place / "out"
    traces.pack(trace, out / "packed.zip")
    where = ("--context", f"tickets={data(place)['tickets']}")
    key = traces.sql(trace, "select key from calls limit 1")[1][0][0]
    commands = [
        *[("show",), ("show", "--json"), ("cite", *where, "--all"), ("cite", *where, "--json", "--all"), ("doctor",)],
        *[
            ("sql", f"select * from {view}", "--json")
            for view in ("steps", "rows", "calls", "attempts", "turns", "events")
        ],
        *[("export", f"--{form}", "--content") for form in ("otlp", "openinference", "openlineage")],
        *[("prove", key), ("verify", *where), ("verify", *where, "--json")],
        ("view", *where, "--out", str(out / "page.html")),
    ]
    for number, (command, *more) in enumerate(commands):
        capsys.readouterr()
        cli.run([command, str(trace), *more])
        ran = capsys.readouterr()
        (out / f"{number}.out").write_text(ran.out + ran.err)


def test_no_canary_of_rows_prompts_headers_or_answers_is_written_anywhere(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(gold=lambda text, schema: {"said": SAID}) as server:
        result = api.run(ASKED, **options(place, server))
        sent = json.dumps([received.body for received in server.requests]).encode()
        assert HEADER in str(server.requests[0].headers), "the header is sent"
    assert not [secret for secret in CANARIES for form in forms(secret) if form in sent], "and nothing else"
    assert len(result.value) == 6
    told_all(place, capsys)
    assert (place / "out" / "run.trace" / "seal.json").exists() and leaks(place / "out") == []


def test_no_canary_of_a_question_or_a_turn_is_written_anywhere(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [
        f"I saw {OPENAI} and {VALUE}.\n```\nshow tickets\n```",
        f'```\nanswer tickets | where(body != "{GITHUB}") | count()\n```',
        "```\nanswer tickets | where(id > 1) | count()\n```",
    ]
    with serve(script=turns) as server:
        api.ask(f"Who has {OPENAI}, {QUOTED} or {VALUE}?", **options(place, server))
        sent = json.dumps([received.body for received in server.requests]).encode()
    assert not [secret for secret in CANARIES for form in forms(secret) if form in sent]
    told_all(place, capsys)
    assert leaks(place / "out") == []


@pytest.mark.parametrize("status", [400, 401])
def test_no_canary_of_a_servers_error_is_written_or_said(place: Path, status: int) -> None:
    script = [{"content": f"Incorrect key {SAID}", "status": status}]
    with serve(script=script) as server, pytest.raises(UserError) as failure:
        api.ask("How many?", **options(place, server, timeout_seconds=5.0))
    assert not [secret for secret in CANARIES for form in forms(secret) if form in str(failure.value).encode()]
    assert leaks(place / "out") == []


def test_no_canary_is_told_in_another_encoding(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As addresses and headers spell it: percent-encoded, in base64 with a user's name before it; and the password of a
    proxy, whose variable is called nothing that tells."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{quote(PROXIED, safe='')}@127.0.0.1:9")
    monkeypatch.setenv("SHOP_PASSWD", SPACED)
    spelled = [
        text
        for secret in (PROXIED, SPACED)
        for held in (secret, f"me:{secret}", f"user:{secret}", f"k={secret};")
        for text in (
            held,
            quote(held, safe=""),
            quote_plus(held),
            base64.b64encode(held.encode()).decode(),
            base64.urlsafe_b64encode(held.encode()).decode(),
        )
    ]
    rows = [json.dumps({"id": number, "body": f"it is {text}."}) for number, text in enumerate(spelled)]
    (place / "data" / "tickets.jsonl").write_text("\n".join(rows) + "\n")
    with serve(gold=lambda text, schema: {"said": " ".join(spelled)}) as server:
        api.run(ASKED, **options(place, server))
    told_all(place, capsys)
    middles = [text[len(text) // 2 - 5 :][:12].encode() for text in spelled]
    assert not [(name, middle) for name, held in contents(place / "out") for middle in middles if middle in held]
    assert api.verify(place / "out" / "run.trace", data(place)).ok


@pytest.mark.parametrize("kind", [RuntimeError, UserError])
def test_no_canary_of_a_librarys_exception_is_said(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", IN_USE)
    basic = base64.b64encode(f"me:{IN_USE}".encode()).decode()

    def fails(*_: object, **__: object) -> None:
        raise kind(f"Request(headers={{'Authorization': 'Bearer {IN_USE}', 'Proxy-Authorization': 'Basic {basic}'}})")

    monkeypatch.setattr("rlm_dsl.language.reference.card.card", fails)
    assert cli.run(["card"]) == 2
    said = capsys.readouterr().err
    assert "Authorization" in said and IN_USE not in said and basic[8:-4] not in said


def test_no_canary_is_in_the_stores_log_while_a_run_goes_on(place: Path) -> None:
    """The write-ahead log is gone when a store is closed; it is read while another holds the store open."""
    path = place / "out" / "s.sqlite"
    with serve(gold=lambda text, schema: {"said": SAID}) as server:
        api.run("answer tickets | count()", {**data(place)})
        api.run(ASKED, **options(place, server, trace=None))
        holding = sqlite3.connect(path)
        holding.execute("SELECT count(*) FROM answers").fetchone()
        api.run(ASKED.replace("What is", "What was"), **options(place, server, trace=None))
        log = path.with_name(path.name + "-wal")
        assert log.stat().st_size > 0 and leaks(place / "out") == []
        holding.close()


# --- whose environment it is


@pytest.fixture
def recorded(place: Path) -> Path:
    """A run whose rows hold secrets of the recorder's environment; the environment is gone again."""
    with serve(gold=lambda text, schema: {"said": f"no {VALUE}"}) as server:
        api.run(ASKED, **options(place, server, api_key=None))
    return place / "out" / "run.trace"


def codes(trace: Path, place: Path) -> list[str]:
    return [divergence.code for divergence in api.verify(trace, data(place)).divergences]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        ENVIRONMENT,
        {"OTHER_TOKEN": "plain"},
        {"THEIR_PASSWORD": "my key is"},
        {"A_KEY": IN_USE, "B_SECRET": '"body":'},
    ],
    ids=["none", "the same", "short", "other", "two others"],
)
def test_a_trace_verifies_whatever_the_verifiers_environment_holds(
    recorded: Path, place: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert codes(recorded, place) == []


def test_the_verifiers_own_secrets_are_not_in_its_report(
    recorded: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("THEIR_PASSWORD", "plain-but-mine")
    path = Path(data(place)["tickets"])
    path.write_text(path.read_text().replace('"plain"', '"plain-but-mine"'))
    report = api.verify(recorded, data(place))
    told = json.dumps(report.as_json(), ensure_ascii=False)
    assert not report.ok and "plain-but-mine" not in told and VALUE not in told


def test_a_place_tells_where_and_how_long_and_nothing_that_is_cheap_to_guess_by(recorded: Path) -> None:
    header = json.loads((recorded / "trace.json").read_text())
    assert {p["mark"].split(":")[1] for p in header["taken_out"]} == {"env"}
    assert sorted((p["column"], p["row"], p["length"]) for p in header["taken_out"] if "row" in p) == [
        ("body", 2, len(VALUE)),
        ("body", 3, len(QUOTED)),
    ]
    assert all(set(p) == {"mark", "context", "row", "column", "at", "length"} for p in header["taken_out"])


def test_the_same_answers_may_be_used_in_another_environment(
    recorded: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    again = api.run(ASKED, data(place), answers=recorded, trace=place / "out" / "again.trace")
    assert again.spent.calls == 0 and codes(place / "out" / "again.trace", place) == []


def test_a_secret_that_no_row_holds_whole_is_told_as_what_it_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = len(VALUE) // 2
    (place / "data" / "tickets.jsonl").write_text(json.dumps({"a": VALUE[:half], "b": VALUE[half:]}) + "\n")
    program = 'answer tickets | derive(c=concat(a, b)) | ask("What?", on=c, returns={said: text}) | count()'
    with serve(gold=lambda text, schema: {"said": "x"}) as server:
        api.run(program, **options(place, server, api_key=None))
    monkeypatch.delenv("MY_SECRET_TOKEN")
    assert codes(place / "out" / "run.trace", place) == ["D14"]
    assert [finding.code for finding in traces.doctor(place / "out" / "run.trace")][-1] == "unplaced-secret"


def test_a_rule_that_is_not_known_here_is_told(recorded: Path, place: Path) -> None:
    path = recorded / "trace.json"
    header = json.loads(path.read_text())
    put(recorded, "trace.json", [{**header, "redaction": [*header["redaction"], "retina-scan"]}])
    sealed_anew(recorded)
    report = api.verify(recorded, data(place))
    assert [d.code for d in report.divergences] == ["D14"] and "retina-scan" in report.divergences[0].message


def test_a_place_whose_row_says_something_else_is_not_believed(recorded: Path, place: Path) -> None:
    path = recorded / "trace.json"
    header = json.loads(path.read_text())
    moved = [{**p, "at": 0, "length": 5} for p in header["taken_out"]]
    put(recorded, "trace.json", [{**header, "taken_out": moved}])
    sealed_anew(recorded)
    assert set(codes(recorded, place)) == {"D14"}


def test_no_canary_is_in_a_stopped_run_a_rerun_or_a_diff(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = place / "out"
    known = {"store": str(out / "s.sqlite"), "api_key": IN_USE}
    with serve(gold=lambda shown, schema: {"said": SAID}) as server:
        known["servers"] = (Address(server.base_url, headers={"X-Gateway": "${GATEWAY_KEY}"}),)  # type: ignore[assignment]
        with pytest.raises(UserError, match="budget"):
            api.run(ASKED, **options(place, server, budget={"calls": 10, "tokens": 4_500}, concurrency=1))
        assert (out / "run.trace" / "payload" / "calls.jsonl").stat().st_size and leaks(out) == []
        api.resume(out / "run.trace", budget={"calls": 100}, **known)  # type: ignore[arg-type]
        rows = (place / "data" / "tickets.jsonl").read_text() + json.dumps({"id": 9, "body": f"again {OPENAI}"}) + "\n"
        (place / "data" / "more.jsonl").write_text(rows)
        more = {"tickets": str(place / "data" / "more.jsonl")}
        again = api.rerun(out / "run.trace", more, to=out / "again.trace", **known)  # type: ignore[arg-type]
        assert [asked.new for asked in again.asked] == [1], "what was taken out stays the same under new data"
    for words in (["--rows"], ["--json"], ["--md"], ["--step", "found"]):
        cli.run(["diff", str(out / "run.trace"), str(out / "again.trace"), *words])
        (out / f"diff{words[0]}.txt").write_text(capsys.readouterr().out)
    assert leaks(out) == []


# --- a server that repeats what it was sent


HEADERS, PARTS = {"X-Auth": "${TENANT}"}, {"region": "${REGION}"}


def secrets_of(sent: Sent) -> str:
    """Every secret that a request carries, as a server may repeat them."""
    query = dict(part.split("=", 1) for part in sent.query.split("&") if part)
    return f"{sent.headers['authorization'].removeprefix('Bearer ')} {sent.headers['x-auth']} {query['region']}"


def repeated(sent: Sent, content: str) -> Reply:
    """A completion with the secrets in every field and in fields' names, and in its headers."""
    told = secrets_of(sent)
    message = {"role": "assistant", "content": content, told: told, "reasoning_content": told}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "native_finish_reason": told}
    usage = {"prompt_tokens": told, "completion_tokens": 5, told: 3, "details": {told: [told]}}
    held = {
        "id": told,
        "object": "chat.completion",
        "created": 0,
        "model": told,
        "system_fingerprint": told,
        told: told,
    }
    return Reply({**held, "choices": [choice], "usage": usage}, 200, repeated_headers(sent))


def repeated_headers(sent: Sent) -> dict[str, str]:
    told = secrets_of(sent)
    return {"X-Request-Id": told, "Set-Cookie": f"key={told}", "x-ratelimit-reset-requests": told, "Retry-After": told}


def problem(sent: Sent, status: int) -> Reply:
    told = secrets_of(sent)
    error = {"message": f"no: {told}", "code": told, "type": told, "param": told, told: told, "metadata": {"raw": told}}
    return Reply({"error": error, told: told}, status, repeated_headers(sent))


def echoing(server: ScriptedServer, place: Path) -> dict[str, Any]:
    """Options of a run against it."""
    return {
        "model": "m",
        "base_url": server.base_url,
        "api_key": IN_USE,
        "store": str(place / "out" / "s.sqlite"),
        "trace": place / "out" / "run.trace",
        "servers": (Address(server.base_url, headers=HEADERS, query=PARTS),),
        "concurrency": 1,
    }


def test_no_canary_that_a_server_repeats_is_written_anywhere(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In each field of a completion, in names of fields, in headers, and in errors that are tried again."""

    def answer(sent: Sent) -> Reply:
        if len(server.sent) in (2, 3):
            return problem(sent, {2: 429, 3: 502}[len(server.sent)])
        return repeated(sent, json.dumps({"said": f"it is {secrets_of(sent)}"}))

    with ScriptedServer(answer) as server:
        result = api.run(ASKED, data(place), **echoing(server, place))
        assert secrets_of(server.sent[0]) == f"{IN_USE} {TENANT} {IN_QUERY}", "the secrets are sent"
    (place / "out" / "said.txt").write_text(repr([row["said"] for row in result.value]))
    told_all(place, capsys)
    assert len(result.value) == 6 and leaks(place / "out") == []
    assert codes(place / "out" / "run.trace", place) == []


def test_no_canary_that_a_server_repeats_to_a_root_is_written_anywhere(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(sent: Sent) -> Reply:
        fenced = "```\nanswer tickets | where(id > 1) | count()\n```"
        return repeated(sent, f"I saw {secrets_of(sent)}.\n{fenced}")

    with ScriptedServer(answer) as server:
        assert api.ask("How many?", data(place), **{**echoing(server, place), "concurrency": None}).value == 4
    told_all(place, capsys)
    assert leaks(place / "out") == [] and codes(place / "out" / "run.trace", place) == []


@pytest.mark.parametrize("status", [200, 301, 307, 400, 401, 402, 404, 413, 422])
def test_no_canary_that_a_server_repeats_in_a_refusal_is_written_or_said(
    place: Path, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the command line, which takes the key from the environment and the rest from a file of settings."""

    def answer(sent: Sent) -> Reply:
        told = problem(sent, status)
        to = f"http://127.0.0.1:9/{secrets_of(sent)}/v1?key={secrets_of(sent)}".replace(" ", "/")
        return Reply(told.body, status, {**told.headers, "Location": to})

    out = place / "out"
    (place / "p.rlm").write_text(ASKED)
    with ScriptedServer(answer) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", IN_USE)
        patch.setenv("RLM_DSL_STORE", str(out / "s.sqlite"))
        address = f"{{url: '{server.base_url}', headers: {{X-Auth: '${{TENANT}}'}}, query: {{region: '${{REGION}}'}}}}"
        (place / "rlm-dsl.yaml").write_text(
            f"servers: {{one: {address}}}\nmodels: {{sub: {{model: m, server: one}}}}\n"
        )
        given = ["run", str(place / "p.rlm"), "--context", f"tickets={data(place)['tickets']}"]
        given += ["--settings", str(place / "rlm-dsl.yaml"), "--trace", str(out / "run.trace"), "--max-failed", "1"]
        if status == 200:
            given += ["--budget", "seconds=3"]
        assert cli.run(given) != 0 and server.chats
    said = capfd.readouterr()
    (out / "terminal.txt").write_text(said.out + said.err)
    assert "refuse" in said.err or "redirect" in said.err or "no: " in said.err or "answer" in said.err
    assert leaks(out) == []
