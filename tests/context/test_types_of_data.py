"""What values of data become: money, ids, offsets from UTC, every type of Arrow, tables of Python."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy
import pandas
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import rlm_dsl
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.context.columns.declared_cells import read_cells
from rlm_dsl.context.columns.number_shape import shape_of_texts
from rlm_dsl.context.loading import load
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TIMESTAMP, Field, Table, Type, nullable
from rlm_dsl.language.types import Decimal as DecimalType
from tests.support.contexts import column, written

CASES = Path(__file__).parent / "cases"


def run(program: str, **contexts: Any) -> Any:
    return rlm_dsl.run(program, contexts).value


# ---- the cases ----


def test_money_is_added_exactly_and_found(tmp_path: Path) -> None:
    path = str(CASES / "money.csv")
    program = "answer {total: sum(t, amount), hit: t | where(amount == 19.99) | count(), all: t | sort(-amount)}"
    result = rlm_dsl.run(program, {"t": path}, trace=tmp_path / "a.trace")
    assert (result.value["total"], result.value["hit"]) == ("26.44", 1)
    assert [row["amount"] for row in result.value["all"]] == ["19.99", "5.00", "1.15", "0.20", "0.10"]
    assert rlm_dsl.verify(tmp_path / "a.trace").ok
    assert rlm_dsl.rerun(tmp_path / "a.trace").result.value == result.value
    kept = rlm_dsl.load(path, to=tmp_path / "m.rlmctx")
    assert str(kept.schema) == "table(item: text, amount: decimal(2))"
    assert rlm_dsl.run(program, {"t": str(tmp_path / "m.rlmctx")}).value == result.value


def test_decimals_of_parquet_stay_exact() -> None:
    path = str(CASES / "decimal.parquet")
    program = "answer {total: sum(t, price), hit: t | where(price == 19.99) | count(), twice: sum(t, price * 2.0)}"
    assert run(program, t=path) == {"total": "21.71", "hit": 1, "twice": "43.42"}


def test_ids_stay_as_they_are_written() -> None:
    assert run('answer t | where(sku == "1e5") | select(sku, qty)', t=str(CASES / "ids.csv")) == [
        {"sku": "1e5", "qty": 1}
    ]


def test_an_offset_from_utc_is_read() -> None:
    program = r"""
    a = t | extract(r"^(?P<m>.*)$", on=at, types={m: timestamp})
    b = t | derive(j=format("\{{\"m\": \"{}\"}}", at)) | parse_json(types={m: timestamp}, on=j)
    c = t | derive(m=to_timestamp(at, "%Y-%m-%dT%H:%M:%S%z"), text=concat(to_timestamp(at, "%Y-%m-%dT%H:%M:%S%z")))
    answer {a: values(a, m), b: values(b, m), c: values(c, m), text: values(c, text)}
    """.replace(r"\{{", "{{")
    meant = ["2024-03-31T00:30:00", "2024-03-31T07:30:00", "2024-03-31T02:30:00"]
    found = run(program, t=str(CASES / "offset.csv"))
    assert found == {"a": meant, "b": meant, "c": meant, "text": [moment.replace("T", " ") for moment in meant]}


def test_decimals_of_json_have_every_digit_that_is_written(tmp_path: Path) -> None:
    """In files and in texts, in lists and records too, where words in quotes look like numbers."""
    held = r"""{"v": 1234567890.12345678901234567890, "l": [0.12345678901234567890123456789, 1.5, "2.25", null, 15e-1],
    "r": [{"x": -1.2345678901234567890123456789, "y": ["1.5,"]}], "s": "\", 1.23456789012345678901, \\"}"""
    meant = {
        "v": "1234567890.12345678901234567890",
        "l": ["0.12345678901234567890123456789", *(f"{head:0<31}" for head in ("1.5", "2.25")), None, f"{'1.5':0<31}"],
        "r": [{"x": "-1.2345678901234567890123456789", "y": '["1.5,"]'}],
        "s": '", 1.23456789012345678901, \\',
    }
    types = "v: decimal(20), l: list[decimal(29)], r: list[{x: decimal(28), y: text}], s: text"
    assert run(f"answer t | parse_json(types={{{types}}}) | select(v, l, r, s)", t=[{"x": held}]) == [meant]
    path = written(tmp_path, "a.json", held)
    assert run("answer t | select(v, r) | explode(r) | select(v, x)", t=path) == [
        {"v": meant["v"], "x": "-1.2345678901234567890123456789"}
    ]


def test_a_parquet_file_is_never_refused_for_one_column() -> None:
    context = load("t", str(CASES / "types.parquet"))
    assert str(context.schema) == (
        "table(id: int, blob: text, tod: text, took: text, attrs: list[{key: text, value: text}], "
        "big: decimal(0), at: timestamp)"
    )
    assert (column(context, "tod"), column(context, "took")) == (["08:30:00", "17:00:00"], ["90", "7200"])
    assert column(context, "big") == [Decimal(2**64 - 1), Decimal(5)]
    assert len(context.notes) == 5 and run("answer count(t)", t=context) == 2


# ---- which type a column of numbers has ----

NUMBERS: dict[str, tuple[list[str], str]] = {
    "prices": (["19.99", "5.00"], "decimal(2)"),
    "prices with a whole one": (["19.99", "5"], "decimal(2)"),
    "prices of different digits": (["19.9", "0.125"], "decimal(3)"),
    "one odd cell among prices": (["19.99", "5.00", "59.970000000000006"], "decimal(15)"),
    "what a program prints of floats": (["0.30000000000000004", "0.1428571428571428"], "float"),
    "more digits than a float holds": (["1.000000000000000000000001", "2.5"], "decimal(24)"),
    "an exponent": (["19.99", "1e-7"], "float"),
    "exponents as ids have them": (["1e5", "12E3", "7"], "text"),
    "exponents as printers write them": (["1e+16", "2"], "float"),
    "whole numbers": (["1", "-2"], "int"),
    "leading zeros": (["0012", "1.5"], "text"),
    "long ids": (["12345678901234567890", "1"], "text"),
    "more digits than any number holds": (["1234567890123456789012345678901234567.25", "1.5"], "text"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_the_cells_show_what_a_column_of_numbers_is(tmp_path: Path, case: str) -> None:
    """In whatever order, and the same from JSON where JSON can say it."""
    cells, type_ = NUMBERS[case]
    for order in (cells, cells[::-1]):
        context = load("t", written(tmp_path, "t.csv", "\n".join(["x", *order]) + "\n"))
        assert str(context.schema.column("x")) == type_
        if type_.startswith("decimal"):
            assert [float(value) for value in column(context, "x")] == [float(cell) for cell in order]  # type: ignore[arg-type]
        if type_ in ("float", "int") or type_.startswith("decimal"):
            lines = "".join(f'{{"x": {cell}}}\n' for cell in order)
            assert str(load("t", written(tmp_path, "t.jsonl", lines)).schema.column("x")) == type_


def test_shapes_of_parts_are_the_shape_of_the_whole() -> None:
    for cells, _ in NUMBERS.values():
        whole = shape_of_texts(pa.array(cells, pa.large_string()))
        parts = [shape_of_texts(pa.array([cell], pa.large_string())) for cell in reversed(cells)]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined.and_also(part)
        assert joined == whole


# ---- what is declared ----

DECLARED: list[tuple[Type, str, Any]] = [
    (DecimalType(2), " 19.9 ", Decimal("19.90")),
    (DecimalType(2), "19.990", Decimal("19.99")),
    (DecimalType(2), "-.5", Decimal("-0.50")),
    (DecimalType(2), "1.005", None),
    (DecimalType(2), "1e3", None),
    (DecimalType(2), "1" * 37, None),
    (INT, "0012", 12),
    (INT, "1.0", None),
    (INT, "9" * 30, None),
    (FLOAT, "1e5", 1e5),
    (FLOAT, "1e400", None),
    (FLOAT, "-Infinity", float("-inf")),
    (BOOL, "TRUE", True),
    (BOOL, "yes", None),
    (DATE, "2024-02-29", datetime.date(2024, 2, 29)),
    (DATE, "2023-02-29", None),
    (TIMESTAMP, "2024-03-31T02:30:00-0500", datetime.datetime(2024, 3, 31, 7, 30)),
    (TIMESTAMP, "2024-03-31 02:30+02", datetime.datetime(2024, 3, 31, 0, 30)),
    (TIMESTAMP, "2024-03-31T02:30:00.1234567Z", datetime.datetime(2024, 3, 31, 2, 30, 0, 123456)),
    (TIMESTAMP, "2024-03-31", datetime.datetime(2024, 3, 31)),
    (TIMESTAMP, "0001-01-01T00:00:00+01:00", None),
    (TIMESTAMP, "2024-03-31T02:30:00+25:00", None),
    (TIMESTAMP, "infinity", None),
]


def test_a_text_is_read_as_declared_in_data_as_in_programs() -> None:
    for type_, cell, meant in DECLARED:
        values, wrong = read_cells(pa.array([cell, None], pa.large_string()), type_)
        assert values.to_pylist() == [meant, None] and wrong == ([0] if meant is None else []), (type_, cell)
    alike = [(n, *each) for n, each in enumerate(DECLARED) if "Infinity" not in each[1]]
    parts = [
        f'v{n}: t | extract(r"(?s)^(?P<v>.*)$", on=c{n}, types={{v: {type_}}}) | values(v)' for n, type_, *_ in alike
    ]
    rows = [{f"c{n}": cell for n, _, cell, _ in alike}, {f"c{n}": "?" for n, *_ in alike}]
    found = run(f"answer {{{', '.join(parts)}}}", t=rows)
    for n, type_, cell, meant in alike:
        assert (found[f"v{n}"][0] is not None) == (meant is not None), (type_, cell, found[f"v{n}"])


def test_texts_are_cast_to_what_a_program_declares_and_what_does_not_fit_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "id,sku,at\n1,1e5,2024-03-31T02:30:00+02:00\n2,12E3,\n")
    declared = Table((Field("sku", FLOAT), Field("at", nullable(TIMESTAMP)), Field("id", DecimalType(2))))
    context = load("t", path, declared=declared)
    assert column(context, "sku") == [1e5, 12e3] and column(context, "id") == [Decimal("1.00"), Decimal("2.00")]
    assert column(context, "at") == [datetime.datetime(2024, 3, 31, 0, 30), None]
    with pytest.raises(
        UserError, match=r"`sku` is text and not decimal\(2\): 2 rows do not fit, first in line 2 with '1e5'"
    ):
        load("t", path, declared=Table((Field("sku", DecimalType(2)),)))


def test_a_program_that_declares_floats_still_runs_on_floats(tmp_path: Path) -> None:
    """As programs of runs before there were decimals do: each float is the nearest to its cell."""
    path = written(tmp_path, "t.csv", "x\n19.90\n90071992547409.93\n12345678901234567890.12\n")
    program = "context t: table(x: float)\nanswer values(t, x)"
    assert run(program, t=path) == [19.9, 90071992547409.93, 12345678901234567890.12]


# ---- exactness ----

digits = st.integers(-(10**12), 10**12)
numbers = st.builds(lambda n, scale: Decimal(n).scaleb(-scale), digits, st.integers(0, 6))


@settings(max_examples=6, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8), st.integers(1, 6), st.integers(1, 6))
def test_decimals_compute_as_pythons_do(pairs: list[tuple[Decimal, Decimal]], one: int, other: int) -> None:
    with localcontext(prec=200):
        rows = [(a.quantize(Decimal(1).scaleb(-one)), b.quantize(Decimal(1).scaleb(-other))) for a, b in pairs]
        table = pa.table(
            {
                "a": pa.array([a for a, _ in rows], pa.decimal128(30, one)),
                "b": pa.array([b for _, b in rows], pa.decimal128(30, other)),
            }
        )
        found = run(
            "answer {rows: t | select(plus=a + b, minus=a - b, times=a * b, whole=a // b, rest=a % b, same=a == b, "
            "less=a < b, most=greatest(a, b), near=round(a, 1), among=a in [b, 0.5], within=a between b and 100, "
            "ratio=a / b), all: sum(t, a), mean: avg(t, b), joined: t | join(t | select(a=b), on=a) | count()}",
            t=table,
        )
        for (a, b), row in zip(rows, found["rows"], strict=True):
            assert Decimal(row["plus"]) == a + b and Decimal(row["minus"]) == a - b and Decimal(row["times"]) == a * b
            assert (row["same"], row["less"]) == (a == b, a < b)
            assert Decimal(row["most"]) == max(a, b) and row["among"] == (a in (b, Decimal("0.5")))
            assert row["within"] == (b <= a <= 100)
            assert Decimal(row["near"]) == a.quantize(Decimal(1).scaleb(-min(1, one)), "ROUND_HALF_UP")
            assert len(row["plus"].partition(".")[2]) == max(one, other)
            if b == 0:
                assert row["whole"] is row["rest"] is row["ratio"] is None
            else:
                whole = (a / b).to_integral_value("ROUND_FLOOR")
                assert (Decimal(row["whole"]), Decimal(row["rest"])) == (whole, a - whole * b)
                assert row["ratio"] == float(a) / float(b)
        assert Decimal(found["all"]) == sum(a for a, _ in rows)
        assert found["mean"] == float(sum(b for _, b in rows)) / len(rows)
        assert found["joined"] == sum(a == b for a, _ in rows for _, b in rows)


REFUSED = {
    "t | derive(x=p * p * p * p)": "has more digits than a decimal holds",
    "t | derive(x=round(p, n))": "`digits` must be a whole number",
    "t | derive(x=to_decimal(p, 39))": "`digits` must be a whole number",
    't | where(p == "1")': "cannot be compared",
    "t | extract(r'(?P<v>.)', on=s, types={v: decimal(10, 2)})": "told by its digits after the point alone",
    "t | derive(x=to_decimal(m, 12) * m * m)": "left the range of 38 digits",
}


def test_what_no_decimal_holds_is_told() -> None:
    price = pa.array([Decimal("1.5")], pa.decimal128(38, 12))
    table = pa.table({"p": price, "n": [1], "s": ["x"], "m": [9 * 10**18]})
    for steps, says in REFUSED.items():
        with pytest.raises((ProgramError, UserError), match=says):
            run(f"answer {steps}", t=table)


# ---- tables of Python ----

MOMENT = datetime.datetime(2024, 3, 31, 2, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))


@dataclass
class Order:
    sku: str
    amount: Decimal


class Model(BaseModel):
    sku: str
    amount: Decimal


class Pair(NamedTuple):
    sku: str
    amount: Decimal


class Dataset:
    """As a data set of Hugging Face hands itself over."""

    def __init__(self, table: pa.Table) -> None:
        self.data = type("Held", (), {"table": table})()


def orders() -> Iterator[dict[str, Any]]:
    yield {"sku": "a", "amount": Decimal("19.99")}
    yield {"sku": "b", "amount": Decimal("5")}


ARROW = pa.table({"sku": ["a", "b"], "amount": pa.array([Decimal("19.99"), Decimal(5)], pa.decimal128(10, 2))})
SAME: dict[str, Any] = {
    "a list of dicts": lambda: list(orders()),
    "a generator": orders,
    "a dict of lists": lambda: {"sku": ["a", "b"], "amount": [Decimal("19.99"), Decimal(5)]},
    "a dict of arrays": lambda: {
        "sku": numpy.array(["a", "b"]),
        "amount": pandas.Series([Decimal("19.99"), Decimal(5)]),
    },
    "dataclasses": lambda: [Order(**row) for row in orders()],
    "models": lambda: (Model(**row) for row in orders()),
    "named tuples": lambda: [Pair(**row) for row in orders()],
    "an Arrow table": lambda: ARROW,
    "a reader of batches": lambda: ARROW.to_reader(),
    "a batch": lambda: ARROW.to_batches()[0],
    "pandas": lambda: pandas.DataFrame(list(orders())),
    "pandas categories": lambda: ARROW.to_pandas().astype({"sku": "category"}),
    "polars": lambda: polars.from_arrow(ARROW),
    "polars categories": lambda: polars.from_arrow(ARROW).with_columns(polars.col("sku").cast(polars.Categorical)),  # type: ignore[union-attr]
    "polars enums": lambda: polars.from_arrow(ARROW).with_columns(polars.col("sku").cast(polars.Enum(["a", "b"]))),  # type: ignore[union-attr]
    "a lazy frame": lambda: polars.from_arrow(ARROW).lazy(),  # type: ignore[union-attr]
    "a relation": lambda: duckdb.sql("SELECT * FROM (VALUES ('a', 19.99::DECIMAL(10, 2)), ('b', 5)) t(sku, amount)"),
    "a data set": lambda: Dataset(ARROW),
    "a dictionary of Arrow": lambda: ARROW.set_column(0, "sku", pc.dictionary_encode(ARROW["sku"])),
}


@pytest.mark.parametrize("form", SAME)
def test_a_table_of_python_is_the_same_in_each_form(form: str) -> None:
    context = rlm_dsl.load(SAME[form]())
    assert str(context.schema) == "table(sku: text, amount: decimal(2))" and not context.notes
    assert context.sources[0].sha256 == rlm_dsl.load(ARROW).sources[0].sha256
    program = "answer {all: sum(t, amount), hit: t | where(amount == 19.99) | count()}"
    assert run(program, t=SAME[form]()) == {"all": "24.99", "hit": 1}


NEW_YEAR, IN_UTC = datetime.datetime(2024, 1, 1), datetime.datetime(2024, 3, 31, 0, 30)
VALUES: dict[str, tuple[list[Any], str, list[Any]]] = {
    "numpy": ([numpy.int64(3), numpy.int8(4)], "int", [3, 4]),
    "numpy floats": ([numpy.float32(0.5), None], "float?", [0.5, None]),
    "numpy days": ([numpy.datetime64("2024-01-01"), None], "date?", [datetime.date(2024, 1, 1), None]),
    "numpy nanoseconds": (
        [numpy.datetime64("2024-01-01T00:00:00.000000001")],
        "timestamp",
        [datetime.datetime(2024, 1, 1)],
    ),
    "numpy arrays": ([numpy.array([1, 2])], "list[int]", [[1, 2]]),
    "moments with an offset": ([MOMENT], "timestamp", [datetime.datetime(2024, 3, 31, 0, 30)]),
    "moments of pandas": (
        [pandas.Timestamp(MOMENT), pandas.NaT],
        "timestamp?",
        [datetime.datetime(2024, 3, 31, 0, 30), None],
    ),
    "nothing of pandas": ([1, pandas.NA], "int?", [1, None]),
    "times": ([datetime.time(8, 30)], "text", ["08:30:00"]),
    "durations": ([datetime.timedelta(minutes=1.5), datetime.timedelta(milliseconds=-1)], "text", ["90", "-0.001"]),
    "bytes": ([b"x", b"\xff"], "text", ["78", "ff"]),
    "bytes that are text": ([b"x"], "text", ["x"]),
    "sets": ([{2, 1}], "list[int]", [[1, 2]]),
    "decimals of 18 digits": ([Decimal("0.123456789012345678")], "decimal(18)", [Decimal("0.123456789012345678")]),
    "decimals and floats": ([Decimal("1.5"), 2.5], "float", [1.5, 2.5]),
    "decimals and whole numbers": ([Decimal("1.5"), 2], "decimal(1)", [Decimal("1.5"), Decimal("2.0")]),
    "decimals and texts": ([Decimal("1.50"), "x"], "text", ["1.50", "x"]),
    "infinite decimals": ([Decimal("Infinity")], "float", [float("inf")]),
    "decimals in lists": ([[Decimal("1.5"), 2]], "list[decimal(1)]", [[Decimal("1.5"), Decimal("2.0")]]),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_of_python_are_read(case: str) -> None:
    values, type_, meant = VALUES[case]
    context = rlm_dsl.load([{"x": value} for value in values])
    assert (str(context.schema.column("x")), column(context, "x")) == (type_, meant)


def test_what_a_program_declares_of_json_is_cast_and_misfits_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"sku":"a","amount":"19.99","sent":"2024-01-02"}\n{"sku":"b","amount":"x","sent":"soon"}\n'
        '{"sku":"c","amount":5,"sent":null}\n'
    )
    declared = parse_table_type("table(sku: text, amount: decimal(2)?, sent: date?)")
    context = load("t", str(tmp_path / "t.jsonl"), declared=declared)
    assert context.schema == declared
    assert context.rows.column("amount").to_pylist() == [Decimal("19.99"), None, Decimal("5.00")]
    assert context.rows.column("sent").to_pylist() == [datetime.date(2024, 1, 2), None, None]
    assert [note for note in context.notes if "does not fit" in note] == [
        "1 rows have a cell that does not fit `amount: decimal(2)?` (null), first in line 2",
        "1 rows have a cell that does not fit `sent: date?` (null), first in line 2",
    ]
    (tmp_path / "t.jsonl").write_text('{"sku":"a","amount":"much"}\n')
    with pytest.raises(UserError, match=r"`amount` is text and not decimal\(2\)\?: 1 rows do not fit"):
        load("t", str(tmp_path / "t.jsonl"), declared=parse_table_type("table(sku: text, amount: decimal(2)?)"))
