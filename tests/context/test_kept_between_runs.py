"""Data given by its path and kept between runs: the same as a load gives, and only what is new is read.

In: files that grow, come, change and go. Out: nothing but a verdict. Law: what a run over kept data says is what a run
over the files says, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.context.context import Context
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions
from rlm_dsl.engine.storage import keep as keeping
from rlm_dsl.engine.storage import refresh
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.language.check.type_expressions import parse_table_type
from tests.support.contexts import written

CSV = "id,x,day\n" + "".join(f"{n},{n}.5,2026-11-{n % 28 + 1:02}\n" for n in range(40))
MORE = {
    "csv": ("40,7.5,2026-12-01\n", "41,9.5,\n", "oops,n/a,2026-12-02\n"),
    "jsonl": ('{"id": 40, "x": 7.5}\n', '{"x": "a"}\n', '{"id": "b"}\n'),
    "log": ("more\n", "and more\n", "end"),
}


@pytest.fixture(autouse=True)
def all_is_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(keeping, "LEAST", 0)
    yield


def kept(path: str, folder: Path, declared: str = "", options: ReadingOptions = NO_OPTIONS) -> Context:
    type_ = parse_table_type(declared) if declared else None
    return open_context("t", path, declared=type_, keep=str(folder), options=options)[0]


def same(context: Context, path: str, declared: str = "", options: ReadingOptions = NO_OPTIONS) -> None:
    type_ = parse_table_type(declared) if declared else None
    plain = load("t", path, declared=type_, options=options)
    assert isinstance(context.rows, tuple) and context.count == plain.count
    told = ("digest", "notes", "schema", "format", "given", "sources")
    assert [getattr(context, each) for each in told] == [getattr(plain, each) for each in told]
    shown = f"context t: {context.schema}\nanswer t"
    assert rlm_dsl.run(shown, {"t": context}).value == rlm_dsl.run(shown, {"t": plain}).value


START = {"csv": CSV, "jsonl": "".join(json.dumps({"id": n, "x": n + 0.5}) + "\n" for n in range(40)), "log": "a\nb\n"}
DECLARED = {
    "csv": ("", "table(x: decimal(2), id: int)", "table(id: text, day: date?)"),
    "jsonl": ("", "table(x: decimal(2)?, id: int)", "table(id: int?)"),
    "log": ("", "table(line: int, text: text)"),
}


@pytest.mark.parametrize(("form", "declared"), [(form, each) for form, all_ in DECLARED.items() for each in all_])
def test_growing_files_are_those_that_a_load_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, declared: str
) -> None:
    path, folder = written(tmp_path, f"t.{form}", START[form]), tmp_path / "kept"
    again: list[str] = []
    monkeypatch.setattr(refresh, "store_context", lambda *given: again.append(given[1]) or store(*given))
    same(kept(path, folder, declared), path, declared)
    same(kept(path, folder, declared), path, declared)
    for number, more in enumerate(MORE[form]):
        with Path(path).open("a") as file:
            file.write(more)
        same(kept(path, folder, declared), path, declared)
        assert number == 2 or not again or (form, number) == ("jsonl", 1), "what came is read alone"
    content = Path(path).read_text()
    Path(path).write_text(content.replace("1", "2", 1) + more)
    same(kept(path, folder, declared), path, declared)


store = refresh.store_context


def test_many_files_that_come_change_and_go(tmp_path: Path) -> None:
    folder, data = tmp_path / "kept", tmp_path / "data"
    declared = "table(path: text, id: int, x: decimal(1))"
    pattern = f"{data}/*.csv"
    changes: list[Callable[[], Any]] = [
        lambda: written(data, "01.csv", CSV),
        lambda: written(data, "02.csv", CSV.replace("7.5", "n/a")),
        lambda: written(data, "03.csv", "x,id\n1.25,9\n,8\n"),
        lambda: written(data, "02.csv", CSV),
        lambda: (data / "01.csv").unlink(),
    ]
    for change in changes:
        change()
        for each in ("", declared):
            same(kept(pattern, folder, each), pattern, each)


def test_what_does_not_fit_is_counted_once_where_a_file_in_the_middle_changes(tmp_path: Path) -> None:
    folder, data, declared = tmp_path / "kept", tmp_path / "data", "table(path: text, a: int)"
    for day in (1, 2, 3):
        written(data, f"{day}.jsonl", '{"a": 1}\n{"a": "x"}\n')
    same(kept(str(data), folder, declared), str(data), declared)
    for content in ('{"a": 1}\n{"a": "y"}\n', '{"a": 1}\n{"a": 7}\n', '{"b": 1}\n'):
        written(data, "2.jsonl", content)
        same(kept(str(data), folder, declared), str(data), declared)


def test_what_is_read_otherwise_is_kept_apart_and_what_is_broken_is_made_anew(tmp_path: Path) -> None:
    path, folder = written(tmp_path, "t.csv", "id;x\n1;2,5\n2;3\n"), tmp_path / "kept"
    for options in (NO_OPTIONS, ReadingOptions(header="no"), ReadingOptions(totals="no")):
        same(kept(path, folder, options=options), path, options=options)
    places = [each for each in folder.iterdir() if each.suffix == ".rlmctx"]
    assert len(places) == 3
    for place in places:
        (place / "context.json").write_text("{}")
    same(kept(path, folder), path)
    for place in places:
        for part in place.glob("*.duckdb"):
            part.write_bytes(b"no database")
    Path(path).write_text("id;x\n1;2,5\n2;3\n3;4\n")
    same(kept(path, folder), path)
    assert isinstance(kept(path, Path(path)).rows, type(load("t", path).rows)), "a folder that cannot be made"


def test_runs_over_kept_data_are_the_same_trace_and_verify(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", CSV)
    program = "context t: table(id: int, x: decimal(1))\nanswer t | where(x > 20) | sum(x)"
    plain = rlm_dsl.run(program, {"t": path}, trace=tmp_path / "a.trace")
    again = rlm_dsl.run(program, {"t": path}, trace=tmp_path / "b.trace", keep=str(tmp_path / "kept"))
    assert plain.value == again.value and plain.evidence == again.evidence
    for name in ("a", "b"):
        assert rlm_dsl.verify(tmp_path / f"{name}.trace", contexts={"t": path}).ok
    Path(path).write_text(CSV + "99,1000.5,2026-12-01\n")
    later = rlm_dsl.rerun(tmp_path / "b.trace", contexts={"t": path}, keep=str(tmp_path / "kept"))
    assert float(later.result.value) == float(plain.value) + 1000.5
