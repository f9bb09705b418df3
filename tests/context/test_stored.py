"""Contexts kept on disk: what is kept is what a load gives, also after growth, and nothing half-made is ever seen."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_dsl.api import run
from rlm_dsl.cli.render.plan import plan_text
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.context import trigram_index
from rlm_dsl.context.context import Context
from rlm_dsl.context.files import blocks
from rlm_dsl.context.loading import load
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine import indexes as indexing
from rlm_dsl.engine.execution import Warehouse
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.support.commands import command
from tests.support.contexts import written
from tests.support.processes import command_run, command_started


def rows_of(context: Context) -> list[tuple[object, ...]]:
    with Warehouse(threads=1, contexts=[context]) as warehouse:
        return warehouse.table(warehouse.contexts[context.name], hidden=True)


def same(kept: Context, loaded: Context) -> None:
    assert rows_of(kept) == rows_of(loaded)
    assert (kept.digest, kept.count, kept.schema) == (loaded.digest, loaded.count, loaded.schema)
    assert sorted(kept.notes) == sorted(loaded.notes)
    assert [(s.path, s.shown, s.size, s.sha256) for s in kept.sources] == [
        (s.path, s.shown, s.size, s.sha256) for s in loaded.sources
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.log", b"one\r\n\n\xff\x00three"),
        ("a.csv", 'id,sent,body\n1,2024-01-02,"x\ny"\n2,,\n'),
        ("a.jsonl", '{"a": {"b": [1, null]}, "c": 1.5}\n{"a": null, "c": true}\n'),
        ("a.log.gz", gzip.compress(b"x\ny\n", mtime=0)),
        ("empty.log", b""),
    ],
    ids=["odd lines", "csv", "jsonl", "compressed", "empty"],
)
def test_what_is_kept_is_what_a_load_gives(tmp_path: Path, name: str, content: bytes | str) -> None:
    path = written(tmp_path, name, content)
    kept = store_context("a", path, tmp_path / "a.rlmctx")
    same(kept, load("a", path))
    same(load("a", str(tmp_path / "a.rlmctx")), load("a", path))


pieces = st.lists(st.sampled_from([b"a", b"\n", b"\r\n", "é".encode(), b"\xff", b"long words here "]), max_size=8)


GROWTH = st.lists(st.tuples(st.integers(0, 2), pieces.map(b"".join)), min_size=1, max_size=4)


def grown_as_loaded(folder: Path, growth: list[tuple[int, bytes]], size: int) -> None:
    """Files of a folder grow, or come, one after the other; each time the context is brought up to them."""
    logs = folder / "logs"
    written(logs, "0.log", b"first\nsecond")
    written(logs, "picture.bin", b"\x00")
    kept = folder / "x.rlmctx"
    store_context("x", str(logs), kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIZE", size)
        for index, more in growth:
            path = logs / f"{index}.log"
            path.write_bytes((path.read_bytes() if path.exists() else b"") + more)
            refresh_context(kept)
            same(open_stored("x", kept), load("x", str(logs)))


@settings(max_examples=settings.default.max_examples // 8)
@given(GROWTH, st.integers(1, 30))
def test_what_has_grown_is_what_a_load_gives(
    tmp_path_factory: pytest.TempPathFactory, growth: list[tuple[int, bytes]], size: int
) -> None:
    grown_as_loaded(tmp_path_factory.mktemp("grown"), growth, size)


def test_only_what_was_appended_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", "one\ntwo\n")
    store_context("a", path, tmp_path / "a.rlmctx")
    assert refresh_context(tmp_path / "a.rlmctx") == ("nothing changed", 0)
    written(tmp_path, "a.log", "one\ntwo\nthree")
    told, rows = refresh_context(tmp_path / "a.rlmctx")
    assert told.startswith("grown") and rows == 1
    written(tmp_path, "a.log", "one\ntwo\nthree and more")
    assert refresh_context(tmp_path / "a.rlmctx")[1] == 1
    written(tmp_path, "a.log", "ONE\ntwo\nthree and more!")
    told, rows = refresh_context(tmp_path / "a.rlmctx")
    assert told.startswith("read again") and rows == 3
    same(open_stored("a", tmp_path / "a.rlmctx"), load("a", path))
    assert len(list((tmp_path / "a.rlmctx").glob("rows-*"))) == 1


def test_a_stale_context_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "logs/a.log", "one\ntwo\n")
    kept = tmp_path / "a.rlmctx"
    store_context("a", path, kept)
    os.utime(path, ns=(1, 1))
    assert open_stored("a", kept).count == 2, "other times and the same bytes are no change"
    written(tmp_path, "logs/a.log", "one\nTWO\n")
    with pytest.raises(UserError, match=r"a.rlmctx is stale: .*a.log has other bytes"):
        load("a", str(kept))
    Path(path).unlink()
    with pytest.raises(UserError, match="stale: there is no file"):
        load("a", str(kept))
    store_context("a", str(tmp_path / "logs") + "/", kept) if list((tmp_path / "logs").iterdir()) else None
    with pytest.raises(UserError, match="no loaded context"):
        load("a", str(tmp_path / "b.rlmctx"))
    written(tmp_path, "broken.rlmctx/context.json", "{")
    with pytest.raises(UserError, match="cannot be read"):
        load("a", str(tmp_path / "broken.rlmctx"))


def test_a_source_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    whole = gzip.compress(os.urandom(200_000).hex().encode())
    damaged = whole[:100_000] + bytes([whole[100_000] ^ 255]) + whole[100_001:]
    for content in (whole[:-20], b"no gzip at all", damaged):
        path = written(tmp_path, "a.log.gz", content)
        with pytest.raises(UserError, match=r"a\.log\.gz cannot be"):
            store_context("a", path, tmp_path / "a.rlmctx")
        assert not (tmp_path / "a.rlmctx").exists()
    kept = store_context("a", written(tmp_path, "b.log", "x\n"), tmp_path / "b.rlmctx")
    before = rows_of(kept)
    with pytest.raises(UserError):
        store_context("a", path, tmp_path / "b.rlmctx")
    assert rows_of(open_stored("a", tmp_path / "b.rlmctx")) == before
    assert sorted(p.name.split("-")[0] for p in (tmp_path / "b.rlmctx").iterdir()) == ["context.json", "rows"]


def test_a_large_context_lies_on_disk_while_it_is_used(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", "a line of some words\n" * 10_000)
    kept, notes = open_context("a", path, memory=100_000)
    assert isinstance(kept.rows, tuple) and "rlm-dsl load a=" in notes[0]
    assert open_context("a", path, memory=10_000_000)[0].given == kept.given
    assert rows_of(kept) == rows_of(load("a", path))


def test_standard_input_is_read_and_kept(tmp_path: Path) -> None:
    (tmp_path / "p.rlm").write_text('context a: table(line: int, text: text)\nanswer a | grep(r"two")\n')
    told = command_run(tmp_path, "run", "p.rlm", "--context", "a=-", stdin="one\ntwo\n")
    assert "standard input:2  two" in told.out, told.err
    assert "a.rlmctx: 2 rows" in command_run(tmp_path, "load", "a=-", stdin="one\ntwo\n").out
    assert "standard-input:2  two" in command(tmp_path, "run", "p.rlm", "--context", "a=a.rlmctx").out
    table = command(tmp_path, "load", "t:csv=-", stdin="x,y\n1,2\n")
    assert "1 row of table(x: int, y: int)" in table.out, table.err


LONG = 500_000
"""Rows of a file that takes long enough to load to be stopped meanwhile."""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_load_leaves_nothing_half_made(tmp_path: Path, sent: signal.Signals) -> None:
    """Ctrl-C takes back what was made; kill -9 leaves a folder that is no context yet; the next load makes it whole."""
    path = written(tmp_path, "a.log", b"a line of a log that is a little longer than the others\n" * LONG)
    kept = tmp_path / "a.rlmctx"
    with command_started(tmp_path, "load", "a=a.log") as process:
        while not list(kept.glob(".rows*")):
            assert process.running, process.ended()
            time.sleep(0.005)
        time.sleep(0.02)
        process.send(sent)
        assert process.ended().code in (130, -9)
    if sent is signal.SIGINT:
        assert not kept.exists()
    else:
        with pytest.raises(UserError, match="no loaded context"):
            load("a", str(kept))
    assert store_context("a", path, kept).count == LONG
    assert sorted(p.name.split("-")[0] for p in kept.iterdir()) == ["context.json", "rows"]


WORDS = ["error", "timeout", "user=17", "É", "ſet", "K2", "x", "OK", "connection reset", "42", "ERROR"]
PATTERNS = [
    "timeout", "(?i)TIMEOUT", "error.*user=17", "connection reset|ſet", "(?i)set", "(?i)k2", "É", "x", r"^error\\b",
    "(error|timeout) user", "user=[0-9]+", "(?i)(err|conn)", ".*", "nowhere at all",
]  # fmt: skip


LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), max_size=60)
LOOKED_FOR = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2)


def found_as_without_an_index(folder: Path, lines: list[str], patterns: list[str], block: int) -> None:
    """Blocks of a few bytes, over a context that has grown; queries that look for one pattern, or for two."""
    half = len(lines) // 2
    path = written(folder, "a.log", "\n".join(lines[:half]))
    store_context("a", path, folder / "a.rlmctx")
    written(folder, "a.log", "\n".join(lines))
    refresh_context(folder / "a.rlmctx")
    greps = [f'(a | grep(r"{pattern}"))' for pattern in patterns]
    program = f"answer {greps[0]} | union({greps[1]})" if len(greps) == 2 else f"answer {greps[0]}"
    program = f"context a: table(line: int, text: text)\n{program}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trigram_index, "BLOCK", block)
        patch.setattr(trigram_index, "AT_ONCE", 8)
        patch.setattr(indexing, "MOST", 1.0)
        context = open_stored("a", folder / "a.rlmctx")
        indexing.build_indexes(context)
        assert indexing.indexes(context) is not None
        found = run(program, {"a": context})
    assert found.value == run(program, {"a": load("a", path)}).value


@settings(max_examples=settings.default.max_examples // 8)
@given(LINES, LOOKED_FOR, st.integers(1, 200))
def test_an_index_leaves_out_no_row_that_matches(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], patterns: list[str], block: int
) -> None:
    found_as_without_an_index(tmp_path_factory.mktemp("indexed"), lines, patterns, block)


def test_an_index_is_made_when_it_is_earned_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", "".join(f"line {n} of many\n" for n in range(20_000)) + "a needle\n")
    kept = store_context("a", path, tmp_path / "a.rlmctx")
    program = 'context a: table(line: int, text: text)\nanswer a | grep(r"needle")\n'
    source = Source("p", program)
    for _ in range(3):
        assert [row["line"] for row in run(program, {"a": kept}).value] == [20_001]
    assert "no index of trigrams yet; 3 looks of the 40" in plan_text(source, {"a": kept}, {})
    (tmp_path / "a.rlmctx" / "looks").write_bytes(b"." * 40)
    opened, _ = open_context("a", str(tmp_path / "a.rlmctx"))
    assert "1 of 10 blocks may have it, by the index of trigrams" in plan_text(source, {"a": opened}, {})
    assert [row["line"] for row in run(program, {"a": opened}).value] == [20_001]
    both = 'context a: table(line: int, text: text)\nanswer {n: count(a), hits: count(a | grep(r"needle"))}\n'
    assert run(both, {"a": opened}).value == {"n": 20_001, "hits": 1}
    common = Source("p", program.replace("needle", "of many"))
    assert "too many blocks may have it" in plan_text(common, {"a": opened}, {})
    written(tmp_path, "a.log", "all is new\n")
    refresh_context(tmp_path / "a.rlmctx")
    assert not list((tmp_path / "a.rlmctx").glob("*.trigrams"))


VAST_PROGRAMS = (
    'answer log | extract(r"(?P<k>\\w)=", on=text) | group(by=k, n=count())',
    'answer log | grep("b=") | group(by=[k=line % 3], n=count()) | group(by=n, m=sum(n))',
    "a = log | group(by=[k=line % 4], n=count())\nanswer a | join(a, on=n) | group(by=n, m=count())",
)


@pytest.mark.parametrize("program", VAST_PROGRAMS)
def test_groups_of_vast_contexts_name_one_place_and_count_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Where all places might not fit into memory: the same answer, fewer places, as many told of; few rows keep all."""
    path = tmp_path / "log"
    path.write_text("".join(f"{'ab'[n % 2]}={n}\n" for n in range(60)))
    usual = run(program, {"log": path})
    monkeypatch.setattr("rlm_dsl.engine.warehouse.context_rows.VAST", 50)
    assert run(program, {"log": path}).evidence == usual.evidence
    monkeypatch.setattr("rlm_dsl.language.operators.core.provenance.MOST_PLACES", 3 if "join" in program else 20)
    vast = run(program, {"log": path})
    (before,), (after,) = usual.evidence, vast.evidence
    assert vast.value == usual.value and len(after.spans) < len(before.spans) and set(after.spans) <= set(before.spans)
    assert after.count == before.count or ("join" in program and after.count > before.count)


@pytest.mark.parametrize("in_place", [True, False], ids=["edited", "put in its place"])
def test_an_edit_that_keeps_size_and_time_is_found(tmp_path: Path, in_place: bool) -> None:
    source, folder = tmp_path / "a.log", tmp_path / "a.rlmctx"
    source.write_text("one\ntwo\n")
    store_context("a", str(source), folder)
    before = source.stat()
    other = source if in_place else tmp_path / "b.log"
    other.write_text("one\nten\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(source)
    with pytest.raises(UserError, match="has other bytes than when it was loaded"):
        open_stored("a", folder)
    assert refresh_context(folder)[0].startswith("read again")
    assert open_stored("a", folder).count == 2


def test_a_source_that_was_copied_is_as_it_was_and_a_manifest_of_before_is_read(tmp_path: Path) -> None:
    source, folder = tmp_path / "a.log", tmp_path / "a.rlmctx"
    source.write_text("one\ntwo\n")
    store_context("a", str(source), folder)
    shutil.copy2(source, tmp_path / "b.log")
    (tmp_path / "b.log").replace(source)
    assert open_stored("a", folder).count == 2
    manifest = json.loads((folder / "context.json").read_text())
    del manifest["sources"][0]["state"]
    (folder / "context.json").write_text(json.dumps(manifest))
    assert open_stored("a", folder).count == 2
    source.write_text("one\nTWO\n")
    with pytest.raises(UserError, match="has other bytes"):
        open_stored("a", folder)
