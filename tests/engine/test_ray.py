"""Contexts in shards on Ray itself: processes, lost workers and nodes, interrupts.

In: small files, programs. Out: runs on a cluster of simulated nodes. Law: answer, records, SQL and tables of the trace
are those of a run in one process, whatever is lost meanwhile; Ray says nothing where answers are written.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.clusters import ray
from rlm_dsl.engine.clusters.open_cluster import open_cluster
from rlm_dsl.engine.shards.open_sharded import open_sharded
from rlm_dsl.testing import serve
from tests.engine.test_naive import TABLES, operators_agree
from tests.engine.test_programs import PROGRAMS, outcome
from tests.support.cases import corpus_cases
from tests.support.on_ray import Nodes, Sharded, ShardedEngine, nodes
from tests.support.optional import needs
from tests.support.paths import CORPUS, ROOT
from tests.support.processes import Process, command_run, command_started
from tests.support.ray_tasks import always_dying, command_with_long_tasks, dying, refusing, surroundings

pytestmark = needs("ray")
SECRET = "sk-on-ray-93f0c1d2"
PROGRAM = (
    'errors = logs | grep("ERROR") | extract(r"user=(?P<user>\\w+) ms=(?P<ms>\\d+)")\n'
    "answer errors | derive(n=to_int(ms)) | group(by=user, rows=count(), total=sum(n)) | sort(user)\n"
)


@pytest.fixture(scope="module")
def two() -> Iterator[Nodes]:
    os.environ["RLM_DSL_TEST_SECRET"] = SECRET
    with nodes(2) as held:
        yield held


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Six files, one of them empty, one larger than the others together."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(6):
        lines = 0 if number == 2 else 400 if number == 4 else 20
        told = (f"{'ERROR' if n % 3 else 'INFO'} user=u{n % 4} ms={n * 7 % 90}\n" for n in range(lines))
        (folder / f"{number}.log").write_text("".join(told))
    return folder


def test_a_run_on_ray_is_the_run_in_one_process(two: Nodes, logs: Path, tmp_path: Path) -> None:
    ours = rlm_dsl.run(PROGRAM, {"logs": str(logs)}, engine=two.placement, trace=tmp_path / "ray.trace")
    other = rlm_dsl.run(PROGRAM, {"logs": str(logs)}, trace=tmp_path / "one.trace")
    assert ours.execution.answer_json() == other.execution.answer_json()
    assert (ours.execution.sql, told(ours)) == (other.execution.sql, told(other))
    assert kept(tmp_path / "ray.trace") == kept(tmp_path / "one.trace")
    assert rlm_dsl.verify(tmp_path / "ray.trace").ok
    assert rlm_dsl.verify(tmp_path / "one.trace", engine=two.placement).ok


def test_paths_mean_to_tasks_what_they_mean_to_whoever_asks(
    two: Nodes, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster was started elsewhere, and its workers with it."""
    monkeypatch.chdir(logs.parent)
    ours = rlm_dsl.run(PROGRAM, {"logs": "logs"}, engine=two.placement)
    assert ours.execution.answer_json() == rlm_dsl.run(PROGRAM, {"logs": "logs"}).execution.answer_json()


def test_an_address_that_takes_no_connection_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "")
    started = time.monotonic()
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "nowhere.invalid:1"):
        with pytest.raises(ConnectionError):
            ray.require_reachable(address)
    assert time.monotonic() - started < 2 * ray.REACHED


def told(found: Any) -> list[Any]:
    return [record.as_json() for record in found.steps]


def kept(trace: Path) -> dict[str, bytes]:
    """What a trace has of its tables, the program and the answer."""
    paths = [*sorted((trace / "payload").iterdir()), trace / "answer.json", trace / "plan.sql"]
    return {path.name: path.read_bytes() for path in paths}


def test_what_is_wrong_is_said_in_the_same_words(two: Nodes, logs: Path) -> None:
    (logs / "1.log").rename(logs / "1.csv")
    (logs / "1.csv").write_bytes(b"a,b\n1,2\n")
    (logs / "3.log").rename(logs / "3.csv")
    (logs / "3.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    given = f"{logs}/*.csv"
    with pytest.raises(UserError) as one:
        rlm_dsl.run("answer t | count()", {"t": given})
    with pytest.raises(UserError) as other:
        rlm_dsl.run("answer t | count()", {"t": given}, engine=two.placement)
    assert str(one.value) == str(other.value)
    assert (one.value.exit_code, one.value.code) == (other.value.exit_code, other.value.code)
    with pytest.raises(UserError, match="in a task") as refused:
        list(open_cluster(two.placement).each(refusing, [0], SECRET))
    assert (refused.value.hint, refused.value.exit_code, refused.value.code) == ("do else", 3, "own")
    with pytest.raises(UserError, match="no machine of the Ray cluster has"):
        rlm_dsl.run("answer t", {"t": str(logs)}, engine=replace(two.placement, memory=9 * 10**14))


def test_a_lost_worker_changes_nothing_and_nothing_is_written_of_it(
    two: Nodes, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = open_cluster(two.placement)
    assert list(cluster.each(dying, [str(tmp_path / "one")], "shared")) == ["one shared"]
    monkeypatch.setattr(ray, "RETRIES", 0)
    with pytest.raises(UserError, match="a task was lost once"):
        list(cluster.each(always_dying, [0], None))
    assert capfd.readouterr().out == ""


# ---- heavy proofs ----


@pytest.mark.proof
def test_ctrl_c_ends_a_run_in_words_and_leaves_no_task(two: Nodes, logs: Path, tmp_path: Path) -> None:
    (tmp_path / "p.rlm").write_text(PROGRAM)
    words = ("run", "p.rlm", "--context", f"logs={logs}", "--engine", f"ray:{two.placement.address}")
    with Process(tmp_path, command_with_long_tasks, *words, env={"RAY_AUTH_MODE": "disabled"}) as run:
        while run.running and not [*tmp_path.glob("begun-*")]:
            time.sleep(0.01)
        run.send(signal.SIGINT)
        ended = run.ended()
    assert (ended.code, ended.out) == (130, ""), ended.err
    assert "interrupted" in ended.err and "ray::" not in ended.err
    assert len({*open_cluster(two.placement).each(surroundings, range(4), None)}) in (1, 2)
    assert not [*tmp_path.glob("ended-*")], "tasks went on"


@pytest.mark.proof
@pytest.mark.parametrize("shards", [1, 2, 7, 64])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_programs_of_the_corpus(two: Nodes, count: int, shards: int, tmp_path: Path) -> None:
    two.be(count)
    cluster = open_cluster(two.placement)
    for name, path in PROGRAMS.items():
        got = outcome(path.read_text(encoding="utf-8"), name, Sharded(shards, cluster, tmp_path))
        assert got == corpus_cases(CORPUS / "runs.txt")[name][1], name
    two.be(2)


ON_SHARDS = ["derive", "distinct", "explode", "grep", "group", "join", "parse_json", "sort", "take", "union", "where"]


@pytest.mark.proof
@pytest.mark.parametrize("operator", [name for name in ON_SHARDS if name in TABLES])
def test_generated_programs(two: Nodes, operator: str, tmp_path: Path) -> None:
    with Sharded(5, open_cluster(two.placement), tmp_path) as warehouse:
        operators_agree(ShardedEngine(warehouse), operator, 4)


@pytest.mark.proof
@pytest.mark.parametrize("name", ["oolong", "tickets"])
@pytest.mark.parametrize("shard", [10_000, 10**9])
def test_traces_of_the_examples_verify(two: Nodes, name: str, shard: int) -> None:
    report = rlm_dsl.verify(ROOT / "traces" / f"{name}.trace", engine=replace(two.placement, shard=shard))
    assert report.ok, report


@pytest.mark.proof
def test_a_node_lost_in_mid_run(two: Nodes, logs: Path, tmp_path: Path) -> None:
    """While shards are read, and while they are asked."""
    for number in range(6, 40):
        (logs / f"{number}.log").write_text(f"ERROR user=u{number % 4} ms={number}\n" * 30)
    two.be(3)
    lost: list[int] = []

    def lose(done: int, of: int) -> None:
        if not lost:
            lost.append(done)
            two.lose()

    cluster = open_cluster(two.placement)
    context = open_sharded("logs", str(logs), cluster, tmp_path / "kept", shard_bytes=1, progress=lose)
    assert lost and context is not None
    two.be(3)
    asked = cluster.each(surroundings, range(30), None)
    next(asked)
    two.lose()
    assert len(list(asked)) == 29
    ours, other = (rlm_dsl.run(PROGRAM, {"logs": given}) for given in (context, str(logs)))
    assert (ours.execution.answer_json(), told(ours)) == (other.execution.answer_json(), told(other))
    two.be(2)


@pytest.mark.proof
@pytest.mark.one_a_call
def test_a_driver_killed_in_mid_run_goes_on(two: Nodes, logs: Path, tmp_path: Path) -> None:
    """Nothing acknowledged is lost, nothing is paid twice, and no shard is read or asked again."""
    (tmp_path / "p.rlm").write_text(
        'some = logs | grep("ERROR") | distinct(text) | classify(on=text, labels=["ms=1", "other"], into=kind)\n'
        "answer some | group(by=kind, rows=count()) | sort(kind)\n"
    )
    kept = tmp_path / "kept"
    (tmp_path / "rlm-dsl.yaml").write_text(f"keep: {kept}\nengine: {{ray: {two.placement.address}, shard: 1KB}}\n")
    env = {"RAY_AUTH_MODE": "disabled", "RLM_DSL_STORE": str(tmp_path / "answers.sqlite"), "OPENAI_API_KEY": SECRET}
    lines = {line for path in logs.iterdir() for line in path.read_text().splitlines()}
    gold = [{"text": line, "label": "other"} for line in sorted(lines)]
    with serve(gold=gold, latency=0.05) as server:
        words = ("run", "p.rlm", "--context", f"logs={logs}", "--model", "m", "--base-url", server.base_url)
        words += ("--concurrency", "2", "--json")
        with command_started(tmp_path, *words, "--trace", "run.trace", env=env) as run:
            while run.running and server.calls < 8:
                time.sleep(0.01)
            run.send(signal.SIGKILL)
            assert run.ended().code == -signal.SIGKILL
        before, done = server.calls, made(kept)
        resumed = command_run(tmp_path, "resume", "run.trace", "--json", env=env)
        assert resumed.code == 0, resumed.err
        after = server.calls
        whole = command_run(tmp_path, *words, "--store", ":memory:", env=env)
        paid = server.calls - after
        assert json.loads(resumed.out) == json.loads(whole.out)
        assert before < paid and after <= paid + 2, "asked again what was under way alone"
    assert {path: made(kept).get(path) for path in done} == done
    held = b"".join(path.read_bytes() for path in kept.rglob("*") if path.is_file())
    assert SECRET.encode() not in held


def made(folder: Path) -> dict[str, int]:
    """The files that were made of shards, and when."""
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
