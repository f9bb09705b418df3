"""Many files as one table: the same as one file of all their rows, each row with its own file, line and bytes.

In: folders and globs of files made here. Out: nothing but a verdict. Law: how rows are spread over files shows in their
places alone; a kept context that grew file by file is what a load of all gives.
"""

from __future__ import annotations

import json
import os
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.loading import load
from rlm_dsl.context.rows import file_tables
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.context.test_stored import same
from tests.support.contexts import cells, column, notes, written

CASES = Path(__file__).parent / "cases"


def test_months_are_one_table() -> None:
    """A column that one file has not is null there; `01234` stays as written, though another file's are whole
    numbers; a file of a header alone gives no rows; each row's bytes are those of its file."""
    context = load("t", str(CASES / "months/*.csv"))
    assert str(context.schema) == "table(path: text, id: int, zip: text, amount: decimal(2)?, channel: text?)"
    assert [list(row.values()) for row in cells(context)] == [
        ["2026-10.csv", 1, "01234", Decimal("10.50"), None],
        ["2026-10.csv", 2, "99999", Decimal("20.00"), None],
        ["2026-11.csv", 3, "04567", Decimal("5.25"), "web"],
        ["2026-11.csv", 4, "80331", None, ""],
    ]
    assert context.notes == ("column `channel` is in 1 of 3 files, first 2026-11.csv only (null in the others)",)
    for row in context.rows.to_pylist():
        content = Path(context.sources[row["#source"]].path).read_bytes()
        assert content[row["#lo"] : row["#hi"]].startswith(f"{row['id']},".encode())
        assert content.split(b"\n")[row["#line"] - 1] == content[row["#lo"] : row["#hi"]]
    program = "answer {all: t | sum(amount), n: count(t), zip: t | where(id == 1) | select(zip)}"
    assert rlm_dsl.run(program, {"t": context}).value["all"] == "35.75"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_names_in_other_cases_are_one_column_for_the_run_and_for_its_verification(tmp_path: Path, kind: str) -> None:
    (tmp_path / "data").mkdir()
    for number, row in enumerate(({"id": 1, "a": 2}, {"ID": 3, "A": 4})):
        path = tmp_path / "data" / f"{number}.{kind}"
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist([row]), path)
        else:
            table = f"{','.join(row)}\n{','.join(map(str, row.values()))}\n"
            path.write_text(table if kind == "csv" else json.dumps(row) + "\n")
    for number, declared in enumerate(("", "context t: table(id: int, a: decimal(2))\n")):
        program, trace = f"{declared}answer {{n: count(t), s: to_float(t | sum(a))}}", tmp_path / f"{number}.trace"
        assert rlm_dsl.run(program, {"t": str(tmp_path / "data")}, trace=trace).value == {"n": 2, "s": 6.0}
        assert rlm_dsl.verify(trace).ok


DECLARED = "context t: table(id: int, zip: text, amount: float)\nanswer {all: t | sum(amount), n: count(t)}"


@pytest.mark.parametrize("content", ["id,zip,amount\n", ""], ids=["header alone", "empty"])
def test_a_month_of_nothing_fits_what_a_program_declares(tmp_path: Path, content: str) -> None:
    path = written(tmp_path, "data/2026-12.csv", content)
    for given_ in (path, str(tmp_path / "data"), str(tmp_path / "data/2026*.csv")):
        assert rlm_dsl.run(DECLARED, {"t": given_}).value == {"all": 0.0, "n": 0}


def test_parts_of_json_lines_are_one_table() -> None:
    context = load("t", str(CASES / "parts"))
    assert [list(row.values()) for row in cells(context)] == [
        ["a.jsonl", 1, "x", None],
        ["b.jsonl", 2, "y", None],
        ["b.jsonl", 3, None, 4],
    ]


def test_types_are_of_all_files(tmp_path: Path) -> None:
    """Whole numbers and decimals are decimals; beside text, each is as it was written; JSON beside others is text."""
    written(tmp_path, "csv/a.csv", "n,mixed,day\n1,1.50,2026-01-01\n")
    written(tmp_path, "csv/b.csv", "N,mixed,day\n2.5,x,2026-01-02\n")
    context = load("t", str(tmp_path / "csv"))
    assert str(context.schema) == "table(path: text, n: decimal(1), mixed: text, day: date)"
    assert column(context, "mixed") == ["1.50", "x"] and "column `N` of b.csv is `n` of the others" in notes(context)
    written(tmp_path, "json/a.json", '[{"v": {"a": 1}, "n": 1}]')
    written(tmp_path, "json/b.json", '[{"v": "x", "n": 1.5}]')
    assert [list(row.values())[1:] for row in cells(load("t", str(tmp_path / "json")))] == [
        ['{"a": 1}', Decimal("1.0")],
        ["x", 1.5],
    ]
    (tmp_path / "pq").mkdir()
    pq.write_table(pa.table({"n": [1], "v": [{"a": 1}], "none": pa.nulls(1)}), tmp_path / "pq/a.parquet")
    pq.write_table(pa.table({"n": ["x"], "v": ["y"], "none": [True]}), tmp_path / "pq/b.parquet")
    assert [list(row.values())[1:] for row in cells(load("t", str(tmp_path / "pq")))] == [
        ["1", '{"a": 1}', None],
        ["x", "y", True],
    ]


def test_folders_named_after_values_are_columns(tmp_path: Path) -> None:
    for year, month, id_ in ((2025, "11", 1), (2026, "01", 2), (2026, file_tables.NO_PARTITION, 3)):
        written(tmp_path, f"d/year={year}/month={month}/place=K%C3%B6ln/a.csv", f"id\n{id_}\n")
    written(tmp_path, "d/_SUCCESS", "")
    context = load("t", str(tmp_path / "d"))
    assert str(context.schema) == "table(path: text, year: int, month: text?, place: text, id: int)"
    assert [list(row.values())[1:] for row in cells(context)] == [
        [2025, "11", "Köln", 1],
        [2026, "01", "Köln", 2],
        [2026, None, "Köln", 3],
    ]
    written(tmp_path, "d/year=2027/month=2/place=x/a.csv", "id,Year\n4,1999\n")
    context = load("t", str(tmp_path / "d/*/*/*/*.csv"))
    assert context.schema.names[1:] == ("month", "place", "id", "Year")
    assert "`year=` in folders' names is left out: the data has that column" in notes(context)


@pytest.mark.parametrize(
    ("header", "called"), [("a", "path"), ("path", "file_path"), ("Path,file_path", "path_of_file")]
)
def test_the_column_of_files_takes_no_name_of_the_data(tmp_path: Path, header: str, called: str) -> None:
    written(tmp_path, "a.csv", f"{header}\n{header.upper()}\n")
    context = load("t", str(tmp_path / "*.csv"))
    assert context.schema.names[0] == called and column(context, called) == ["a.csv"]
    assert ("told in" in notes(context)) == (called != "path")
    written(tmp_path, "b.csv", f"{header}\n{header.upper()}\n")
    before = load("t", str(tmp_path / "*.csv")).digest
    (tmp_path / "b.csv").rename(tmp_path / "c.csv")
    assert load("t", str(tmp_path / "*.csv")).digest != before, "a row's file is content where a column has it"


def test_several_kinds_are_told_and_not_guessed(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.JSONL", "readme.txt", "e/d.parquet"):
        written(tmp_path, name, "a\n1\n")
    folder = str(tmp_path)
    with pytest.raises(UserError, match="has files of several kinds: 2 csv, 1 jsonl, 1 parquet, 1 other text") as told:
        load("t", folder)
    assert f"NAME:csv={folder}" in told.value.hint
    context = load("t", folder, format="csv")
    assert context.count == 2 and notes(context) == "3 files that do not end in .csv were passed over"
    with pytest.raises(UserError, match=r"no \.mbox or \.eml file in"):
        load("t", folder, format="mail")
    assert load("t", folder, format="lines").count == 10
    declared = load("t", folder, format="documents").schema
    assert load("t", folder, declared=declared).format == "documents", "a program that declares text means text"


def test_what_is_wrong_with_one_of_many_names_it(tmp_path: Path) -> None:
    written(tmp_path, "a.jsonl", '{"a": 1}\n')
    written(tmp_path, "b.jsonl", '{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"b\.jsonl:2:7: no JSON"):
        load("t", str(tmp_path))
    written(tmp_path, "c/a.csv", "a,b\n1\n")
    written(tmp_path, "c/b.csv", "a,b\n1,2\n")
    assert notes(load("t", str(tmp_path / "c"))) == (
        "a.csv: 1 rows have too few fields (the rest is null), first in line 2"
    )


def test_files_that_change_while_they_are_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.csv", "a\n1\n")
    written(tmp_path, "b.csv", "a\n2\n")
    monkeypatch.setattr(file_tables, "HELD", 0)
    assert load("t", str(tmp_path)).count == 2
    survey = file_tables.surveyed_files

    def surveyed_then_written(*arguments: object) -> object:
        found = survey(*arguments)  # type: ignore[arg-type]
        Path(path).write_text("a\n3\n")
        return found

    monkeypatch.setattr(file_tables, "surveyed_files", surveyed_then_written)
    with pytest.raises(UserError, match=r"a\.csv was written to while it was read"):
        load("t", str(tmp_path))


CELLS = st.sampled_from(["1", "2.5", "01", "x", "", "2026-01-01", "true", "12345678901234567", '"a,\n""b"'])
FILES = st.lists(st.lists(st.tuples(CELLS, CELLS), max_size=4), min_size=1, max_size=4)


@settings(max_examples=settings.default.max_examples // 4)
@given(FILES)
def test_rows_over_files_are_those_of_one(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple[str, str]]]
) -> None:
    """By types, values and what is kept of them, however they grow."""
    folder = tmp_path_factory.mktemp("files")
    kept = folder / "t.rlmctx"
    for number, rows in enumerate(files):
        body = "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows)
        written(folder, f"data/{number}.csv", body)
        if number == 0:
            store_context("t", str(folder / "data"), kept)
        else:
            refresh_context(kept)
        same(open_stored("t", kept), load("t", str(folder / "data")))
    every = "a,b\n" + "".join(f"{a},{b}\n" for rows in files for a, b in rows)
    one, many = load("t", written(folder, "all.csv", every)), load("t", str(folder / "data"))
    assert many.schema.columns[1:] == one.schema.columns
    assert many.rows.select(["a", "b"]).to_pylist() == one.rows.select(["a", "b"]).to_pylist()


def test_what_came_or_grew_is_read_alone(tmp_path: Path) -> None:
    """From the first file on that is not as it was; another column or type means all."""
    folder, kept = tmp_path / "data", tmp_path / "t.rlmctx"
    for month in (1, 2, 4):
        written(folder, f"{month}.csv", f"id,v\n{month},x\n{month},y\n")
    written(folder, "readme.txt", "x")
    store_context("t", str(folder), kept, "csv")
    written(folder, "5.csv", "v,id\nz,5\n")
    assert refresh_context(kept) == (f"grown: 1 files came and 0 went in {folder}", 1)
    written(folder, "5.csv", "v,id\nz,5\nz,6\n")
    assert refresh_context(kept)[1] == 1, "what the file that has grown has more"
    written(folder, "3.csv", "v,id\nw,3\n")
    told, rows = refresh_context(kept)
    assert rows == 1 + 2 + 2 and told.startswith("read again from ")
    same(open_stored("t", kept), load("t", str(folder), format="csv"))
    written(folder, "6.csv", "id\n7\n")
    assert refresh_context(kept)[0].startswith("grown") and str(open_stored("t", kept).schema).endswith("v: text?)")
    written(folder, "7.csv", "id,new\n7,8\n")
    assert refresh_context(kept) == (f"read again: 1 files came and 0 went in {folder}", 11)
    shutil.rmtree(folder / "1.csv", ignore_errors=True)
    (folder / "1.csv").unlink()
    assert refresh_context(kept)[0].startswith("read again")
    same(open_stored("t", kept), load("t", str(folder), format="csv"))


def test_a_name_that_is_no_utf_8_is_shown_escaped(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    Path(os.fsdecode(os.fsencode(str(tmp_path / "d")) + b"/caf\xe9.csv")).write_bytes(b"a\n1\n")
    context = load("t", str(tmp_path / "d"))
    assert column(context, "path") == ["caf\\xe9.csv"]
    result = rlm_dsl.run("answer t | where(a == 1)", {"t": str(tmp_path / "d")}, trace=tmp_path / "a.trace")
    assert "caf\\xe9.csv" in json.dumps(result.evidence[0].spans[0].as_json(), ensure_ascii=True).replace("\\\\", "\\")
    assert rlm_dsl.verify(tmp_path / "a.trace").ok
