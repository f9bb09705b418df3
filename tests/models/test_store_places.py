"""Where a store is, as it is written: places are read, passwords are hidden, and what is read only stays as it was."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.cache.opening import open_store
from rlm_dsl.models.cache.place import Place, first_place, read_place
from rlm_dsl.models.protocol import BudgetExceeded
from rlm_dsl.models.settings_file import read_settings
from rlm_dsl.testing import serve
from tests.support.commands import command

PROGRAM = 'answer t | classify(on=text, ["a", "b"], into=label, guide="Which?") | where(label == "a") | count()\n'
GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(9)]


@pytest.mark.parametrize(
    ("given", "variable", "address", "read_only"),
    [
        ("a.sqlite", "b.sqlite", "a.sqlite", False),
        (None, "b.sqlite", "b.sqlite", False),
        ("read-only", "b.sqlite", "b.sqlite", True),
        (None, "read-only:b.sqlite", "b.sqlite", True),
        ("a.sqlite", "read-only:b.sqlite", "a.sqlite", False),
        ("read-only:postgresql://h/d", "b.sqlite", "postgresql://h/d", True),
        ("./read-only", None, "./read-only", False),
    ],
)
def test_places_are_read(given: str | None, variable: str | None, address: str, read_only: bool) -> None:
    environment = {} if variable is None else {"RLM_DSL_STORE": variable}
    assert read_place(given, environment) == Place(address, read_only)


def test_what_is_said_nearer_by_goes_first() -> None:
    assert first_place("a", "read-only:b") == "a" and first_place(None, "b") == "b" and first_place("a", None) == "a"
    assert first_place("read-only", "b") == first_place("read-only", "read-only:b") == "read-only:b"
    assert first_place("read-only", None) == first_place("read-only", "read-only") == "read-only"


@pytest.mark.parametrize(
    ("address", "told", "secrets"),
    [
        ("postgresql://h/d", "postgresql://h/d", ()),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d", ()),
        ("postgresql://u:s%40crt@h/d", "postgresql://u:***@h/d", ("s@crt",)),
        ("postgresql://:s3crt@h/d", "postgresql://:***@h/d", ("s3crt",)),
        ("postgresql://h/d?user=u&password=s3crt", "postgresql://h/d?user=u&password=***", ("s3crt",)),
        ("postgresql://u:s3/crt@h/d", "postgresql://***", ()),
        ("postgresql://u:s3@crt@h/d", "postgresql://u:***@h/d", ("s3@crt",)),
        ("a:b@c", "a:b@c", ()),
    ],
)
def test_a_password_is_never_told(address: str, told: str, secrets: tuple[str, ...]) -> None:
    place = Place(address)
    assert place.told == told and place.secrets == frozenset(secrets)
    assert not secrets or not any(secret in repr(place) for secret in secrets)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("store: a.sqlite", "a.sqlite"),
        ("store: read-only", "read-only"),
        ("store: {path: a.sqlite, read_only: true}", "read-only:a.sqlite"),
        ("store: {url: 'postgresql://h/d'}", "postgresql://h/d"),
        ("store: {read_only: true}", "read-only"),
        ("store: 'postgresql://u:${WORD}@h/d'", "postgresql://u:of-the-store@h/d"),
    ],
)
def test_settings_say_where_answers_are(written: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "of-the-store")
    assert read_settings(Source("rlm-dsl.yaml", written)).store == found


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("store: 'postgresql://u:pw-of-mine@h/d'", "a password stands here"),
        ("store: {url: 'postgresql://h/d?password=pw-of-mine', read_only: true}", "a password stands here"),
        ("store: 'postgresql://u:${NO_SUCH_WORD}@h/d'", "the environment has no NO_SUCH_WORD"),
        ("store: {path: a, url: 'postgresql://h/d'}", "a store is at one place"),
        ("store: {path: a, readonly: true}", "`readonly` is not known here"),
        ("store: {path: a, read_only: maybe}", "`maybe` is none of these"),
    ],
)
def test_what_settings_cannot_say(written: str, told: str) -> None:
    with pytest.raises(ProgramError) as failure:
        read_settings(Source("rlm-dsl.yaml", written))
    assert told in str(failure.value) and "pw-of-mine" not in str(failure.value)


def test_an_address_of_no_store_is_refused() -> None:
    with pytest.raises(UserError, match="no answer store has an address of postgres-ql") as told:
        open_store("read-only:postgres-ql://h/d")
    assert told.value.hint


@pytest.fixture
def recorded(tmp_path: Path) -> Any:
    """A store with the answers of six rows of nine."""
    data = tmp_path / "t.txt"
    data.write_text("".join(f"text {n}\n" for n in range(6)))
    with serve(gold=GOLD) as server:
        given = {"model": "m", "base_url": server.base_url, "pack": 1}
        rlm_dsl.run(PROGRAM, {"t": str(data)}, store=str(tmp_path / "s.sqlite"), **given)  # type: ignore[arg-type]
        assert server.calls == 6
        data.write_text("".join(f"text {n}\n" for n in range(9)))
        yield server, {"contexts": {"t": str(data)}, "store": f"read-only:{tmp_path / 's.sqlite'}", **given}


def test_a_store_that_is_only_read_is_left_as_it_was(recorded: Any, tmp_path: Path) -> None:
    """What it lacks is asked within the budget, and not kept in it; with none allowed, that is told."""
    server, given = recorded
    place = tmp_path / "s.sqlite"
    (tmp_path / "s.sqlite-claims").unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("s.sqlite*")}
    place.chmod(stat.S_IRUSR)
    assert rlm_dsl.run(PROGRAM, trace=tmp_path / "r.trace", **given).value == 5 and server.calls == 9
    assert rlm_dsl.verify(tmp_path / "r.trace").ok
    with pytest.raises(BudgetExceeded) as told:
        rlm_dsl.run(PROGRAM, budget={"calls": 0}, **given)
    assert "is read-only, and lacks 3 answers: run it where the store is written to" in told.value.hint
    with pytest.raises(UserError, match="--batch notes what is under way"):
        rlm_dsl.run(PROGRAM, batch=True, **given)
    assert server.calls == 9
    assert {path.name: path.read_bytes() for path in tmp_path.glob("s.sqlite*")} == before
    told_of = command(tmp_path, "cache", "gc", "--older", "0h", "--yes", "--store", given["store"])
    assert told_of.code == 2 and "is read-only, and answers are taken out of it" in told_of.err
    (tmp_path / "rlm-dsl.yaml").write_text("store: {path: s.sqlite, read_only: true}")
    assert "s.sqlite: 6 answers" in command(tmp_path, "cache", "stats").out


def test_what_others_write_meanwhile_is_read(recorded: Any, tmp_path: Path) -> None:
    _, given = recorded
    store, writer = open_store(given["store"]), SqliteStore(tmp_path / "s.sqlite")
    rows = list(store.rows_in("answers"))
    assert store.held(["k"]) == {} and len(rows) == 6
    writer.add_rows("answers", [("k", *rows[0][1:])])
    assert store.held(["k"]) == {"k": rows[0][2]}
    writer.close()
    assert store.stats().answers == 7
    store.close()


def test_a_missing_or_damaged_store_is_read_as_far_as_it_goes(recorded: Any, tmp_path: Path) -> None:
    place = tmp_path / "s.sqlite"
    with pytest.raises(UserError, match=r"no answer store at .*none.sqlite, and one that is only read is not made"):
        open_store(f"read-only:{tmp_path / 'none.sqlite'}")
    held = bytearray(place.read_bytes())
    held[4096:4160] = bytes(64)
    place.write_bytes(held)
    store = open_store(f"read-only:{place}")
    assert store.stats().answers <= 6 and place.read_bytes() == held and not list(tmp_path.glob("*damaged*"))
    store.close()
