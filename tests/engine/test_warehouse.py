"""The warehouse: where it spills, what it leaves behind, how it is stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.sql import sql
from tests.support.small import calls_of, loaded, planned

MANY = sql("SELECT range AS i, repeat(range::VARCHAR, 9) AS s FROM range(2000000)")


def test_what_does_not_fit_in_memory_goes_to_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Warehouse(threads=2, memory="60MB") as warehouse:
        warehouse.create("many", MANY)
        spilled = Path(warehouse.spilling.name)
        assert any(spilled.iterdir()) and warehouse.count("many") == 2_000_000
    assert not spilled.exists() and not any(tmp_path.iterdir())


def test_too_much_is_said_in_a_persons_words() -> None:
    with Warehouse(threads=1, memory="60MB") as warehouse:
        warehouse.connection.execute("CREATE TABLE small AS SELECT 1")
        with pytest.raises(UserError, match="needs more memory"):
            warehouse.run(sql("SELECT list(a.range ORDER BY b.range) FROM range(30000) a, range(3000) b"))


def test_ctrl_c_stops_a_long_query_at_once_and_its_tables_go() -> None:
    with Warehouse(threads=2) as warehouse:
        types = {"t": loaded(warehouse, "t", {"n": list(range(30_000))})}
        plan = planned(
            "a = t | derive(m=n * 2)\nb = a | join(a, on=left.n < right.m) | count()\nanswer {x: a, y: b}",
            types,
            warehouse,
        )
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            Runner(warehouse, calls_of(), NoProgress(), digests=False).run(plan)
        assert time.perf_counter() - started < 10
        left = [name for (name,) in warehouse.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        assert left == []
