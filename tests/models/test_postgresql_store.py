"""Answers kept in a real PostgreSQL: by many processes at once, killed and restarted ones among them, each asked once.

In: a played model server that counts, a server of the system's PostgreSQL. Out: nothing but a verdict. Law: however
many ask, and whatever is killed or restarted meanwhile, each request is answered once and paid for once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kinds.postgresql import claims
from rlm_dsl.models.cache.kinds.postgresql import connection as connection_module
from rlm_dsl.models.cache.kinds.postgresql import store as store_module
from rlm_dsl.models.cache.kinds.postgresql.connection import require
from rlm_dsl.models.cache.kinds.postgresql.store import PostgresStore
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.cache.maintenance import copy
from rlm_dsl.models.cache.opening import open_store
from rlm_dsl.models.cache.place import Place
from rlm_dsl.models.cache.protocol import TABLES, AnswerStore
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.models.server.dialects import Dialect
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.optional import needs
from tests.support.postgresql import PASSWORD, Server, needs_postgresql
from tests.support.processes import Process

pytestmark = [needs("psycopg"), needs_postgresql]

PROGRAM = 'answer t | classify(on=text, ["a", "b"], into=label, guide="Which?") | where(label == "a") | count()\n'
ROWS = 200
GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(ROWS)]
ADDRESS = "postgresql:///postgres"


def asked(text: str, model: str = "m") -> Request:
    return Request(ModelSettings(model, "http://h/v1"), (Message("user", text),))


@pytest.fixture
def address(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty store, its credentials in the environment."""
    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    sql("DROP SCHEMA IF EXISTS rlm_dsl CASCADE")
    yield ADDRESS


def sql(*statements: str, address: str = ADDRESS) -> list[Any]:
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def opened(address: str) -> Iterator[AnswerStore]:
    store = open_store(address)
    try:
        yield store
    finally:
        store.close()


def test_all_that_a_store_keeps_is_kept(address: str) -> None:
    with opened(address) as store:
        keys = {asked(f"row {n}").key: n for n in range(2_300)}
        for done in [store.put(asked(f"row {n}"), Answer(f"{n} \0 é {chr(0x1F600)}")) for n in keys.values()]:
            done.result()
        store.put(asked("row 0"), Answer("another")).result()
        store.learn_packs("asking", 50, 3, 4)
        store.learn_packs("asking", 20, 5, 6)
        store.learn("http://h/v1", "m", Dialect.read("tool", True))
        store.keep_batch("http://h/v1", "b1", ["k", "l"])
        with pytest.raises(ValueError):
            store.put(asked("row 0"), Answer("", refusal="no"))
    with opened(f"read-only:{address}") as store:
        held = {keys[key]: store.read(text).text for key, text in store.held([*keys, "none"]).items()}
        assert held == {n: f"{n} \0 é {chr(0x1F600)}" for n in keys.values()}
        assert json.loads(store.request(asked("row 7").key) or "")["messages"][0]["content"] == "row 7"
        assert store.pack_size("asking") == 20 and store.pack_size("none") is None
        assert store.dialects("http://h/v1") == {"m": Dialect.read("tool", True)} and not store.upgraded
        assert store.most_answers() >= 2_300 and store.stats().answers == 2_300 and store.stats().batches == 1
        assert len(list(store.rows_in("answers"))) == 2_300
    with opened(address) as store:
        assert store.batches("http://h/v1") == {"b1": ["k", "l"]}
        store.forget_batch("b1")
        assert store.batches("http://h/v1") == {}


def test_a_store_is_taken_over_from_sqlite_and_back(address: str, tmp_path: Path) -> None:
    """Rows, moments, notes and all; a second time adds nothing."""
    first = SqliteStore(tmp_path / "s.sqlite")
    for done in [first.put(asked(f"row {n}", "ab"[n % 2]), Answer(str(n))) for n in range(300)]:
        done.result()
    first.learn_packs("asking", 20, 5, 6)
    first.learn("http://h/v1", "m", Dialect.read("tool", True))
    first.keep_batch("http://h/v1", "b1", ["k"])
    first.add_rows("upgraded", [(2,)])
    held = {table: list(first.rows_in(table)) for table in TABLES}
    first.close()
    told = command(tmp_path, "cache", "import", "s.sqlite", "--store", address)
    assert told.code == 0 and "300 answers" in told.out, told.err
    assert "0 answers" in command(tmp_path, "cache", "import", "s.sqlite", "--store", address).out
    with opened(address) as store:
        assert {table: list(store.rows_in(table)) for table in TABLES} == held and store.upgraded
        back = SqliteStore(tmp_path / "back.sqlite")
        assert copy(store, back)["answers"] == 300
        assert {table: list(back.rows_in(table)) for table in TABLES} == held
        back.close()
    given = ("--store", address)
    stats = json.loads(command(tmp_path, "cache", "stats", "--json", *given).out)
    assert (
        stats["answers"] == 300 and [m["model"] for m in stats["models"]] == ["a", "b"] and PASSWORD not in str(stats)
    )
    gone = command(tmp_path, "cache", "gc", "--model", "a", "--keep", "1kB", "--yes", *given)
    assert gone.code == 0 and "of a went" in gone.out, gone.err
    left = json.loads(command(tmp_path, "cache", "stats", "--json", *given).out)["models"]
    assert [(m["model"], m["answers"] > 140) for m in left] == [("b", True), ("a", False)]


def run_rows(address: str, data: Path, url: str, trace: Path | None = None) -> None:
    print("ready", flush=True)
    found = rlm_dsl.run(
        PROGRAM, {"t": str(data)}, model="m", base_url=url, store=address, trace=trace, pack=1, concurrency=8
    )
    print(found.value, flush=True)


def written(folder: Path, rows: int = ROWS) -> Path:
    data = folder / "t.txt"
    data.write_text("".join(f"text {n}\n" for n in range(rows)))
    return data


def test_two_processes_ask_each_row_once(address: str, tmp_path: Path) -> None:
    data = written(tmp_path, 40)
    with serve(gold=GOLD, latency=0.02) as server:
        given = (run_rows, address, data, server.base_url)
        with Process(tmp_path, *given) as one, Process(tmp_path, *given) as other:
            assert [process.ended().out.split()[-1] for process in (one, other)] == ["20", "20"]
        assert server.calls == 40
    assert sql("SELECT count(*) FROM rlm_dsl.claims") == [(0,)]


@pytest.mark.proof
def test_four_processes_one_of_them_killed_and_a_server_that_is_restarted(
    address: str, postgresql: Server, tmp_path: Path
) -> None:
    """Each row is asked once; of the one that is killed, what was on its way is asked again and no more."""
    data = written(tmp_path)
    with serve(gold=GOLD, latency=0.1) as server:
        given = (run_rows, address, data, server.base_url)
        with (
            Process(tmp_path, *given) as one,
            Process(tmp_path, *given) as two,
            Process(tmp_path, *given) as three,
            Process(tmp_path, *given, tmp_path / "killed.trace") as killed,
        ):
            while server.calls < 40:
                pass
            killed.send(signal.SIGKILL)
            postgresql.stop()
            postgresql.start()
            assert [process.ended().out.split()[-1] for process in (one, two, three)] == ["100"] * 3
            assert killed.ended().code == -signal.SIGKILL
        assert ROWS <= server.calls <= ROWS + 8
        before = server.calls
        assert rlm_dsl.resume(tmp_path / "killed.trace", store=address).value == 100 and server.calls == before
    assert sql("SELECT count(*), count(DISTINCT key) FROM rlm_dsl.answers") == [(ROWS, ROWS)]


def test_a_restart_in_the_middle_of_a_run_is_waited_for(
    address: str, postgresql: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """What was on its way is kept when the server is back."""
    with opened(address) as store, caplog.at_level(logging.WARNING, "rlm_dsl"):
        store.put(asked("before"), Answer("1")).result()
        postgresql.stop()
        postgresql.start()
        assert asyncio.run(store.claim(asked("after").key)).mine
        store.put(asked("after"), Answer("2")).result()
        assert len(store.held([asked("before").key, asked("after").key])) == 2
    assert "is gone: it is waited for" in caplog.text


def test_a_server_that_stays_away_ends_the_run_in_words_and_it_goes_on(
    address: str, postgresql: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that came meanwhile are in the trace: none of them is asked for again."""
    monkeypatch.setattr(connection_module, "PATIENCE", 0.3)
    data, trace = written(tmp_path, 12), tmp_path / "r.trace"
    given: dict[str, Any] = {"store": address, "pack": 1, "concurrency": 1}
    with serve(gold=GOLD) as server:
        put, stopped = PostgresStore.put, list[bool]()

        def stops(store: PostgresStore, request: Request, answer: Answer) -> Any:
            if server.calls >= 6 and not stopped:
                stopped.append(True)
                postgresql.stop()
            return put(store, request, answer)

        monkeypatch.setattr(PostgresStore, "put", stops)
        try:
            with pytest.raises(UserError, match="cannot be used") as failure:
                rlm_dsl.run(PROGRAM, {"t": str(data)}, model="m", base_url=server.base_url, trace=trace, **given)
            assert failure.value.exit_code == 3 and "resume" in failure.value.hint
        finally:
            monkeypatch.setattr(PostgresStore, "put", put)
            postgresql.start()
        assert rlm_dsl.resume(trace, store=address).value == 6
        assert server.calls == 12, "what was on its way when the run ended is in the trace"
    assert all(PASSWORD.encode() not in file.read_bytes() for file in trace.rglob("*") if file.is_file())


def claims_and_dies(address: str) -> None:
    with opened(address) as store:
        assert asyncio.run(store.claim("k")).mine
        print("taken", flush=True)
        signal.pause()


def test_a_claim_holds_until_it_is_given_back_or_its_owner_is_gone(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(address) as one, opened(address) as other:
        assert asyncio.run(one.claim("k")).mine and asyncio.run(one.claim("k")).mine
        assert asyncio.run(other.claim("k")) == store_module.Claim(False, None)
        one.give_back("k")
        assert asyncio.run(other_has(other, "k"))
        other.put(asked("row"), Answer("1")).result()
        assert asyncio.run(one.claim(asked("row").key)).answer is not None
    with Process(tmp_path, claims_and_dies, address) as process, opened(address) as store:
        assert "taken" in next(iter(process.lines()))
        assert not asyncio.run(store.claim("k")).mine
        process.send(signal.SIGKILL)
        process.ended()
        assert asyncio.run(other_has(store, "k"))
    # Of another machine it is not known whether a process runs: its time runs by the server's clock.
    sql("INSERT INTO rlm_dsl.claims VALUES ('far', 'elsewhere:1:u', now() + interval '1 hour')",
        "INSERT INTO rlm_dsl.claims VALUES ('late', 'elsewhere:1:u', now() - interval '1 second')")  # fmt: skip
    with opened(address) as store:
        assert not asyncio.run(store.claim("far")).mine and asyncio.run(store.claim("late")).mine
    monkeypatch.setattr(claims, "RENEWAL", 0.02)
    with opened(address) as store:
        assert asyncio.run(store.claim("k")).mine
        sql("UPDATE rlm_dsl.claims SET until = now() - interval '1 second' WHERE key = 'k'")
        while sql("SELECT until < now() + interval '80 seconds' FROM rlm_dsl.claims WHERE key = 'k'") == [(True,)]:
            pass
    assert sql("SELECT key FROM rlm_dsl.claims WHERE key = 'k'") == []


async def other_has(store: AnswerStore, key: str) -> bool:
    """Whether a claim is ours at last: what was given back, or whose owner is gone, is taken at the second look."""
    return any([(await store.claim(key)).mine for _ in range(3)])


def test_what_cannot_be_used_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(given: str) -> str:
        with pytest.raises(UserError) as failure:
            open_store(given)
        assert failure.value.hint and "psycopg" not in str(failure.value) and failure.value.code == "store"
        return str(failure.value)

    assert "one that is only read is not made" in told(f"read-only:{address}")
    assert 'database "none" does not exist' in told("postgresql:///none")
    wrong = told("postgresql://tester:wrong-password@/postgres")
    assert "password authentication failed" in wrong and "wrong-password" not in wrong and "PGPASSWORD" in wrong
    assert "of-mine" not in told("postgresql://tester:pw/of-mine@h/d")
    assert "Connection refused" in told("postgresql://127.0.0.1:9/d")
    sql("CREATE SCHEMA rlm_dsl", "CREATE TABLE rlm_dsl.answers (a int)")
    assert "not one of ours" in told(address)
    sql("DROP SCHEMA rlm_dsl CASCADE", "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN PASSWORD 'guest-of-ours'")
    guest = "postgresql://guest:guest-of-ours@/postgres"
    assert "permission denied" in told(guest)
    open_store(address).close()
    assert "the user guest lacks rights" in told(guest) and "GRANT USAGE" in told(guest)
    sql("GRANT USAGE ON SCHEMA rlm_dsl TO guest", "GRANT SELECT ON ALL TABLES IN SCHEMA rlm_dsl TO guest")
    assert "the user guest lacks rights" in told(guest)
    open_store(f"read-only:{guest}").close()
    sql("ALTER ROLE tester SET default_transaction_read_only = on")
    try:
        assert "takes nothing" in told(address)
    finally:
        sql("SET default_transaction_read_only = off", "ALTER ROLE tester RESET default_transaction_read_only")
    sql("UPDATE rlm_dsl.store SET version = 99")
    assert "made by a newer rlm-dsl" in told(address)
    with pytest.raises(UserError, match="is on PostgreSQL 9, and 13 is the oldest"):
        require(Place(address), 90_624, "UTF8")
    with pytest.raises(UserError, match="holds texts as LATIN1"):
        require(Place(address), 150_000, "LATIN1")


def test_a_password_reaches_neither_disk_nor_terminal(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a log: it is in the address of the store alone."""
    monkeypatch.delenv("PGPASSWORD")
    whole = f"postgresql://tester:{PASSWORD}@/postgres"
    written(tmp_path, 3)
    (tmp_path / "p.rlm").write_text(PROGRAM)
    with serve(gold=GOLD) as server:
        asks = ("--model", "m", "--base-url", server.base_url, "--store", whole)
        ran = command(tmp_path, "run", "p.rlm", "--context", "t=t.txt", *asks, "--trace", "r.trace")
        assert ran.code == 0 and server.calls == 3, ran.err
    told = [command(tmp_path, "cache", *words, "--store", whole) for words in (("stats",), ("gc", "--older", "0h"))]
    assert [each.code for each in told] == [0, 3] and "tester:***@" in told[0].out
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(PASSWORD.encode() in text for text in files)
    assert not any(PASSWORD in each.out + each.err for each in (ran, *told))
    assert all(
        PASSWORD not in str(row) for table in TABLES for row in sql(f"SELECT * FROM rlm_dsl.{table}", address=whole)
    )
