"""Whole runs against a server, a network and a disk that fail: nothing acknowledged lost, nothing paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import retry
from rlm_dsl.models.in_turn import AT_ONCE
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.packs import in_packs
from tests.support.processes import command_run

ROWS = 60
GOLD = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(ROWS)]
PROGRAM = 'answer log | classify(on=text, ["a", "b"], into=label) | group(by=label, n=count())\n'
RIGHT = [{"label": "a", "n": ROWS // 2}, {"label": "b", "n": ROWS // 2}]


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "answers.sqlite"))


def log(folder: Path, rows: int = ROWS) -> dict[str, Path]:
    path = folder / "log.txt"
    path.write_text("".join(f"text {n}\n" for n in range(rows)))
    return {"log": path}


FAULTS: dict[str, dict[str, Any]] = {
    "a storm of 429s": {"rate_429": 0.4, "retry_after": 0.01},
    "errors of the server": {"rate_500": 0.2},
    "dropped connections": {"rate_drop": 0.2},
    "resets in mid-body": {"rate_reset_midway": 0.2},
    "pages of HTML": {"rate_not_json_body": 0.2},
    "slow drips": {"slow_drip": 0.1},
    "all of them": {
        "rate_429": 0.1,
        "rate_500": 0.05,
        "rate_drop": 0.05,
        "rate_reset_midway": 0.05,
        "retry_after": 0.01,
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_comes_through(tmp_path: Path, fault: str) -> None:
    with serve(gold=GOLD, seed=3, **FAULTS[fault]) as server:
        found = rlm_dsl.run(PROGRAM, log(tmp_path), model="m", base_url=server.base_url, trace=tmp_path / "t")
        assert found.value == RIGHT and (found.spent.calls == ROWS or in_packs())
        assert rlm_dsl.verify(tmp_path / "t").ok
        before = server.calls
        assert rlm_dsl.run(PROGRAM, log(tmp_path), model="m", base_url=server.base_url).value == RIGHT
        assert server.calls == before


@pytest.mark.one_a_call
def test_a_key_that_expires_in_mid_run_ends_it_and_a_fresh_one_goes_on(tmp_path: Path) -> None:
    with serve(gold=GOLD, expire_key_after=50) as server:
        with pytest.raises(UserError, match="refuses the key") as failure:
            rlm_dsl.run(
                PROGRAM, log(tmp_path), model="m", base_url=server.base_url, concurrency=4, api_key="sk-" + "k" * 40
            )
        assert "kkkk" not in str(failure.value)
    with serve(gold=GOLD) as again:
        port = server.base_url
        found = rlm_dsl.run(PROGRAM, log(tmp_path), model="m", base_url=again.base_url)
        assert found.value == RIGHT and again.calls == ROWS, "another address is another model"
        assert port != again.base_url


@pytest.mark.parametrize(("fault", "told"), [
    ({"latency": 1.0}, "did not answer in 0.1 s|Connection timeout"),
    ({"models": ["known"]}, "does not know the model"),
    ({"down_after": 3}, "cannot be reached|broke the connection"),
])  # fmt: skip
def test_a_run_that_cannot_go_on_says_why_and_keeps_what_it_has(
    tmp_path: Path, fault: dict[str, Any], told: str
) -> None:
    seconds = 0.1 if "latency" in fault else 30.0
    with serve(gold=GOLD, **fault) as server, pytest.raises(UserError, match=told):
        rlm_dsl.run(PROGRAM, log(tmp_path, 8), model="m", base_url=server.base_url, timeout_seconds=seconds)


def test_a_full_disk_ends_a_run_in_words_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "p.rlm").write_text(PROGRAM)
    with serve(gold=GOLD) as server:
        given = ["run", str(tmp_path / "p.rlm"), "--context", f"log={log(tmp_path)['log']}", "--model", "m",
                 "--base-url", server.base_url, "--concurrency", "4", "--json"]  # fmt: skip
        done = command_run(tmp_path, *given, largest_file=60_000)
        assert done.code in (2, 3) and "error:" in done.err, done.err
        before = server.calls
        assert 0 < before <= ROWS
        done = command(tmp_path, *given)
        assert done.code == 0 and f'"n": {ROWS // 2}' in done.out, done.err
        assert server.calls - ROWS <= AT_ONCE, "only what was not acknowledged is asked again"


@pytest.mark.one_a_call
def test_a_trace_that_cannot_be_written_ends_a_run_in_words(tmp_path: Path) -> None:
    (tmp_path / "p.rlm").write_text(PROGRAM)
    with serve(gold=GOLD) as server:
        given = ["run", str(tmp_path / "p.rlm"), "--context", f"log={log(tmp_path)['log']}", "--model", "m",
                 "--base-url", server.base_url]  # fmt: skip
        assert command(tmp_path, *given).code == 0
        done = command_run(tmp_path, *given, "--trace", str(tmp_path / "t.trace"), largest_file=6_000)
        assert done.code in (2, 3), done.err
        assert server.calls == ROWS and not (tmp_path / "t.trace" / "seal.json").exists()
