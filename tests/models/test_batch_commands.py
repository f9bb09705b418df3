"""`rlm-dsl batch`: what is under way in a store is listed, ended at its server and forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.cli import run as command_line
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import retry
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.testing import serve
from tests.models.test_batch_api import GOLD, ran


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)


def submitted(folder: Path, url: str) -> None:
    """A batch that is under way when its run has ended."""
    with pytest.raises(UserError, match="goes on"):
        ran(folder, url, budget={"tokens": 10**7, "seconds": 0.3})


def held(folder: Path, url: str) -> list[str]:
    store = SqliteStore(folder / "s")
    try:
        return list(store.batches(url))
    finally:
        store.close()


def test_what_is_under_way_is_listed_cancelled_and_forgotten(tmp_path: Path, capfd: Any) -> None:
    given = ["--store", str(tmp_path / "s")]
    assert command_line(["batch", "list", *given]) == 2 and "no answer store" in capfd.readouterr().err
    with serve(gold=GOLD, batch_latency=60.0) as server:
        submitted(tmp_path, server.base_url)
        assert command_line(["batch", "list", *given]) == 0
        told = capfd.readouterr().out
        assert server.base_url in told and "batch-1" in told and " 50 " in told and "UTC" in told
        assert command_line(["batch", "list", "--json", *given]) == 0
        (one,) = json.loads(capfd.readouterr().out)
        assert (one["batch"], one["server"], one["requests"]) == ("batch-1", server.base_url, 50)
        assert command_line(["batch", "cancel", "batch-2", *given]) == 2
        assert "did you mean `batch-1`?" in capfd.readouterr().err and held(tmp_path, server.base_url) == ["batch-1"]
        assert command_line(["batch", "cancel", "batch-1", *given]) == 0
        told = capfd.readouterr().out
        assert "batch-1 is cancelled: 0 of 50 requests were answered, which may still be billed" in told
        assert not held(tmp_path, server.base_url) and server.batches == {"batch-1": "cancelled"}
        assert command_line(["batch", "list", *given]) == command_line(["batch", "cancel", *given]) == 0
        assert capfd.readouterr().out == "no batch is under way\n" * 2
        assert command_line(["batch", "list", "--json", *given]) == command_line(["batch", "cancel", "--json", *given])
        assert capfd.readouterr().out == "[]\n[]\n"


def test_all_are_cancelled_and_what_cannot_be_stays(tmp_path: Path, capfd: Any) -> None:
    given = ["batch", "cancel", "--json", "--store", str(tmp_path / "s")]
    trouble = {"poll": ["ok"] * 2, "cancel": ["502"]}
    with serve(gold=GOLD, batch_latency=60.0, batch_trouble=trouble) as server:
        submitted(tmp_path, server.base_url)
        store = SqliteStore(tmp_path / "s")
        store.keep_batch(server.base_url, "batch-9", ["k"])
        store.keep_batch(server.base_url, "input:file-9", ["k"])
        store.keep_batch(server.base_url, "input:file-1", ["k"])
        store.keep_batch("http://127.0.0.1:1/v1", "batch-8", ["k"])
        store.close()
        assert command_line(given) == 3
        found = {one["batch"]: one for one in json.loads(capfd.readouterr().out)}
        assert {name: (one["outcome"], one["may_be_billed"]) for name, one in found.items()} == {
            "batch-1": ("cancelled", 0), "batch-9": ("gone", None), "input:file-9": ("gone", None),
            "input:file-1": ("over", 0), "batch-8": ("failed", None),
        }  # fmt: skip
        assert "cannot be reached" in found["batch-8"]["told"]
        assert held(tmp_path, "http://127.0.0.1:1/v1") == ["batch-8"]
        assert held(tmp_path, server.base_url) == ["input:file-1"]


def test_a_batch_that_is_done_is_left_to_the_next_run(tmp_path: Path, capfd: Any) -> None:
    with serve(gold=GOLD, batch_latency=0.6) as server:
        submitted(tmp_path, server.base_url)
        import time

        time.sleep(0.7)
        assert command_line(["batch", "cancel", "--store", str(tmp_path / "s")]) == 0
        assert "batch-1 was completed before: the next run that asks the same takes" in capfd.readouterr().out
        assert ran(tmp_path, server.base_url, budget={"calls": 0}).value == 25 and server.calls == 50


def test_keys_and_stores_of_the_settings_file_are_used(
    tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(gold=GOLD, batch_latency=60.0) as server:
        submitted(tmp_path, server.base_url)
        (tmp_path / "rlm-dsl.yaml").write_text(f"servers: {{a: {{url: '{server.base_url}', key: MINE}}}}\nstore: s\n")
        monkeypatch.setenv("MINE", "a-key-of-mine-1234")
        assert command_line(["batch", "list"]) == 0 and "batch-1" in capfd.readouterr().out
        assert command_line(["batch", "cancel"]) == 0 and "is cancelled" in capfd.readouterr().out
