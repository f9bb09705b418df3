"""How CSV files are written: found, told, or said by options; and what a program declares of their cells.

In: small files as people have them. Out: nothing but a verdict. Law: what an option settles is told with the option,
and the option settles it.
"""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.given import read_given
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions, options_of
from rlm_dsl.language.check.type_expressions import parse_table_type
from tests.support.contexts import cells, column, notes, raw_rows, written

DATA = Path(__file__).parent / "data"
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "latin1.csv": (
        {},
        [
            {"Name": "Müller", "Ort": "Köln", "Betrag": 12.5},
            {"Name": "Möller", "Ort": "Nürnberg", "Betrag": 7.0},
            {"Name": "Mäller", "Ort": "Köln", "Betrag": 1250.75},
        ],
        "read as Latin-1",
    ),
    "cp1252.csv": (
        {},
        [{"name": "O’Brien", "note": "“quoted” – €5"}, {"name": "Zoë", "note": "naïve"}],
        "read as Windows-1252",
    ),
    "comma_in_header.csv": (
        {},
        [
            {"Kunde": "A-1", "Preis (netto, EUR)": Decimal("19.99"), "Menge": 3},
            {"Kunde": "B-2", "Preis (netto, EUR)": 5.0, "Menge": 1},
        ],
        "fields are separated by semicolons",
    ),
    "quoted_comma_header.csv": (
        {},
        [
            {"Last, First": "Doe, Jane", "City": "Basel", "Amount": 10},
            {"Last, First": "Roe, Rick", "City": "Bern", "Amount": 20},
        ],
        "fields are separated by semicolons",
    ),
    "excel_sep.csv": ({}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "its first line says that semicolons separate fields"),
    "no_header.csv": (
        {"header": "no"},
        [
            {"column_1": datetime.date(2026, 11, 1), "column_2": "u1", "column_3": 12.5},
            {"column_1": datetime.date(2026, 11, 2), "column_2": "u2", "column_3": 3.0},
            {"column_1": datetime.date(2026, 11, 3), "column_2": "u1", "column_3": 7.25},
        ],
        "",
    ),
    "preamble.csv": ({"skip": 3}, [{"id": 1, "amount": 10}, {"id": 2, "amount": 20}], ""),
    "comment.csv": ({"comment": "#"}, [{"id": 1, "amount": 10}, {"id": 2, "amount": 20}], ""),
    "ids.csv": ({}, [{"sku": "1e5", "qty": 1}, {"sku": "12E3", "qty": 2}, {"sku": "123e4", "qty": 3}], ""),
}


@pytest.mark.parametrize("name", CASES)
def test_small_files_that_people_have(name: str) -> None:
    options, rows, noted = CASES[name]
    context = load("t", str(DATA / name), options=options_of(options))
    assert cells(context) == rows
    assert noted in notes(context) if noted else not context.notes
    raw = (DATA / name).read_bytes()
    assert raw_rows(context, raw) == [line for line in raw.splitlines() if line in raw_rows(context, raw)]
    assert column(context, "#line") == [raw[:lo].count(b"\n") + 1 for lo in column(context, "#lo")]  # type: ignore[misc]


TOLD = {
    "no header": (b"2026-11-01,u1,12.50\n2026-11-02,u2,3.00\n", "first row looks like data", 2),
    "a header of years": (b"region,total\nnorth,1\nsouth,2\n", "", 2),
    "a preamble": (b"Export\nby system 7\n\nid,amount\n1,10\n2,20\n", "2 lines stand before", 2),
    "comments": (b"# source: A\nid,amount\n1,10\n# checked\n2,20\n", 'lines begin with "#"', 2),
    "comments in slashes": (b"id,amount\n1,10\n// checked\n2,20\n", 'lines begin with "//"', 2),
    "units": (b"place,height,weight\n-,(m),(kg)\na,1,2\nb,3,4\n", "looks like units", 2),
    "comments and units": (b"# A\nplace,height\n-,(m)\na,1\nb,2\nc,9\n", "looks like units", 3),
    "two signs": (b"# A\na,b\n// c\n1,2\n3,4\n", 'lines begin with "#" or "//"', 2),
    "comments below a preamble": (b"Generated: X\n# A\na,b\n1,2\n# c\n3,4\n", "2 lines stand before", 2),
    "a preamble without the sign": (b"Report\nof 7\n\na;b\n1;2\n3;4\n", "from line 4 on semicolons", 2),
    "a total": (b"item,amount\na,10\nb,20\nTotal,30\n", "looks like a total", 2),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_likely_is_told_with_the_option_that_settles_it(tmp_path: Path, case: str) -> None:
    content, noted, count = TOLD[case]
    path = written(tmp_path, "a.csv", content)
    context = load("t", path)
    if not noted:
        assert not context.notes and context.count == count
        return
    assert noted in notes(context)
    found = re.findall(r"(?:header|skip|comment|totals)=(?:\[[^]]*\]|\"[^\"]*\"|\w+)", notes(context))
    assert found
    settled = load("t", path, options=read_given(f"t({', '.join(found)})=x")[1].options)
    assert settled.count == count and noted not in notes(settled)
    assert not any("fit" in note or "many fields" in note or "lines" in note for note in settled.notes)


OPTIONS = (
    ({"quote": "'"}, b"a,b\n'x, y',\"q\"\n'it''s',2\n", [{"a": "x, y", "b": '"q"'}, {"a": "it's", "b": "2"}]),
    ({"quote": "none"}, b'a,b\n5" nail,1\n"x,2\n', [{"a": '5" nail', "b": 1}, {"a": '"x', "b": 2}]),
    ({"delimiter": ":"}, b"a:b\n1,5:2\n", [{"a": 1.5, "b": 2}]),
    ({"header": "2"}, b"x\na,b\n1,2\n", [{"a": 1, "b": 2}]),
    ({"header": "yes"}, b"1,2\n3,4\n", [{"1": 3, "2": 4}]),
    ({"nulls": ["n/a", "-"]}, b"a,b\n1,n/a\n-,x\n", [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
    (
        {"decimal": ",", "thousands": "."},
        b'a,b\n"1.234,5",x\n"2,25",1.5\n',
        [{"a": 1234.5, "b": "x"}, {"a": 2.25, "b": "1.5"}],
    ),
    ({"thousands": "'"}, b"a\n1'250.75\n2\n", [{"a": 1250.75}, {"a": 2.0}]),
    ({"decimal": "."}, b"a;b\n1,5;2\n", [{"a": "1,5", "b": 2}]),
    (
        {"dates": "%d.%m.%Y"},
        b"a,b\n03.11.2026,1\n,2\n",
        [{"a": datetime.date(2026, 11, 3), "b": 1}, {"a": None, "b": 2}],
    ),
    ({"dates": "%d/%m/%y %H:%M"}, b"a\n3/11/26 10:30\n", [{"a": datetime.datetime(2026, 11, 3, 10, 30)}]),
    ({"dates": "dd.mm.yyyy"}, b"a\n03.11.2026\nsoon\n", [{"a": "03.11.2026"}, {"a": "soon"}]),
    ({"skip": 1, "comment": "#"}, b'x\na,b\n#c\n1,"#d\n#e"\n', [{"a": 1, "b": "#d\n#e"}]),
)


@pytest.mark.parametrize(("options", "content", "rows"), OPTIONS, ids=[str(options) for options, *_ in OPTIONS])
def test_what_options_say(tmp_path: Path, options: dict[str, Any], content: bytes, rows: list[dict[str, Any]]) -> None:
    assert cells(load("t", written(tmp_path, "a.csv", content), options=options_of(options))) == rows


def declared(path: str, type_: str, options: ReadingOptions = NO_OPTIONS) -> Context:
    return load("t", path, declared=parse_table_type(f"table({type_})"), options=options)


def test_a_declaration_beats_what_cells_look_like(tmp_path: Path) -> None:
    """What does not fit is null, and told with its lines; a column of which nothing fits is another one."""
    path = written(tmp_path, "a.csv", "sku,amount,sent,ok\n0012,1e5,2026-11-03,true\n1e5,n/a,soon,maybe\n7,,,\n")
    context = declared(path, "sku: text, amount: float, sent: date, ok: bool?")
    assert cells(context) == [
        {"sku": "0012", "amount": 100000.0, "sent": datetime.date(2026, 11, 3), "ok": True},
        {"sku": "1e5", "amount": None, "sent": None, "ok": None},
        {"sku": "7", "amount": None, "sent": None, "ok": None},
    ]
    assert "2 rows have a cell that does not fit `amount: float` (null), first in line 3, 4" in context.notes
    assert "1 rows have a cell that does not fit `ok: bool?` (null), first in line 3" in context.notes
    assert column(declared(path, "sku: int"), "sku") == [12, None, 7]
    with pytest.raises(UserError, match="`sent` is text and not int"):
        declared(path, "sent: int")
    program = "context t: table(amount: float, sent: date)\nanswer {total: t | sum(amount), rows: count(t)}"
    assert rlm_dsl.run(program, {"t": path}).value == {"total": 100000.0, "rows": 3}
    german = written(tmp_path, "b.csv", "d;x\n03.11.2026;1,5\n04.11.2026;2\n")
    read = declared(german, "d: date, x: float", options_of({"dates": "dd.mm.yyyy", "decimal": ","}))
    assert column(read, "d")[0] == datetime.date(2026, 11, 3) and column(read, "x") == [1.5, 2.0]


def test_dates_with_an_offset_count_as_utc(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "at\n2025-03-30T01:30:00+01:00\n2025-03-30T03:30:00+02:00\n")
    context = load("t", path, options=ReadingOptions(dates="%Y-%m-%dT%H:%M:%S%z"))
    assert column(context, "at") == [datetime.datetime(2025, 3, 30, 0, 30), datetime.datetime(2025, 3, 30, 1, 30)]


def test_blanks_around_numbers_and_days_are_none_of_them(tmp_path: Path) -> None:
    """And of texts they are: nothing is known of them but what is written."""
    path = written(tmp_path, "a.csv", "id; day ;name; sku\n1; 2026-11-03 ; x; 0012\n 2;2026-11-04; y; 7\n")
    assert cells(load("t", path)) == [
        {"id": 1, "day": datetime.date(2026, 11, 3), "name": " x", "sku": " 0012"},
        {"id": 2, "day": datetime.date(2026, 11, 4), "name": " y", "sku": " 7"},
    ]
    comma = written(tmp_path, "b.csv", "a; b\n1; 10,50\n2; 1.005,25\n")
    assert column(load("t", comma), "b") == [Decimal("10.50"), Decimal("1005.25")]


def test_days_of_digits_alone_are_read_where_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "day,id,at\n20261103,20263201,20261103083000\n20261104,7,20261104000000\n")
    read = load("t", path, options=options_of({"dates": ["%Y%m%d", "%Y%m%d%H%M%S"]}))
    assert column(read, "day") == [datetime.date(2026, 11, 3), datetime.date(2026, 11, 4)]
    assert column(read, "id") == [20263201, 7]
    assert column(read, "at")[0] == datetime.datetime(2026, 11, 3, 8, 30)
