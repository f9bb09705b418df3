"""The Batch API as a transport: the same answers, paid once, whatever happens meanwhile."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import batch_api as batches
from rlm_dsl.models.cache.store import AnswerStore
from rlm_dsl.testing import serve
from tests.support.processes import Process

GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(200)]
PROGRAM = 'answer log | classify(on=text, ["a", "b"], into=label, guide="Which?") | where(label == "a") | count()\n'


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FIRST_POLL", 0.02)


def log(folder: Path, rows: int = 50) -> dict[str, Path]:
    path = folder / "log.txt"
    path.write_text("".join(f"text {n}\n" for n in range(rows)))
    return {"log": path}


def ran(folder: Path, url: str, **more: Any) -> Any:
    given = {"batch": True, "budget": {"calls": 1_000, "tokens": 10**7}, **more}
    return rlm_dsl.run(PROGRAM, log(folder), model="m", base_url=url, store=str(folder / "s"), **given)


def test_a_batch_gives_the_same_answers_and_a_trace_that_verifies(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=0.1) as server:
        found = ran(tmp_path, server.base_url, trace=tmp_path / "t")
        assert found.value == 25 and found.spent.calls == 50 == server.calls and server.max_in_flight == 1
        assert rlm_dsl.verify(tmp_path / "t").ok
        plain = rlm_dsl.run(PROGRAM, log(tmp_path), model="m", base_url=server.base_url, store=str(tmp_path / "other"))
        assert plain.value == found.value and server.calls == 100


def test_what_a_batch_does_not_answer_is_asked_in_the_ordinary_way(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_expires_after=30, at={"500": [3, 7], "off_schema": [9]}) as server:
        assert ran(tmp_path, server.base_url).value == 25
        assert server.calls == 50 + 2 + 1
    with serve(gold=GOLD, no_batches=True) as server:
        assert ran(tmp_path, server.base_url).value == 25 and server.calls == 50


def test_a_batch_is_paid_for_before_it_leaves(tmp_path: Path) -> None:
    with serve(gold=GOLD) as server:
        with pytest.raises(UserError, match="the budget of 100,000 tokens"):
            ran(tmp_path, server.base_url, budget={"tokens": 100_000})
        assert server.calls == 0
        few = {"max_completion_tokens": 50}
        assert ran(tmp_path, server.base_url, budget={"tokens": 100_000}, parameters=few).value == 25


def test_a_batch_under_way_is_taken_up_after_a_kill_and_not_paid_twice(tmp_path: Path) -> None:
    with serve(gold=GOLD, batch_latency=1.0) as server:
        with Process(tmp_path, ran, tmp_path, server.base_url) as process:
            while not under_way(tmp_path / "s", server.base_url):
                assert process.running, process.ended()
                time.sleep(0.02)
            process.send(signal.SIGKILL)
            assert process.ended().code == -signal.SIGKILL
        assert ran(tmp_path, server.base_url).value == 25 and server.calls == 50


def under_way(store: Path, url: str) -> bool:
    if not store.exists():
        return False
    held = AnswerStore(store)
    try:
        return bool(held.batches(url))
    finally:
        held.close()
