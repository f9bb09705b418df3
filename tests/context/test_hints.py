"""Columns that are text for how a few cells are written: told with the cell, and with options that read them.

In: small columns as people write them. Out: nothing but a verdict. Law: what is advised reads the column when said;
where two readings fit, both are told; ids and words are no numbers.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.given import read_given
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions, options_of
from tests.support.contexts import column, notes, written
from tests.support.optional import needs
from tests.support.workbooks import workbook

ADVICE = re.compile(r"in (?:line|row) \d+: (?P<options>.+?)(?:, or (?P<other>.+?))? reads it(?:, but for .*)?$")
E = Decimal
CASES: dict[str, tuple[list[str], list[Any]]] = {
    "dollars": (["$5.00", "-$7.25", "$-1.50", "$1,250.00"], [E("5.00"), E("-7.25"), E("-1.50"), E("1250.00")]),
    "euros": (["19,99 €", "1.250,00 €", "-3,50 €"], [E("19.99"), E("1250.00"), E("-3.50")]),
    "a code before": (["EUR 5", "EUR 1200.5"], [E("5.0"), E("1200.5")]),
    "percent": (["12.5%", "3 %", "0.25%"], [E("12.50"), E("3.00"), E("0.25")]),
    "blanks between thousands": (["1 234,50", "9,99"], [E("1234.50"), E("9.99")]),
    "narrow ones": (["1\u202f234,50", "12\u00a0345,00"], [E("1234.50"), E("12345.00")]),
    "apostrophes": (["1'234.50", "12’345.00"], [E("1234.50"), E("12345.00")]),
    "brackets": (["(5.00)", "7.25", "($1.00)"], [E("-5.00"), E("7.25"), E("-1.00")]),
    "a plus": (["+5", "-3", "7"], [5, -3, 7]),
    "a sign behind": (["5,00-", "7,25"], [E("-5.00"), E("7.25")]),
    "kilograms": (["5 kg", "2.5 kg"], [E("5.0"), E("2.5")]),
    "nothing": (["5", "n/a", "-", "7", "NULL", "9"], [5, None, None, 7, None, 9]),
    "nothing among prices": (["$5", "N/A", "$7.5"], [E("5.0"), None, E("7.5")]),
    "errors of a sheet": (["1.5", "#DIV/0!", "2"], [E("1.5"), None, E("2.0")]),
    "days": (["03.11.2026", "25.11.2026"], [datetime.date(2026, 11, 3), datetime.date(2026, 11, 25)]),
    "american days": (["11/25/26", "11/03/26"], [datetime.date(2026, 11, 25), datetime.date(2026, 11, 3)]),
    "names of months": (["3 Nov 2026", "25 Nov 2026"], [datetime.date(2026, 11, 3), datetime.date(2026, 11, 25)]),
    "clocks": (
        ["25.11.2026 08:30", "26.11.2026 18:00"],
        [datetime.datetime(2026, 11, 25, 8, 30), datetime.datetime(2026, 11, 26, 18)],
    ),
    "offsets": (
        ["2026-11-25T08:30:00Z", "2026-11-25T08:30:00+02:00"],
        [datetime.datetime(2026, 11, 25, 8, 30), datetime.datetime(2026, 11, 25, 6, 30)],
    ),
    "days and nothing": (
        ["03.11.2026", "-", "25.11.2026"],
        [datetime.date(2026, 11, 3), None, datetime.date(2026, 11, 25)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_advised_reads_the_column(tmp_path: Path, case: str) -> None:
    texts, values = CASES[case]
    path = written(tmp_path, "a.csv", "id\tx\n" + "".join(f"{n}\t{text}\n" for n, text in enumerate(texts)))
    found = next(filter(None, map(ADVICE.search, load("t", path).notes)), None)
    assert found is not None and found["other"] is None
    assert column(load("t", path, options=read_given(f"t({found['options']})=x")[1].options), "x") == values


EITHER = {
    "1,234": ('decimal=","', 'thousands=","'),
    "03/04/2026": ('dates="%m/%d/%Y"', 'dates="%d/%m/%Y"'),
}


@pytest.mark.parametrize("cell", EITHER)
def test_where_two_readings_fit_both_are_told(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, "a.csv", f'id,x\n1,"{cell}"\n2,"{cell}"\n')
    found = ADVICE.search(notes(load("t", path)))
    assert found is not None and (found["options"], found["other"]) == EITHER[cell]


@pytest.mark.parametrize(
    "texts",
    [
        ["12A", "14B", "9C"],
        ["0012", "1234", "0099"],
        ["Anna", "n/a", "Ben"],
        ["5 kg", "500 g", "7 kg"],
        ["$5", "€7", "$9"],
        ["SKU12", "SKU13", "SKU14"],
        ["yes", "no", "-"],
        ["1.2.3", "1.10.0", "2.0.1"],
        ["10.0.0.1", "192.168.0.1", "8.8.8.8"],
        ["030 1234567", "040 7654321", "089 12345"],
    ],
)
def test_texts_are_left_alone(tmp_path: Path, texts: list[str]) -> None:
    assert not load(
        "t", written(tmp_path, "a.csv", "id,x\n" + "".join(f"{n},{t}\n" for n, t in enumerate(texts)))
    ).notes


def test_one_odd_cell_is_told_with_its_line_wherever_it_stands(tmp_path: Path) -> None:
    """Also behind the lines that a dialect is told by, and where another block begins."""
    lines = [f"{n},{n}.5" for n in range(300_000)]
    lines[299_000] = "7,oops"
    path = written(tmp_path, "a.csv", "id,x\n" + "\n".join(lines) + "\n")
    assert load("t", path).notes == (
        "column `x` is text for 'oops' in line 299002 (all else reads as numbers or days): "
        "where a program declares its type, it is null",
    )
    lines[299_000] = "7,n/a"
    path = written(tmp_path, "a.csv", "id,x\n" + "\n".join(lines) + "\n")
    assert notes(load("t", path)).endswith("column `x` is text for 'n/a' in line 299002: nulls=[\"n/a\"] reads it")


def test_columns_that_one_set_of_options_reads_are_told_together(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'a,b,c,d\n$1,5.5%,n/a,"1,5"\n$2,6%,3,"2,5"\n')
    together, apart = load("t", path).notes
    assert together.endswith('units=["$", "%"], nulls=["n/a"] reads them')
    assert apart == "column `d` is text for '1,5' in line 2: decimal=\",\" reads it"


@needs("python_calamine")
def test_texts_in_sheets_are_read_by_the_same_options(tmp_path: Path) -> None:
    rows = [
        ["id", "x", "y", "at"],
        [1, "1.234,50", 2.5, "03.11.2026"],
        [2, "20,00", "$3.5", None],
        [3, "-", "n/a", "4.11.2026"],
    ]
    path = written(tmp_path, "a.xlsx", workbook({"t": rows}))
    told = notes(load("t", path))
    assert (
        "column `x` is text for '1.234,50' in row 2" in told and "column `at` is text for '03.11.2026' in row 2" in told
    )
    said = {"decimal": ",", "thousands": ".", "nulls": ["-"], "dates": "dd.mm.yyyy"}
    read = load("t", path, options=options_of(said))
    assert column(read, "x") == [E("1234.50"), E("20.00"), None]
    assert column(read, "at") == [datetime.date(2026, 11, 3), None, datetime.date(2026, 11, 4)]
    assert column(load("t", path, options=options_of({"units": ["$"], "nulls": ["n/a"]})), "y") == [2.5, 3.5, None]


def test_points_that_may_stand_between_thousands_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "d;x\na;1.234\nb;12.500\nc;999\n")
    assert 'if it stands between thousands, say thousands="."' in notes(load("t", path))
    assert column(load("t", path, options=ReadingOptions(thousands=".")), "x") == [1234, 12500, 999]
    assert column(load("t", path, options=ReadingOptions(decimal=".")), "x") == [E("1.234"), E("12.500"), E("999.000")]
    assert "between" not in notes(load("t", written(tmp_path, "b.csv", "d;x\na;1.234\nb;0.500\n")))
    with pytest.raises(UserError, match="`thousands` and `decimal` are both"):
        load("t", path, options=ReadingOptions(decimal=".", thousands="."))


def test_days_may_be_written_in_several_ways(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "x\n03.11.2026\n2026/11/04\n")
    read = load("t", path, options=options_of({"dates": ["%d.%m.%Y", "%Y/%m/%d"]}))
    assert column(read, "x") == [datetime.date(2026, 11, 3), datetime.date(2026, 11, 4)]
