"""Contexts in shards, of files: what is read, kept and answered is what a load in one process gives.

In: files of several kinds. Out: contexts, and runs over them, both ways. Law: columns, types, notes, digests, answers
and records are the same; what is done once is not done again; what came or was damaged is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.engine.clusters.here import Here
from rlm_dsl.engine.shards import ask_shard, read_shard
from rlm_dsl.engine.shards.open_sharded import open_sharded
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.language.types import FLOAT, INT, TEXT, Field, Table


def sharded(given: Path | str, folder: Path, shard_bytes: int = 60, **read: Any) -> Context:
    context = open_sharded("data", str(given), Here(), folder / "kept", shard_bytes=shard_bytes, **read)
    assert context is not None
    return context


def shards(context: Context) -> list[Any]:
    return list(context.rows.shards)  # type: ignore[union-attr]


def recorded(context: Context, program: str) -> Any:
    found = rlm_dsl.run(program, {"data": context})
    return found.execution.answer_json(), found.execution.sql, [record.as_json() for record in found.steps]


def alike(given: Path | str, folder: Path, *programs: str, shard_bytes: int = 60, **read: Any) -> Context:
    """Both ways of reading and running come to the same."""
    whole, cut = load("data", str(given), **read), sharded(given, folder, shard_bytes, **read)
    assert (cut.schema, cut.count, cut.digest, cut.notes) == (whole.schema, whole.count, whole.digest, whole.notes)
    assert [(s.path, s.size, s.sha256, s.encoding) for s in cut.sources] == [
        (s.path, s.size, s.sha256, s.encoding) for s in whole.sources
    ]
    for program in programs:
        assert recorded(cut, program) == recorded(whole, program), program
    return cut


@pytest.fixture
def months(tmp_path: Path) -> Path:
    """Three months of CSV: an amount of the second is no number, and the third has a column more."""
    folder = tmp_path / "months"
    folder.mkdir()
    (folder / "01.csv").write_text('id,amount,note\n1,1.50,"a, b"\n2,007,c\n')
    (folder / "02.csv").write_text("id,amount,note\n3,n/a,d\n4,2,e\n5,3,f\n")
    (folder / "03.csv").write_text("id,amount,note,more\n6,4,g,x\n")
    return folder


def test_files_of_one_table_are_read_as_all_of_them_say(months: Path, tmp_path: Path) -> None:
    cut = alike(
        months,
        tmp_path,
        "answer data",
        "answer data | where(id > 1) | group(by=path, n=count(), more=max(more))",
        'answer data | where(amount == "007") | first(note)',
        shard_bytes=1,
    )
    assert len(shards(cut)) == 3
    assert str(cut.schema.column("amount")) == "text"


def test_what_a_program_declares_holds_over_shards(months: Path, tmp_path: Path) -> None:
    declared = Table((Field("id", INT), Field("amount", FLOAT), Field("note", TEXT)))
    cut = alike(months, tmp_path, "answer data | sort(-amount)", shard_bytes=1, declared=declared)
    assert any("does not fit" in note for note in cut.notes)
    with pytest.raises(UserError, match="`note` is text and not int") as one:
        sharded(months, tmp_path, 1, declared=Table((Field("note", INT),)))
    with pytest.raises(UserError) as other:
        load("data", str(months), declared=Table((Field("note", INT),)))
    assert str(one.value) == str(other.value)


def test_options_of_reading_hold_over_shards(months: Path, tmp_path: Path) -> None:
    alike(months, tmp_path, "answer data", shard_bytes=1, options=ReadingOptions(columns=("note", "id")))


def test_lines_and_what_is_told_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.log").write_bytes(b"ERROR one\r\nINFO two\n" * (number + 1) + b"caf\xe9 ERROR")
    (folder / "picture.bin").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (folder / "empty.log").write_bytes(b"")
    cut = alike(folder, tmp_path, 'answer data | grep("ERROR") | group(by=path, n=count())', "answer data | last(text)")
    assert len(shards(cut)) > 2
    assert any("binary file" in note for note in cut.notes)
    alike(folder, tmp_path, "answer data | last(text)", shard_bytes=1, declared=cut.schema)


def test_documents_and_json_lines(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jsonl").write_text(f'{{"n": {number}, "of": [1, {number}]}}\n{{"n": null}}\n' * 2)
    alike(folder, tmp_path, "answer data | sort(-n) | take(3)", "answer data | where(n > 1) | explode(of) | count()")
    alike(folder, tmp_path, 'answer data | where(contains(text, "4")) | count()', format="documents")


def test_one_large_file_of_lines_is_read_in_ranges(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(
        "".join(f"{n} user=u{n % 3} {'x' * (n * 7 % 50)}{chr(13) * (n % 4 == 0)}\n" for n in range(90)) + "end"
    )
    programs = [
        'answer data | grep("u1") | take(40)',
        "answer data | where(line % 30 == 0)",
        "answer data | last(text)",
    ]
    cut = alike(log, tmp_path, *programs, "answer data | last(text)", shard_bytes=900)
    assert len(shards(cut)) >= 3
    assert all(shard.files.span for shard in shards(cut))


def test_a_large_file_of_which_something_is_told_is_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"all is well here\n" * 60 + b"caf\xe9\n" + b"and here\n" * 60)
    cut = alike(log, tmp_path, 'answer data | grep("caf")', shard_bytes=400)
    assert len(shards(cut)) == 1


def test_a_kept_context_is_asked_where_it_lies(months: Path, tmp_path: Path) -> None:
    folder = tmp_path / "months.rlmctx"
    whole = store_context("data", str(months), folder)
    cut = sharded(folder, tmp_path)
    program = "answer data | where(id > 2) | group(by=note, n=count())"
    assert recorded(cut, program) == recorded(whole, program)


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is truly done: files read, queries computed."""
    done: list[str] = []

    def watched(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: (done.append(name), work(*given))[1]

    monkeypatch.setattr(read_shard, "load", watched("read", read_shard.load))
    monkeypatch.setattr(ask_shard, "computed", watched("asked", ask_shard.computed))
    return done


# The new file's amounts are whole numbers, and text in the whole: it is read twice.
PROGRAM = "answer data | where(id > 1) | group(by=note, n=count())"


def test_what_is_done_is_not_done_again_and_a_new_file_alone_is(
    months: Path, tmp_path: Path, worked: list[str]
) -> None:
    first = recorded(sharded(months, tmp_path, 1), PROGRAM)
    before = [*worked]
    assert recorded(sharded(months, tmp_path, 1), PROGRAM) == first
    assert worked == before
    (months / "04.csv").write_text("id,amount,note,more\n7,5,h,y\n")
    after = recorded(sharded(months, tmp_path, 1), PROGRAM)
    assert worked[len(before) :] == ["read", "read", "asked", "asked"]  # its rows, and the places of those told
    assert after == recorded(load("data", str(months)), PROGRAM)


def test_what_was_damaged_or_went_is_done_again(months: Path, tmp_path: Path, worked: list[str]) -> None:
    first = recorded(sharded(months, tmp_path, 1), PROGRAM)
    kept = tmp_path / "kept"
    for path in (kept / "given").iterdir():
        path.write_bytes(b"ARROW1 no longer")
    sharded(months, tmp_path, 1)
    cut = sharded(months, tmp_path, 1)
    for path in kept.glob("*.rows"):
        path.unlink()  # a machine that has not what another one made
    del worked[:]
    assert recorded(cut, PROGRAM) == first
    assert worked.count("read") == 3
    assert worked.count("asked") == 6
    for path in kept.glob("*.rows"):
        path.write_bytes(path.read_bytes()[:200])
    for path in (kept / "given").iterdir():
        path.unlink()
    assert recorded(cut, PROGRAM) == first
    for path in kept.glob("*.json"):
        path.write_text(json.dumps({"format": "csv"}))
    assert recorded(sharded(months, tmp_path, 1), PROGRAM) == first


def test_a_file_that_was_edited_is_read_again(months: Path, tmp_path: Path) -> None:
    sharded(months, tmp_path, 1)
    (months / "02.csv").write_text("id,amount,note\n3,1,d\n4,2,e\n5,9,f\n")
    alike(months, tmp_path, PROGRAM, shard_bytes=1)


def test_what_is_wrong_with_a_file_is_said_as_elsewhere(months: Path, tmp_path: Path) -> None:
    (months / "02.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    with pytest.raises(UserError) as one:
        load("data", str(months))
    with pytest.raises(UserError) as other:
        sharded(months, tmp_path, 1)
    assert str(one.value) == str(other.value)


def test_an_exploration_looks_at_shards_as_at_a_whole(months: Path, tmp_path: Path) -> None:
    from rlm_dsl.engine.warehouse import Warehouse

    whole, cut = load("data", str(months)), sharded(months, tmp_path, 1)
    with Warehouse(1, None, [whole]) as one, Warehouse(1, None, [cut]) as other:
        for limit in (1, 2, 4, 100):
            relation = one.contexts["data"]
            assert other.around(relation, limit) == one.around(relation, limit)
            assert other.table(relation, limit) == one.table(relation, limit)
        assert other.elsewhere
        assert other.table(relation) == one.table(relation)
        assert not other.elsewhere
