"""Totals among the rows of a table: told, and left out where that is said, before types are found.

In: small tables of every format that may end in one. Out: nothing but a verdict. Law: what is left out is what is told.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal as Exact
from pathlib import Path

import pytest

from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions, options_of
from rlm_dsl.context.rows.totals import all_but_last, is_total, label_of
from rlm_dsl.language.types import INT, TEXT, Decimal, Field, Table
from tests.support.contexts import cells, column, notes, written
from tests.support.optional import needs
from tests.support.workbooks import workbook

TOLD = "the last row looks like a total"
ROWS = [["id", "amount"], [1, 10.5], [2, 20.0], ["Total", 30.5]]


def arrow(rows: list[list[object]], form: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = pa.table({str(name): [row[n] for row in rows[1:]] for n, name in enumerate(rows[0])})
    held = io.BytesIO()
    if form == "parquet":
        pq.write_table(made, held, row_group_size=1)
    else:
        with pa.ipc.new_file(held, made.schema) as writer:
            writer.write_table(made, max_chunksize=1)
    return held.getvalue()


NAMED = [["id", "amount"], ["a", 10.5], ["b", 20.0], [None, 30.5]]
FORMATS: dict[str, tuple[Callable[[], bytes | str], list[object]]] = {
    "a.csv": (lambda: "id,amount\n1,10.5\n2,20\nTotal,30.5\n", [1, 2]),
    "a.tsv": (lambda: "id\tamount\n1\t10.5\n2\t20\n\t30.5\n\n", [1, 2]),
    "b.csv": (lambda: "id;amount\r\n1;10,5\r\n2;1.020\r\nSumme;1.030,50\r\n", [1, 2]),
    "a.xlsx": (lambda: workbook({"t": ROWS}), [1, 2]),
    "b.xlsx": (lambda: workbook({"t": [["Report"], *ROWS[:-1], [None, 30.5], [None]]}), [1, 2]),
    "a.json": (lambda: '[{"id": 1, "amount": 1}, {"id": 2, "amount": 2}, {"id": "Grand total", "amount": 3}]', [1, 2]),
    "a.jsonl": (lambda: '{"id": 1, "amount": 1}\n{"id": 2, "amount": 2}\n{"id": "Totale", "amount": 3}\n', [1, 2]),
    "a.parquet": (lambda: arrow(NAMED, "parquet"), ["a", "b"]),
    "a.arrow": (lambda: arrow(NAMED, "arrow"), ["a", "b"]),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=needs("python_calamine")) if "xlsx" in n else n for n in FORMATS]
)
def test_a_total_at_the_end_is_told_and_left_out_where_that_is_said(tmp_path: Path, name: str) -> None:
    content, ids = FORMATS[name]
    path = written(tmp_path, name, content())
    kept = load("t", path)
    assert kept.count == 3 and f"{TOLD} (" in notes(kept) and "totals=no leaves it out" in notes(kept)
    assert TOLD not in notes(load("t", path, options=ReadingOptions(totals="yes")))
    for options in (ReadingOptions(totals="no"), ReadingOptions(skip_last=1)):
        left = load("t", path, options=options)
        assert column(left, "id") == ids and TOLD not in notes(left)
        assert ("left out as a total" in notes(left)) == bool(options.totals)
    assert column(load("t", path, options=ReadingOptions(skip_last=2)), "id") == ids[:1]
    assert load("t", path, options=ReadingOptions(skip_last=9)).count == 0


def test_in_many_files_each_loses_its_own(tmp_path: Path) -> None:
    for month, more in enumerate((5, 7), 1):
        written(tmp_path, f"{month}.csv", f"id,amount\n1,10\n2,{more}\nTotal,{10 + more}\n")
    written(tmp_path, "3.csv", "id,amount\n1,10\n2,5\n")
    assert f"1.csv, 2.csv: {TOLD} (`Total`): totals=no leaves it out" in load("t", str(tmp_path)).notes
    left = load("t", str(tmp_path), options=ReadingOptions(totals="no"))
    assert column(left, "id") == [1, 2, 1, 2, 1, 2] and sum(column(left, "amount")) == 47  # type: ignore[arg-type]


SPELLED: dict[str, tuple[str, dict[str, object], str]] = {
    "unit and thousands": (
        'id,amount\n1,"$1,250.75"\n2,$5.00\nTotal,"$1,255.75"\n',
        {"units": ["$"], "thousands": ","},
        "1255.75",
    ),
    "unit and decimal": (
        "id;amount\n1;1250,75 €\n2;5,00 €\nSumme;1255,75 €\n",
        {"units": ["€"], "decimal": ","},
        "1255.75",
    ),
    "unit and points": (
        "id;amount\n1;1.250,75 €\n2;5,00 €\nSumme;1.255,75 €\n",
        {"units": ["€"], "thousands": "."},
        "1255.75",
    ),
    "word": (
        'id,amount\n1,"USD 1,250.75"\n2,USD 5.00\n,"USD 1,255.75"\n',
        {"units": ["USD"], "thousands": ","},
        "1255.75",
    ),
    "brackets": ("id,amount\n1,$5.00\n2,($5.50)\nTotal,($0.50)\n", {"units": ["$", "()"]}, "-0.50"),
    "percent": ('id;amount\n1;"12,5 %"\n2;"1,5 %"\nTotal sales;"14,0 %"\n', {"units": ["%"], "decimal": ","}, "14.0"),
    "apostrophes": ("id,amount\n1,1'250.75\n2,5.00\nTotal,1'255.75\n", {"thousands": "'"}, "1255.75"),
    "other quotes": (
        "id,amount\n1,'$1,250.75'\n2,$5.00\nTotal,'$1,255.75'\n",
        {"quote": "'", "units": ["$"], "thousands": ","},
        "1255.75",
    ),
    "null words": ("id,amount\n1,1.5\n2,2.5\n-,4.0\n", {"nulls": ["-"]}, "4.0"),
    "a group": (
        'id,amount\nn,"$1,250.75"\nn,$5.00\nn Total,"$1,255.75"\n',
        {"units": ["$"], "thousands": ","},
        "1255.75",
    ),
}


@pytest.mark.parametrize("name", SPELLED)
@pytest.mark.parametrize("declared", (False, True))
def test_a_total_is_found_however_amounts_are_spelled(tmp_path: Path, name: str, declared: bool) -> None:
    content, said, total = SPELLED[name]
    path = written(tmp_path, "a.csv", content)
    schema = Table((Field("id", TEXT if name == "a group" else INT), Field("amount", Decimal(2)))) if declared else None
    kept, left = (
        load("t", path, options=options_of({**said, **more}), declared=schema) for more in ({}, {"totals": "no"})
    )
    assert kept.count == 3 and TOLD in notes(kept)
    assert left.count == 2 and "left out as a total" in notes(left)
    assert sum(column(left, "amount")) == Exact(total)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amounts", "is_one"),
    (
        *(
            (cell, True)
            for cell in (
                "$1,250.75",
                "($5.50)",
                "1.250,75 €",
                "1'250",
                "5.50-",
                "−5",
                "1,250.75 CR",
                "$1.2M",
                "38:30",
                "CHF 5.–",
                "approx. A$ 5",
                "1 234 Stück",
            )
        ),
        *((cell, False) for cell in ("2026-11-03", "03.11.2026", "B-12", "12-34", "5b2c", "n/a", "see page 7")),
    ),
)
def test_an_amount_that_no_option_reads_hides_no_total(amounts: str, is_one: bool) -> None:
    above = [["1", amounts], ["2", "$5.00 or 5 €"]]
    assert is_total(above, ["Total", amounts], True) == is_one and not is_total(above, ["d", amounts], True)


ABOVE = [["a", 1, 2.5], ["b", 2, 2.5], ["c", 5, 1.0]]
LAST = (
    (["Total", 8, None], True),
    (["TOTAL:", 8, 6.0], True),
    (["Gesamt (EUR)", "8", ""], True),
    (["Total general", 8, None], True),
    (["Total 2026-11", 8, None], True),
    (["Zwischensumme", "", 6.0], True),
    (["合计", 8, 6.0], True),
    (["", 8, 6.0], True),
    (["Alles", 8, 6.0], True),
    (["Total Wine & More", 3, 9.5], False),
    (["Total Wine & More", 8, 9.5], True),
    (["Summer", 3, 9.5], False),
    (["Meantime", 8, 1.0], False),
    (["Totality", 3, 9.5], False),
    (["", 4, 9.5], False),
    (["d", 8, 9.5], False),
    (["Total", None, None], False),
    (["d", 8, float("nan")], True),
)


@pytest.mark.parametrize(("last", "is_one"), LAST, ids=[str(last) for last, _ in LAST])
def test_what_a_total_is(last: list[object], is_one: bool) -> None:
    assert is_total(ABOVE, last, True) == is_one


def test_where_not_all_rows_are_known_a_label_or_a_blank_first_cell_tells() -> None:
    assert is_total(ABOVE, ["Total", 800, 600.0], False) and is_total(ABOVE, ["", 800, 600.0], False)
    assert not is_total(ABOVE, ["d", 8, 6.0], False)
    assert not is_total(ABOVE[:1], ["Total", 1, 2.5], True)
    wide: list[list[object]] = [["a", "b", "c", n] for n in range(3)]
    assert not is_total(wide, ["", "b", "c", 7], False) and not is_total(wide, ["a", "", "", 7], False)
    assert is_total(wide, ["", "", "c", 7], False)
    assert [label_of(cell) for cell in ("Sum", "sum: ", "Total sales", "Sumatra", 7)] == ["", "", " sales", None, None]


def test_a_balance_of_single_numbers_is_a_total_and_one_of_them_alone_is_none() -> None:
    above: list[list[object]] = [["01.11.", 1000, None], ["02.11.", None, 250], ["03.11.", None, None]]
    assert is_total(above, [None, 1000, 250], True)
    assert not is_total(above, [None, 1000, 251], True) and not is_total(above, [None, 1000, None], True)


def test_subtotals_among_the_rows_are_told_with_what_leaves_them_out(tmp_path: Path) -> None:
    import rlm_dsl

    lines = "region,kind,amount\nn,a,1\nn,b,2\nSubtotal,,3\ns,a,4\ns,b,5\nSubtotal,,9\nw,a,7\nw,b,1\n"
    path = written(tmp_path, "a.csv", lines)
    assert load("t", path).notes == (
        '2 rows among the others look like totals, first in line 4: where(region != "Subtotal") leaves out such rows',
    )
    assert rlm_dsl.run('answer t | where(region != "Subtotal") | sum(amount)', {"t": path}).value == 20
    grouped = "region,amount\nn,$1\nn,$2\nn Total,$3\ns,$4\ns Total,$4\nGrand Total,$7\n"
    told = 'first in line 4: where(region != "n Total" and region != "s Total") leaves out such rows'
    path = written(tmp_path, "c.csv", grouped)
    assert f"2 rows among the others look like totals, {told}" in notes(load("t", path))
    where = 'answer t | where(region != "n Total" and region != "s Total") | sum(amount)'
    options = ReadingOptions(totals="no", units=("$",))
    assert rlm_dsl.run(where, {"t": load("t", path, options=options)}).value == 7
    statistics = written(tmp_path, "b.csv", "what,value\nmean,1\nsum,2\nmax,7\n")
    assert not load("t", statistics).notes


def test_rows_at_the_end_are_left_out_however_they_are_cut() -> None:
    rows = list(range(7))
    for size in (1, 2, 3, 7):
        parts = [rows[at : at + size] for at in range(0, 7, size)]
        for count in range(9):
            left = all_but_last(iter(parts), count, len, lambda part, few: part[:few])
            assert [row for part in left for row in part] == rows[: max(0, 7 - count)]


def test_lines_at_the_end_are_counted_without_blank_ones_and_comments(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a,b\n1,2\n3,4\nSource: X\n\n# end\n")
    assert cells(load("t", path, options=ReadingOptions(skip_last=1, comment="#"))) == [
        {"a": 1, "b": 2},
        {"a": 3, "b": 4},
    ]


def test_rows_of_a_page_s_tables_that_are_totals_are_counted(tmp_path: Path) -> None:
    page = "<table><tr><td>a<td>1<tr><td>b<td>2<tr><td>Total<td>3</table><p>Total\t3<table><tr><td>Summe<td>x</table>"
    told = notes(load("t", written(tmp_path, "a.html", page), format="html"))
    assert told == "1 rows of tables look like totals of those above them: leave them out where you sum"
