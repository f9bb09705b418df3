"""What a program declares of data that has other types: every value that fits is read, any other is null and told.

In: small tables of every format. Out: nothing but a verdict. Law: no value is changed to fit.
"""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.arrow_types import arrow_type
from rlm_dsl.context.columns.declared_values import reader_of
from rlm_dsl.context.context import Context
from rlm_dsl.context.loading import load
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TEXT, TIMESTAMP, ListOf, Type
from rlm_dsl.language.types import Decimal as DecimalType
from tests.support.contexts import column, notes, written
from tests.support.optional import needs
from tests.support.workbooks import workbook


def declared(path: str, columns: str) -> Context:
    return load("t", path, declared=parse_table_type(f"table({columns})"))


@needs("python_calamine")
def test_a_sheet_s_numbers_may_be_declared_exact(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["id", "price", "sent"],
        [1, 19.99, datetime.date(2026, 11, 3)],
        [2, 0.1 + 0.2, None],
        [3, 1.005, None],
    ]
    path = written(tmp_path, "a.xlsx", workbook({"t": rows}))
    context = declared(path, "price: decimal(2), id: text, sent: date")
    assert column(context, "price") == [Decimal("19.99"), Decimal("0.30"), None] and column(context, "id") == [
        "1",
        "2",
        "3",
    ]
    assert context.notes == (
        "1 rows have a cell that does not fit `price: decimal(2)` (null), first in line 4",
        "2 rows have a cell that does not fit `sent: date` (null), first in line 3, 4",
    )
    program = "context t: table(price: decimal(2))\nanswer t | where(price == 19.99) | count()"
    assert rlm_dsl.run(program, {"t": path}).value == 1
    with pytest.raises(UserError, match=r"`sent` is date\? and not int$|`sent` is date\? and not int\n"):
        declared(path, "sent: int")


def test_what_a_row_of_json_has_not_is_null_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"a": 1, "b": "19.99"}\n{"b": "x"}\n{"a": 2.5, "b": ""}\n')
    context = declared(path, "a: int, b: decimal(2)")
    assert column(context, "a") == [1, None, None] and column(context, "b") == [Decimal("19.99"), None, None]
    assert "2 rows have a cell that does not fit `a: int` (null), first in line 2, 3" in context.notes
    assert "2 rows have a cell that does not fit `b: decimal(2)` (null), first in line 2, 3" in context.notes
    assert "a: int?" in str(load("t", path, declared=parse_table_type("table(a: int?)")).schema)
    assert notes(declared(path, "a: int?")) == "1 rows have a cell that does not fit `a: int?` (null), first in line 3"


def test_all_that_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", json.dumps([{"a": [1], "b": "x", "c": 1}, {"a": [2], "b": "y", "c": 2}]))
    with pytest.raises(UserError) as told:
        declared(path, "a: int, b: int, c: int, d: text")
    assert told.value.message.endswith(
        "`a` is list[int] and not int; `b` is text and not int: 2 rows do not fit, first in line 1 with 'x'; "
        "there is no column `d`"
    )


def test_rows_that_are_kept_on_disk_are_those_in_memory(tmp_path: Path) -> None:
    path = written(
        tmp_path, "a.jsonl", "".join(json.dumps({"a": str(n), "b": n}) + "\n" for n in range(9)) + '{"a": "x"}\n'
    )
    wanted = parse_table_type("table(a: int, b: float)")
    program = "context t: table(a: int, b: float)\nanswer {a: t | sum(a), b: t | sum(b), n: count(t)}"
    kept = store_context("t", path, tmp_path / "t.rlmctx", declared=wanted)
    plain = load("t", path, declared=wanted)
    assert kept.digest == plain.digest and kept.notes == plain.notes and kept.schema == plain.schema
    assert (
        rlm_dsl.run(program, {"t": kept}).value
        == rlm_dsl.run(program, {"t": path}).value
        == {"a": 36, "b": 36.0, "n": 10}
    )


AT = datetime.datetime(2026, 11, 3)
READ: tuple[tuple[Type, Type, list[Any], list[Any] | None], ...] = (
    (
        FLOAT,
        DecimalType(2),
        [19.99, 0.1 + 0.2, 1.005, 1e40, float("nan"), None],
        [Decimal("19.99"), Decimal("0.30"), None, None, None, None],
    ),
    (FLOAT, INT, [2.0, 2.5, 1e300, float("inf")], [2, None, None, None]),
    (DecimalType(3), DecimalType(1), [Decimal("1.500"), Decimal("1.250")], [Decimal("1.5"), None]),
    (DecimalType(2), INT, [Decimal("7.00"), Decimal("7.10"), Decimal("1e30")], [7, None, None]),
    (INT, FLOAT, [3], [3.0]),
    (INT, DecimalType(1), [3], [Decimal("3.0")]),
    (TIMESTAMP, DATE, [AT, AT.replace(hour=1)], [AT.date(), None]),
    (DATE, TIMESTAMP, [AT.date()], None),
    (DATE, TEXT, [AT.date()], ["2026-11-03"]),
    (TIMESTAMP, TEXT, [AT], ["2026-11-03 00:00:00"]),
    (BOOL, TEXT, [True, None], ["true", None]),
    (FLOAT, TEXT, [12.0, 1.5], ["12", "1.5"]),
    (DecimalType(2), TEXT, [Decimal("1.50")], ["1.50"]),
    (TEXT, BOOL, ["true", "maybe"], [True, None]),
    (BOOL, INT, [True], None),
    (INT, DATE, [3], None),
    (ListOf(INT), TEXT, [[1]], None),
)


@pytest.mark.parametrize(("found", "wanted", "values", "read"), READ, ids=[f"{a} as {b}" for a, b, *_ in READ])
def test_values_as_another_type(found: Type, wanted: Type, values: list[Any], read: list[Any] | None) -> None:
    import pyarrow as pa

    reader = reader_of(found, wanted)
    assert (reader is None) == (read is None)
    if reader is None or read is None:
        return
    made, wrong = reader(pa.array(values, arrow_type(found)))
    assert made.to_pylist() == read
    assert wrong == [place for place, value in enumerate(values) if value is not None and read[place] is None]
