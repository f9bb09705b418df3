"""A real PostgreSQL server on loopback: what lies there is read as it is, in one snapshot, and no password is kept."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.formats.postgresql import name_parts, parts_of
from rlm_dsl.context.loading import load
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.contexts import cells, column, notes
from tests.support.optional import needs
from tests.support.postgresql import PASSWORD, Server, needs_postgresql

ADDRESS = "postgresql:///postgres"
MADE = (
    "CREATE TABLE orders (id int PRIMARY KEY, amount numeric(10,2), sent date, at timestamptz, note text, tags text[],"
    " who uuid, extra jsonb, big numeric, raw bytea)",
    "INSERT INTO orders VALUES (2, 19.99, '2026-11-02', '2026-11-02 10:00+02', NULL, '{a,b}',"
    " '00000000-0000-0000-0000-000000000001', '{\"a\": 1}', 1e20, '\\x00ff'),"
    " (1, 6.45, '-infinity', 'infinity', 'x', '{}',"
    " NULL, NULL, 0.125, NULL)",
    'CREATE TABLE "Odd ""name" (a int)',
    "CREATE SCHEMA s",
    "CREATE TABLE s.plain (v int)",
    "INSERT INTO s.plain VALUES (3), (1), (2)",
    "CREATE VIEW sums AS SELECT sum(amount) AS total FROM orders",
)


@pytest.fixture
def database(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection to a database with the tables anew, its credentials in the environment."""
    from adbc_driver_postgresql import dbapi

    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    with dbapi.connect(ADDRESS, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in (
            "DROP SCHEMA public CASCADE",
            "DROP SCHEMA IF EXISTS s CASCADE",
            "DROP SCHEMA IF EXISTS rlm_dsl CASCADE",
            "CREATE SCHEMA public",
            *MADE,
        ):
            cursor.execute(statement)
        yield cursor


pytestmark = [needs("adbc_driver_postgresql"), needs_postgresql]


@pytest.mark.usefixtures("database")
def test_types_are_those_of_the_database() -> None:
    context = load("t", f"{ADDRESS}::orders")
    (first, second) = cells(context)
    assert (first["id"], second["id"]) == (1, 2), "rows come by primary key"
    assert round(float(second["amount"]), 9) == 19.99 and second["sent"] == datetime.date(2026, 11, 2)
    assert second["at"] == datetime.datetime(2026, 11, 2, 8) and second["tags"] == ["a", "b"]
    assert second["who"].endswith("0001") and second["extra"] == '{"a": 1}' and second["raw"] == "\\x00ff"
    assert first["sent"] is None and first["at"] is None and first["note"] == "x"
    assert "column `extra` is jsonb and is read as text" in notes(context)
    assert column(load("t", f"{ADDRESS}::s.plain"), "v") == [3, 1, 2]
    assert load("t", f"{ADDRESS}::sums").count == 1
    assert load("t", f'{ADDRESS}::"Odd ""name"').count == 0
    query = load("t", f"{ADDRESS}::SELECT id::text AS id, amount * 2 AS double FROM orders ORDER BY id")
    assert column(query, "id") == ["1", "2"] and [round(float(v), 9) for v in column(query, "double")] == [12.9, 39.98]  # type: ignore[arg-type]


def test_a_table_is_run_verified_and_run_again(database: Any, tmp_path: Path) -> None:
    """Of one snapshot; the password reaches no trace; a trace alone makes no connection."""
    trace, given = tmp_path / "a.trace", f"{ADDRESS}::orders"
    program = "answer {n: count(t), rows: t | where(id == 2) | select(id, note)}"
    assert rlm_dsl.run(program, {"t": given}, trace=trace).value["n"] == 2
    assert all(PASSWORD.encode() not in file.read_bytes() for file in trace.rglob("*") if file.is_file())
    assert "a trace alone makes no connection" in str(rlm_dsl.verify(trace))
    assert rlm_dsl.verify(trace, {"t": given}).ok
    with serve(script=["```\nanswer t | where(id == 1) | select(note)\n```"]) as model:
        asked = rlm_dsl.ask("What?", {"t": given}, model="m", base_url=model.base_url, trace=tmp_path / "d.trace")
    assert asked.value == [{"note": "x"}] and rlm_dsl.verify(tmp_path / "d.trace", {"t": given}).ok
    (tmp_path / "p.rlm").write_text(program)
    assert command(tmp_path, "run", "p.rlm", "--context", f"t={given}").code == 0
    store_context("t", given, tmp_path / "t.rlmctx")
    database.execute("INSERT INTO orders (id) VALUES (3)")
    assert not rlm_dsl.verify(trace, {"t": given}).ok
    assert rlm_dsl.rerun(trace, {"t": given}, to=tmp_path / "b.trace").result.value["n"] == 3
    assert open_stored("t", tmp_path / "t.rlmctx").count == 2
    assert refresh_context(tmp_path / "t.rlmctx") == ("read again: a database tells no change", 3)


@pytest.mark.usefixtures("database")
def test_what_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="has no table `order`") as told:
        load("t", f"{ADDRESS}::order")
    assert told.value.hint == "did you mean `orders`?"
    with pytest.raises(UserError, match="has 4 tables, and it is not said which"):
        load("t", ADDRESS)
    with pytest.raises(UserError, match="data-modifying statement"):
        load("t", f"{ADDRESS}::WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone")
    monkeypatch.setenv("PGPASSWORD", "another-secret")
    with pytest.raises(UserError, match=r"cannot be read: .*password authentication failed") as told:
        load("t", f"{ADDRESS}::orders")
    assert "another-secret" not in str(told.value) and "pgpass" in told.value.hint


@pytest.mark.parametrize(
    ("given", "server", "what"),
    [
        ("postgresql://h/db::t", "postgresql://h/db", "t"),
        ("postgres://u@[::1]:5432/db::s.t", "postgres://u@[::1]:5432/db", "s.t"),
        ("postgresql:///db::select a::int from t", "postgresql:///db", "select a::int from t"),
        ("postgresql://h::t", "postgresql://h", "t"),
        ("postgresql://h/db", "postgresql://h/db", ""),
    ],
)
def test_addresses_are_read(given: str, server: str, what: str) -> None:
    assert parts_of(given) == (server, what)


@pytest.mark.parametrize("given", ["postgresql://u:pw-of-mine@h/db::t", "postgresql://h/db?password=pw-of-mine::t"])
def test_a_password_in_an_address_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="was given with a password") as told:
        load("t", given)
    assert "pw-of-mine" not in str(told.value)


def test_names_are_postgresqls() -> None:
    assert name_parts("S.Plain") == ["s", "plain"] and name_parts('s."Odd.""x"') == ["s", 'Odd."x']
