"""Spreadsheets by sheet: cells as what they are, with the row that each stands in; what is no table is said."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files import unpacking
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.support.contexts import cells, column, notes, written
from tests.support.optional import needs
from tests.support.workbooks import workbook

pytestmark = needs("python_calamine")
BOOK = str(Path(__file__).parent / "cases/book.xlsx")
DAY = datetime.date(2026, 11, 1)


def test_sheets_are_tables(tmp_path: Path) -> None:
    context = load("t", f"{BOOK}::Orders")
    assert str(context.schema) == "table(id: int, sent: date, amount: float, note: text?)"
    assert [list(row.values()) for row in cells(context)] == [
        [1, DAY, 19.99, "Größe"],
        [2, datetime.date(2026, 11, 2), 5.0, None],
    ]
    assert load("t", BOOK, options=ReadingOptions(sheet="Users")).schema.names == ("user", "team")
    result = rlm_dsl.run("answer t | where(sent == @2026-11-02)", {"t": f"{BOOK}::Orders"}, trace=tmp_path / "a.trace")
    (span,) = result.evidence[0].spans
    assert (span.source, span.first_line, span.start) == (BOOK, 3, None)
    assert rlm_dsl.verify(tmp_path / "a.trace").ok


def test_which_sheet_is_said_where_there_are_several(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has 2 sheets, not one: Orders, Users") as told:
        load("t", BOOK)
    assert told.value.hint == f"say which: {BOOK}::Orders"
    with pytest.raises(UserError, match="has no sheet `User`") as told:
        load("t", f"{BOOK}::User")
    assert told.value.hint == "did you mean `Users`?"
    one = written(tmp_path, "a.xlsx", workbook({"empty": [], "data": [["a"], [1]]}))
    assert load("t", one).count == 1
    with pytest.raises(UserError, match="the sheet `empty` is empty"):
        load("t", f"{one}::empty")
    with pytest.raises(UserError, match="is no spreadsheet, or a broken one"):
        load("t", written(tmp_path, "b.xlsx", b"text"))


def test_cells_are_what_they_are(tmp_path: Path) -> None:
    at = datetime.datetime(2026, 11, 1, 12, 30)
    rows = [
        ["n", "f", "b", "day", "at", "both", "mixed", "none", "01", None, "a\nb"],
        [1, 1, True, DAY, at, DAY, 5, None, "01234", None, "x"],
        [2.0, 1.5, False, DAY, at, at, "x", None, "2", 7, None],
        [None] * 11,
        [2**60, None, None, None, None, None, 1.25, None, None, None, None],
    ]
    context = load("t", written(tmp_path, "a.xlsx", workbook({"s": rows})))
    types = [str(field.type) for field in context.schema.columns]
    assert types == [
        "float",
        "float?",
        "bool?",
        "date?",
        "timestamp?",
        "timestamp?",
        "text",
        "text?",
        "text?",
        "int?",
        "text?",
    ]
    assert column(context, "mixed") == ["5", "x", "1.25"] and column(context, "#line") == [2, 3, 5]
    assert context.schema.names[-2:] == ("column_10", "a b") and "1 blank rows were passed over" in notes(context)


def test_titles_above_the_header_are_passed_over_and_said(tmp_path: Path) -> None:
    rows = [["Orders of November"], [None], ["id", "amount", "note"], [1, 2.5, "x"]]
    path = written(tmp_path, "a.xlsx", workbook({"s": rows}, merged=["A1:C1"]))
    context = load("t", path)
    assert context.schema.names == ("id", "amount", "note") and column(context, "#line") == [4]
    assert notes(context) == "the header is row 3: above it are titles (merged): 'Orders of November'"
    assert load("t", path, options=ReadingOptions(header="3")).notes == ()
    assert load("t", path, options=ReadingOptions(skip=2)).schema.names == ("id", "amount", "note")
    bare = written(tmp_path, "b.xlsx", workbook({"s": [[1, "x"], [2, "y"]]}))
    assert load("t", bare, options=ReadingOptions(header="no")).count == 2


def test_books_of_a_folder_are_one_table(tmp_path: Path) -> None:
    written(tmp_path, "d/a.xlsx", workbook({"Orders": [["id", "zip"], [1, 12345]], "Notes": [["x"], ["y"]]}))
    written(tmp_path, "d/b.xlsx", workbook({"Orders": [["id", "zip"], [2.5, "01234"]]}))
    store_context("t", f"{tmp_path}/d::Orders", tmp_path / "t.rlmctx")
    context = load("t", f"{tmp_path}/d::Orders")
    assert [list(row.values()) for row in cells(context)] == [["a.xlsx", 1.0, "12345"], ["b.xlsx", 2.5, "01234"]]
    written(tmp_path, "d/c.xlsx", workbook({"Orders": [["id", "zip"], [3, "x"]]}))
    assert refresh_context(tmp_path / "t.rlmctx")[1] == 1


def test_what_would_unpack_without_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(1 << 20))
    path = written(tmp_path, "a.xlsx", held.getvalue())
    monkeypatch.setattr(unpacking, "UNSUSPECTED", 1 << 10)
    with pytest.raises(UserError, match=r"would unpack 1,0\d\d bytes into 1,048,576"):
        load("t", path)
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1 << 10)
    with pytest.raises(UserError, match="would unpack into"):
        load("t", BOOK)
