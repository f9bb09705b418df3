"""A store that is damaged, locked or no file: what is told, before anything is paid, and what is saved.

In: a store of 2,000 answers with one page overwritten; other programs' locks. Out: nothing but a verdict. Law: whatever
page is hit, the store opens, every answer is what it was or is gone, and most are there.
"""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kinds.sqlite import store as store_module
from rlm_dsl.models.cache.kinds.sqlite.damage import store_error
from rlm_dsl.models.cache.kinds.sqlite.salvage import salvage
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.cache.maintenance import lines
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request

MANY = 2_000
LONG = 40
"""Each of so many answers flows over a page."""


def request(number: int) -> Request:
    return Request(ModelSettings("m", "http://h/v1"), (Message("user", f"row {number} "),))


def answer(number: int) -> Answer:
    return Answer(f'{{"label": "é{number}"}}' + "long " * (1_500 if number % LONG == 0 else 0))


REQUESTS = [request(number) for number in range(MANY)]
ANSWERS = {one.key: answer(number) for number, one in enumerate(REQUESTS)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store of many answers, as its file's bytes."""
    path = tmp_path_factory.mktemp("whole") / "s.sqlite"
    store = SqliteStore(path)
    for one, done in [(one, store.put(one, ANSWERS[one.key])) for one in REQUESTS]:
        assert done.result() is None, one
    store.keep_batch("http://h/v1", "b1", [REQUESTS[0].key])
    store.close()
    return path.read_bytes()


def size_of(whole: bytes) -> int:
    return int.from_bytes(whole[16:18], "big")


def opened_with(whole: bytes, page: int, junk: bytes, folder: Path) -> int:
    """The store with a page overwritten, opened: how many answers are lost. The others are what they were."""
    size, path = size_of(whole), folder / "s.sqlite"
    at = max(100, page * size)
    path.write_bytes(whole[:at] + junk[: (page + 1) * size - at] + whole[(page + 1) * size :])
    store = SqliteStore(path)
    try:
        held = {key: store.read(text) for key, text in store.held(ANSWERS).items()}
        assert all(ANSWERS[key] == found for key, found in held.items())
        assert len(held) == MANY or (path.with_name("s.sqlite.damaged-1").exists() and store.saved == len(held))
        assert len([*lines(store)]) == store.stats().answers == len(held)
        store.put(REQUESTS[1], ANSWERS[REQUESTS[1].key]).result()
    finally:
        store.close()
    return MANY - len(held)


def every(step: int, whole: bytes, folder: Path) -> None:
    pages = len(whole) // size_of(whole)
    assert pages > 100
    for page in range(0, pages, step):
        for name, junk in (("zeros", bytes(size_of(whole))), ("noise", random.Random(page).randbytes(size_of(whole)))):
            place = folder / f"{page}-{name}"
            place.mkdir()
            lost = opened_with(whole, page, junk, place)
            assert lost < MANY / 20, (page, name, lost)
            shutil.rmtree(place)


def test_any_page_may_be_damaged(whole: bytes, tmp_path: Path) -> None:
    every(61, whole, tmp_path)


@pytest.mark.proof
def test_every_page_in_turn_may_be_damaged(whole: bytes, tmp_path: Path) -> None:
    every(1, whole, tmp_path)


def test_all_is_read_from_a_whole_file_and_from_its_log(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(whole)
    found = salvage(tmp_path / "w")
    assert {row[0] for row in found.answers} == set(ANSWERS) and [row[0] for row in found.batches] == ["b1"]
    live = SqliteStore(tmp_path / "s.sqlite")
    for one in REQUESTS[:50]:
        live.put(one, ANSWERS[one.key]).result()
    assert {row[0] for row in salvage(tmp_path / "s.sqlite").answers} == {one.key for one in REQUESTS[:50]}
    live.close()


def test_damage_is_told_in_a_line_and_batches_are_saved(
    whole: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size, path = size_of(whole), tmp_path / "s.sqlite"
    path.write_bytes(whole[: 9 * size] + bytes(size) + whole[10 * size :])
    with caplog.at_level(logging.WARNING, "rlm_dsl"):
        store = SqliteStore(path)
    (said,) = caplog.messages
    assert "s.sqlite.damaged-1" in said and f"{store.saved:,} answers that can be read were saved" in said
    assert store.batches("http://h/v1") == {"b1": [REQUESTS[0].key]}
    store.close()
    caplog.clear()
    SqliteStore(path).close()
    assert not caplog.messages, "it is whole from then on"


def test_damage_in_a_large_store_is_met_once_and_mended_at_the_next_start(
    whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "CHECKED", 0)
    size, path = size_of(whole), tmp_path / "s.sqlite"
    path.write_bytes(whole[: 9 * size] + bytes(size) + whole[10 * size :])
    store = SqliteStore(path)
    with pytest.raises(UserError, match="cannot be used") as failure:
        store.held(ANSWERS)
    assert "run the same command again" in failure.value.hint and failure.value.exit_code == 3
    store.close()
    store = SqliteStore(path)
    assert store.saved > MANY * 0.9 and len(store.held(ANSWERS)) == store.saved
    store.close()


def test_a_lock_of_another_program_is_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BUSY", 0.05)
    path = tmp_path / "s.sqlite"
    SqliteStore(path).close()
    for lock in ("IMMEDIATE", "EXCLUSIVE"):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute(f"BEGIN {lock}")
        with pytest.raises(UserError, match="another program has locked it") as failure:
            SqliteStore(path)
        assert "close what has it open" in failure.value.hint
        other.close()
    SqliteStore(path).close()


def test_a_folder_and_a_disk_that_takes_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder") as failure:
        SqliteStore(tmp_path)
    assert str(tmp_path / "answers.sqlite") in failure.value.hint
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be used"):
        SqliteStore(tmp_path / "file" / "s.sqlite")
    for problem in (
        sqlite3.OperationalError("attempt to write a readonly database"),
        PermissionError(13, "Permission denied"),
        OSError(30, "Read-only file system"),
    ):
        told = store_error(tmp_path / "s.sqlite", problem)
        assert "it cannot be written to" in told.message and "--store" in told.hint
