"""A sample of a trace's files: what is checked of it, what it finds, and what it claims.

In: traces over many files, forged and whole. Out: reports. Law: a drawn file that changed, a row that is stored and was
not there, and a row that was there and is not stored are found; where nothing was drawn of it, nothing is claimed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.replay.verify_sample import Sample, sample_level
from rlm_dsl.trace.reader import Trace
from tests.support.commands import command

PROGRAM = """errors = data | grep("ERROR") | extract(r"user=(?P<u>\\w+) took (?P<ms>\\d+)", types={ms: int})
answer {n: errors | count(), by: errors | group(by=u, n=count())}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampled")
    (folder / "logs").mkdir()
    for number in range(6):
        lines = [f"{'ERROR' if n % 3 == 0 else 'INFO'} user=u{n % 4} took {n * number} ms" for n in range(20)]
        (folder / "logs" / f"{number}.log").write_text("\n".join(lines))
    rlm_dsl.run(PROGRAM, {"data": folder / "logs"}, trace=folder / "run.trace")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def level(run: Path, sample: int = 6, seed: int = 1) -> tuple[int, str, list[Any]]:
    return sample_level(Trace.open(run / "run.trace"), {"data": str(run / "logs")}, Sample(sample, seed))


def test_all_that_is_drawn_holds_and_what_that_proves_is_said(run: Path) -> None:
    count, what, found = level(run, 2)
    assert (count, found) == (2, [])
    assert "of 6 files, drawn by seed 1, and all rows that errors take of them" in what
    assert "were 1 file of all otherwise, such a draw would miss it 66.7% of the time" in what
    assert level(run)[1] == "files, all there are, and all rows that errors take of them"


def test_a_file_that_changed_is_found_just_where_it_is_drawn(run: Path) -> None:
    path = run / "logs" / "3.log"
    path.write_text(path.read_text().replace("user=u0", "user=u9"))
    found = [level(run, 2, seed)[2] for seed in range(12)]
    assert {len(each) for each in found} == {0, 1}
    assert {each[0].code for each in found if each} == {"D03"}
    assert "3.log is not as it was" in level(run)[2][0].message


@pytest.mark.parametrize("forged", ["a row less", "a row more", "another value", "another place"])
def test_stored_rows_that_are_not_those_of_the_files_are_found(
    run: Path, forged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a forger would store them who seals the trace anew."""
    stored = Trace.table

    def table(trace: Trace, name: str, columns: Any = None) -> pa.Table:
        rows = stored(trace, name, columns)
        if "errors" not in name:
            return rows
        place = rows.column_names.index("ms" if forged == "another value" else "#lo")
        changed = pa.array([7, *rows.column(place).to_pylist()[1:]], pa.int64())
        return {
            "a row less": rows.slice(1),
            "a row more": pa.concat_tables([rows, rows.slice(0, 1)]),
        }.get(forged) or rows.set_column(place, rows.schema.field(place), changed)

    monkeypatch.setattr(Trace, "table", table)
    (found,) = level(run)[2]
    assert (found.code, found.step) == ("D06", "errors")


def test_a_file_that_is_not_there_is_said(run: Path) -> None:
    (run / "logs" / "3.log").unlink()
    assert [each.code for each in level(run)[2]] == ["D03"]


def test_steps_that_look_at_other_rows_or_ask_are_not_claimed(run: Path) -> None:
    rlm_dsl.run("answer data | sort(-line) | take(3)", {"data": run / "logs"}, trace=run / "sorted.trace")
    count, what, found = sample_level(Trace.open(run / "sorted.trace"), {"data": str(run / "logs")}, Sample(3, 1))
    assert (count, found) == (3, [])
    assert "all rows" not in what


def test_tables_and_one_file_are_sampled_too(run: Path) -> None:
    (run / "months").mkdir()
    for month in range(3):
        (run / "months" / f"{month}.csv").write_text(f"id,amount\n{month},00{month}\n9,n/a\n")
    program = "big = data | where(id > 0)\nanswer {big: big, n: big | count()}"
    for given in ("months", "months/1.csv"):
        rlm_dsl.run(program, {"data": run / given}, trace=run / f"{given[:6]}{len(given)}.trace")
        trace = Trace.open(run / f"{given[:6]}{len(given)}.trace")
        _, what, found = sample_level(trace, {"data": str(run / given)}, Sample(2, 4))
        assert found == []
        assert "all rows that big take of them" in what


def test_the_command_and_python(run: Path) -> None:
    trace, place = str(run / "run.trace"), {"data": run / "logs"}
    report = rlm_dsl.verify(trace, place, sample="3:5")
    assert [each.name for each in report.levels] == ["chain", "files", "sample"]
    told = command(run, "verify", trace, "--context", "data=logs", "--sample", "3:5")
    assert told.code == 0
    assert "of the data a sample, of answers and requests nothing" in told.out
    for wrong in ("0", "x", "3:x", "-1"):
        with pytest.raises(UserError, match="no sample"):
            Sample.read(wrong)
