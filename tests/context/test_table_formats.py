"""Tables of every format: read in batches, and the same as a plain reading of the whole.

In: files made here. Out: nothing but a verdict. Law: how a file is cut into blocks and batches shows nowhere.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import json
import math
import random
import re
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import duckdb
import numpy
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import feather

import rlm_dsl
from rlm_dsl.api import run
from rlm_dsl.cli import run as command_line
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.context.columns.cell_types import READERS
from rlm_dsl.context.columns.names import free_names
from rlm_dsl.context.formats import arrow, parquet
from rlm_dsl.context.formats.csv import blocks as csv_blocks
from rlm_dsl.context.formats.csv import rows as csv_rows
from rlm_dsl.context.formats.json import lines as json_lines
from rlm_dsl.context.formats.json import list as json_list
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.language.types import FLOAT, TEXT, Field, Table, Type, nullable
from rlm_dsl.language.types import Decimal as DecimalType
from tests.support.contexts import cells, column, notes, raw_rows, written
from tests.support.json_values import VALUES, halved, json_files, same
from tests.support.real import needs_real_data


def outcome(path: str, **more: Any) -> Any:
    """All that loading shows: schema, rows with their places, notes; or why it was refused."""
    try:
        context = load("t", path, **more)
    except UserError as refused:
        return str(refused)
    rows = [list(row.values()) for row in context.rows.to_pylist()]
    return str(context.schema), repr(rows), context.notes


# CSV: the plain reading is Python's csv, a record at a time over all that is left


def plain_records(content: bytes, at: int) -> Iterator[tuple[list[str], int, int, int, bool]]:
    """Fields, first line, first byte, one past the last byte, and whether the record is read as it stands."""
    lines = [line + b"\n" for line in content[at:].split(b"\n")]
    lines = [*lines[:-1], *([lines[-1][:-1]] if lines[-1] != b"\n" else [])]
    number = 0
    while number < len(lines):
        reader = csv.reader((line.decode("utf-8", "replace") for line in lines[number:]), strict=True)
        try:
            fields, stray = next(reader), False
            taken = reader.line_num
        except csv.Error as failure:
            raw = lines[number].rstrip(b"\n").rstrip(b"\r")
            if "new-line" in str(failure) or b"\r" in raw:
                raise UserError(f"{number + 1}: a line ends in CR alone") from None
            fields, stray, taken = raw.decode("utf-8", "replace").split(","), True, 1
        raw = b"".join(lines[number : number + taken])
        yield fields, number + 1, at, at + len(raw.removesuffix(b"\n").rstrip(b"\r")), stray
        at, number = at + len(raw), number + taken


def plain_column(cells: Sequence[str | None]) -> tuple[Type, list[Any]]:
    present = [cell for cell in cells if cell]
    for type_, read in READERS:
        try:
            values = [read(cell) if cell else None for cell in cells]
        except (ValueError, KeyError):
            continue
        if present:
            type_ = plain_number(present) if type_ == FLOAT else type_
            if type_ == TEXT:
                break
            if isinstance(type_, DecimalType):
                with localcontext(prec=100):
                    point = Decimal(1).scaleb(-type_.scale)
                    values = [Decimal(cell).quantize(point) if cell else None for cell in cells]
            return (nullable(type_) if len(present) < len(cells) else type_), values
    return (nullable(TEXT) if None in cells else TEXT), list(cells)


def plain_number(cells: Sequence[str]) -> Type:
    """Of cells that are numbers and not all whole: decimal, float, or text where they are ids or do not fit."""
    powers = [cell for cell in cells if "e" in cell.lower()]
    if powers:
        ids = any(re.fullmatch(r"-?\d+[eE]\d+", cell) for cell in powers)
        return FLOAT if not ids or any("." in cell or re.search("[eE][+-]", cell) for cell in cells) else TEXT
    after = [len(cell.partition(".")[2]) for cell in cells if "." in cell]
    before = max(len(cell.lstrip("-").partition(".")[0]) for cell in cells)
    exact = all(Decimal(repr(float(cell))) == Decimal(cell) for cell in cells)
    if before + max(after) <= 38 and (not exact or sum(count > 9 for count in after) * 2 <= len(after)):
        return DecimalType(max(after))
    return FLOAT if exact else TEXT


def plain_csv(content: bytes) -> Any:
    at = 3 if content.startswith(b"\xef\xbb\xbf") else 0
    every = list(plain_records(content, at))
    head, *records = [record for record in every if record[0]]
    names, notes = free_names(head[0])
    width = len(names)
    cells = [[r[0][n] if n < len(r[0]) else None for r in records] for n in range(width)]
    typed = [plain_column(each) for each in cells]
    long = [r[1] for r in records if len(r[0]) > width]
    if long:
        names.append("extra_fields")
        typed.append((nullable(TEXT), [",".join(r[0][width:]) if len(r[0]) > width else None for r in records]))
    for lines, what in (
        ([r[1] for r in every if r[4]], "stray quotes (read as they stand)"),
        ([r[1] for r in records if len(r[0]) < width], "too few fields (the rest is null)"),
        (long, "too many fields (kept in `extra_fields`)"),
    ):
        places = ", ".join(map(str, lines[:5]))
        notes += [f"{len(lines):,} rows have {what}, first in line {places}"] if lines else []
    blank = len(every) - len(records) - 1
    notes += [f"{blank:,} blank lines were passed over"] if blank else []
    bad = content.decode("utf-8", "replace").encode() != content
    notes += ["bytes that are not UTF-8 are shown as U+FFFD"] if bad else []
    rows = [[n, 0, *r[1:4], *(values[n] for _, values in typed)] for n, r in enumerate(records)]
    schema = Table(tuple(Field(name, type_) for name, (type_, _) in zip(names, typed, strict=True)))
    return str(schema), repr(rows), tuple(notes)


CELLS = [
    "",
    "1",
    "-0",
    "007",
    "1.5",
    "19.99",
    "0.30000000000000004",
    "-12345678901234567890.25",
    "1.000000000000000000000001",
    "1e5",
    "1e-5",
    "1e400",
    "9007199254740993",
    "2024-01-02",
    "0000-01-01",
    "2024-01-02 03:04",
    "true",
]
PIECES = ['"', '""', ",", ",", "\n", "\n", "\r\n", "\r", "x", "é", "\0", '","', '"\n', '"x\ny"', '"a ""b"" c"', *CELLS]


@given(
    st.lists(st.sampled_from(PIECES).map(str.encode) | st.just(b"\xff"), max_size=40).map(b"".join),
    st.sampled_from([b"a,b\n", b"a\n", b"\xef\xbb\xbfa,b,c\r\n", b'"p\nq",b\n', b'"a,b\n']),
    st.integers(1, 60),
    st.integers(1, 3),
)
@example(b'1,"x\n2,y\n', b"a,b\n", 12, 1)
@example(b'1,"x\ny"\r\n\r\n2,""\n', b"a,b\n", 14, 2)
def test_csv_in_blocks_is_csv_in_one(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, head: bytes, window: int, rows: int
) -> None:
    content = head + body
    path = written(tmp_path_factory.mktemp("csv"), "t.csv", content)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(csv_blocks, "WINDOW", window)
        small.setattr(csv_rows, "BATCH", rows)
        found = outcome(path)
    try:
        meant = plain_csv(content)
    except UserError:
        schema, records, told = plain_csv(re.sub(rb"\r(?![\r\n])", b"\n", content))
        meant = schema, records, (*told, "some lines end in CR alone")
    if isinstance(found, tuple):  # what seems odd of the first row is told after a look at all that is near it
        found = (*found[:2], tuple(note for note in found[2] if "header=no" not in note))
    assert found == meant


# JSON: the same rows from lines, from a list, and from either in small windows

ROWS = st.lists(st.dictionaries(st.sampled_from("abcA"), VALUES | st.just(2**53 + 1) | st.just("2024-01-02")) | VALUES)
SPACES = st.sampled_from(["", " ", "\n", "\r\n\t "])


@given(ROWS.filter(bool), st.integers(1, 60), SPACES, st.booleans())
def test_json_rows_are_the_same_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], window: int, space: str, ascii: bool
) -> None:
    folder = tmp_path_factory.mktemp("json")
    spelled = [json.dumps(row, ensure_ascii=ascii, separators=(f",{space}", ":")) for row in rows]
    listed = f"{space}[{space}" + f"{space},{space}".join(spelled) + f"{space}]{space}"
    lines = written(folder, "t.jsonl", "\n".join(json.dumps(row) for row in rows))
    path, content = written(folder, "t.json", listed), listed.encode()
    whole, found = outcome(lines), outcome(path)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(json_lines, "WINDOW", window)
        small.setattr(json_list, "WINDOW", window)
        assert (outcome(lines), outcome(path)) == (whole, found)
    if isinstance(whole, str):
        assert "holds no object with a field" in whole and "holds no object with a field" in found
        return
    context = load("t", path)
    assert cells(context) == cells(load("t", lines)) and found[0] == whole[0]
    assert [json.loads(raw) for raw in raw_rows(context, content)] == rows
    starts = column(context, "#lo")
    assert column(context, "#line") == [content.count(b"\n", 0, at) + 1 for at in starts]  # type: ignore[arg-type]


@needs_real_data
@pytest.mark.parametrize("window", [7, 1 << 20])
def test_json_files_are_read_exactly_or_refused(tmp_path: Path, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSONTestSuite: what must parse and is a list or an object does, what must not parse does not."""
    monkeypatch.setattr(json_list, "WINDOW", window)
    read = 0
    for name, content in [*json_files("y"), *json_files("n"), *json_files("i")]:
        path = written(tmp_path, "t.json", content)
        try:
            context = load("t", path, options=ReadingOptions(encoding="utf-8"))
        except UserError as refused:
            assert name[0] in "ni" or re.search("holds no object with a field|no JSON list or object", str(refused)), (
                name
            )
            assert re.search(r"t\.json(:\d+(:\d+)?: | holds no object| is empty)", str(refused)), (name, str(refused))
            continue
        meant = json.loads(content.decode("utf-8-sig"))
        meant = [
            row if isinstance(row, dict) else {"value": row} for row in ([meant] if isinstance(meant, dict) else meant)
        ]
        for row, fields in zip(cells(context), meant, strict=True):
            assert len(row) >= len(fields) and name[0] in "yi"
            assert len({*fields}) < len(row) or all(map(same, row.values(), map(halved, fields.values()))), name
        read += 1
    assert read == 101  # two of them are lists of nothing
    for _, content in json_files("p"):
        context = load("t", written(tmp_path, "t.json", content))
        assert str(column(context, "value")) == str(json.loads(content)) and "NaN or an infinity" in notes(context)


JSON_LIST_REFUSED = {
    "several values": (b'{"a": 1}\n{"a": 2}\n', r"t\.json:2:1: no JSON: the file has several values"),
    "several lists": (b"[1] [2]", r"t\.json:1:5: no JSON: the file has several values"),
    "a trailing comma": (b'[{"a": 1},\n ]', r"t\.json:2:2: no JSON"),
    "a missing comma": ('[{"é": 1}\n {"a": 2}]'.encode(), r"t\.json:2:2: no JSON: a comma"),
    "cut short": (b'[{"a": 1}, {"a": "x', r"t\.json:1:18: no JSON: Unterminated"),
    "cut short between elements": (b'[{"a": 1}', r"t\.json:1:10: no JSON"),
    "a comma at the end of it": (b'[{"a": 1}],', r"t\.json:1:11: no JSON: the file has several values"),
    "a text": (b'"x"', r"t\.json:1:1: no JSON list or object"),
    "nothing": (b" ", r"t\.json is empty"),
    "a list of an empty object": (b"[{}]", r"holds no object with a field"),
    "a negative NaN": (b'[1,\n{"a": -NaN}]', r"t\.json:2:7: no JSON"),
    "a number beyond floats": (b'[{"a": 1e999}]', r"t\.json:1: no JSON: a number is larger"),
    "bytes that are no UTF-8": (b'[{"a": 1},\n{"a": "\xff"}]', r"t\.json:2:8: bytes that are not UTF-8"),
    "nested too deeply": (b'[{"a": ' + b"[" * 100 + b"]" * 100 + b"}]", r"t\.json:1: nested too deeply"),
    "nested without end": (b"[" * 100_000, r"t\.json:1: nested too deeply"),
}


@pytest.mark.parametrize("case", JSON_LIST_REFUSED)
@pytest.mark.parametrize("window", [11, 1 << 20])
def test_what_is_no_json_file_is_refused_with_its_place(
    tmp_path: Path, case: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_list, "WINDOW", window)
    content, says = JSON_LIST_REFUSED[case]
    with pytest.raises(UserError, match=says):
        load("t", written(tmp_path, "t.json", content))


@pytest.mark.parametrize("window", [11, 1 << 20])
def test_nan_and_infinity_are_read_as_python_writes_them(
    tmp_path: Path, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In both formats, however deep; what is text stays text; what they became is said, with the first lines."""
    monkeypatch.setattr(json_list, "WINDOW", window)
    monkeypatch.setattr(json_lines, "WINDOW", window)
    rows = [
        {"x": 1.5, "l": [1.0], "o": {"a": 1.0}, "t": "NaN", "m": "a"},
        {"x": math.nan, "l": [math.inf], "o": {"a": math.nan}, "t": "Infinity", "m": math.nan},
        {"x": -math.inf, "l": [], "o": {"a": 2.0}, "t": "", "m": "b"},
    ]
    wanted = [{**row, "m": "NaN" if isinstance(row["m"], float) else row["m"]} for row in rows]
    for name, text in {
        "t.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows),
        "t.json": json.dumps(rows).replace("}, {", "},\n{"),
    }.items():
        context = load("t", written(tmp_path, name, text))
        assert str(cells(context)) == str(wanted)
        types = "table(x: float, l: list[float], o: {a: float}, t: text, m: text)"
        assert str(context.schema) == types
        assert context.notes == ("2 rows have NaN or an infinity (kept, as floats), first in line 2, 3",)


def test_nan_in_a_program(tmp_path: Path) -> None:
    """What docs/language.md says of it, on data of JSON."""
    path = str(Path(__file__).parent / "data" / "nan.jsonl")
    program = """
    context t: table(x: float, k: text)
    answer {n: count(t), big: count(t | where(x > 2.0)), same: t | group(by=x, n=count()) | where(n > 1) | count(),
            low: min(t, x), high: max(t, x), mean: avg(t, x)}
    """
    found = run(program, {"t": path})
    assert str(found.value) == "{'n': 3, 'big': 2, 'same': 0, 'low': 1.5, 'high': 'nan', 'mean': 'nan'}"


# Arrow and Parquet


def arrow_written(folder: Path, form: str, table: pa.Table, rows: int = 1000) -> str:
    """A table as a file: Arrow's file or stream form, or Parquet, in parts of so many rows."""
    path = folder / {"file": "t.arrow", "stream": "t.ipc", "feather": "t.feather", "parquet": "t.parquet"}[form]
    if form == "parquet":
        pq.write_table(table, path, row_group_size=rows)
    elif form == "feather":
        feather.write_feather(table, path, chunksize=rows)
    else:
        with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(path, table.schema) as out:
            out.write_table(table, max_chunksize=rows)
    return str(path)


FORMS = ["file", "stream", "feather", "parquet"]
NOON = datetime.datetime(2024, 1, 1, 12)
MICROSECOND = datetime.timedelta(microseconds=1)
ARROW_READ: dict[str, tuple[Any, str, list[Any]]] = {
    "small whole numbers": (pa.array([1, None], pa.int8()), "int?", [1, None]),
    "large ones that fit": (pa.array([1, 2**63 - 1], pa.uint64()), "int", [1, 2**63 - 1]),
    "small floats": (pa.array([1.5, 0.1], pa.float32()), "float", [1.5, 0.10000000149011612]),
    "whole decimals": (pa.array([Decimal(7), None], pa.decimal128(38, 0)), "int?", [7, None]),
    "decimals": (pa.array([Decimal("1.25")] * 2, pa.decimal128(9, 2)), "decimal(2)", [Decimal("1.25")] * 2),
    "moments of a zone": (pa.array([NOON, None], pa.timestamp("ms", "Asia/Tokyo")), "timestamp?", [NOON, None]),
    "dictionaries": (pa.array(["a", "b"]).dictionary_encode(), "text", ["a", "b"]),
    "lists of dictionaries": (
        pa.array([["a"], []], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        "list[text]",
        [["a"], []],
    ),
    "nulls alone": (pa.nulls(2), "text?", [None, None]),
    "records": (
        pa.array([{"a": 1, "b": [1.5]}, {"a": 2, "b": []}]),
        "{a: int, b: list[float]}",
        [{"a": 1, "b": [1.5]}, {"a": 2, "b": []}],
    ),
}
MAP = pa.map_(pa.string(), pa.int64())
WIDE = pa.decimal256(60, 2)
EPOCH = datetime.datetime(1970, 1, 1)
ARROW_TOLD: dict[str, tuple[Any, str, list[Any], str]] = {
    "whole numbers beyond 64 bits": (pa.array([2**63, 1], pa.uint64()), "decimal(0)", [Decimal(2**63), Decimal(1)], ""),
    "decimals beyond 64 bits": (
        pa.array([Decimal(2**64), None], pa.decimal128(38, 0)),
        "decimal(0)?",
        [Decimal(2**64), None],
        "",
    ),
    "decimals of 60 digits that fit": (pa.array([Decimal("1.25")] * 2, WIDE), "decimal(2)", [Decimal("1.25")] * 2, ""),
    "decimals of 60 digits": (
        pa.array([Decimal("9" * 40), Decimal("1.5")], WIDE),
        "text",
        ["9" * 40 + ".00", "1.50"],
        "more than 38 digits are kept as text",
    ),
    "nanoseconds": (pa.array([-1, 1], pa.timestamp("ns")), "timestamp", [EPOCH - MICROSECOND, EPOCH], "nanoseconds"),
    "nanoseconds without a part": (
        pa.array([1000, 0], pa.timestamp("ns")),
        "timestamp",
        [EPOCH + MICROSECOND, EPOCH],
        "",
    ),
    "bytes that are text": (pa.array([b"x", "é".encode()]), "text", ["x", "é"], "shown as UTF-8"),
    "bytes": (pa.array([b"x", b"\xff"]), "text", ["78", "ff"], "hexadecimal digits"),
    "bytes of one length": (pa.array([b"ab", b"\x00\x01"], pa.binary(2)), "text", ["6162", "0001"], "hexadecimal"),
    "times": (
        pa.array([datetime.time(1), datetime.time(1, 2, 3, 450_000)]),
        "text",
        ["01:00:00", "01:02:03.45"],
        "texts such as 08:30:00",
    ),
    "durations": (pa.array([1, -90], pa.duration("s")), "text", ["1", "-90"], "in seconds"),
    "durations in milliseconds": (pa.array([1500, -1], pa.duration("ms")), "text", ["1.5", "-0.001"], "in seconds"),
    "intervals": (
        pa.array([(14, 3, 1_500_000_000), (0, 0, 0)], pa.month_day_nano_interval()),
        "text",
        ["P14M3DT1.5S", "PT0S"],
        "P1M2DT30S",
    ),
    "maps": (
        pa.array([[("a", 1)], []], MAP),
        "list[{key: text, value: int}]",
        [[{"key": "a", "value": 1}], []],
        "lists of {key, value}",
    ),
    "lists of bytes in records": (
        pa.array([{"a": [b"\xff"]}, {"a": []}]),
        "{a: list[text]}",
        [{"a": ["ff"]}, {"a": []}],
        "hexadecimal digits",
    ),
    "lists of lists of records": (
        pa.array([[[{"a": Decimal("1.5")}]], None]),
        "list[list[{a: decimal(1)}]]?",
        [[[{"a": Decimal("1.5")}]], None],
        "",
    ),
    "names that differ by case": (pa.array([{"a": 1, "A": 2}] * 2), "text", ['{"a": 1, "A": 2}'] * 2, "shown as JSON"),
    "dates beyond the calendar": (
        pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32()),
        "date?",
        [None, datetime.date(1970, 1, 1)],
        "1 values outside the years 1 to 9999 are null",
    ),
    "moments beyond the calendar": (
        pa.array([-(2**62), 0], pa.int64()).cast(pa.timestamp("s")),
        "timestamp?",
        [None, EPOCH],
        "1 values outside the years 1 to 9999 are null",
    ),
}
ONLY_ARROW = {"intervals", "moments beyond the calendar"}
"""Types that Parquet does not hold."""


@pytest.mark.parametrize("form", FORMS)
def test_arrow_columns_keep_their_values_or_say_what_they_became(tmp_path: Path, form: str) -> None:
    for case, (values, type_, meant) in ARROW_READ.items():
        context = load("t", arrow_written(tmp_path, form, pa.table({"n": [5, 6], "x": values})))
        assert (str(context.schema.column("x")), column(context, "x")) == (type_, meant), case
        assert (column(context, "#line"), column(context, "#lo")) == ([1, 2], [None, None])
        assert run("answer t | where(true)", {"t": context}).value[1]["n"] == 6
    for case, (values, type_, meant, says) in ARROW_TOLD.items():
        if form == "parquet" and case in ONLY_ARROW:
            continue
        context = load("t", arrow_written(tmp_path, form, pa.table({"x": values})))
        assert (str(context.schema.column("x")), column(context, "x")) == (type_, meant), case
        assert any(says in note for note in context.notes) if says else not context.notes, (case, context.notes)
        assert run("answer count(t)", {"t": context}).value == 2


@pytest.mark.parametrize("form", FORMS)
def test_arrow_files_are_read_in_batches(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"n": range(100), "s": [f"é{n}" if n != 77 else None for n in range(100)], "N": range(100)})
    path = arrow_written(tmp_path, form, table, rows=30)
    for module in (arrow, parquet):
        monkeypatch.setattr(module, "BATCH", 7)
    context = load("t", path)
    assert str(context.schema) == "table(n: int, s: text?, N_2: int)" and context.rows["n"].num_chunks > 10
    assert context.rows.select(["n", "s", "N_2"]).to_pydict() == dict(
        zip("n s N_2".split(), table.to_pydict().values(), strict=True)
    )
    assert column(context, "#line") == list(range(1, 101))
    empty = load("t", arrow_written(tmp_path, form, table.slice(0, 0)))
    assert empty.count == 0 and str(empty.schema) == "table(n: int, s: text, N_2: int)"


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_arrow_file_is_refused_or_read_as_text_that_is_text(tmp_path: Path, form: str) -> None:
    """Bytes flipped anywhere: an error of ours, or values that are what their types say."""
    path = Path(arrow_written(tmp_path, form, pa.table({"n": range(40), "s": [f"text {n}" for n in range(40)]})))
    content, chance = path.read_bytes(), random.Random(5)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged[: chance.choice([len(content), chance.randrange(len(content))])]))
        with contextlib.suppress(UserError):
            load("t", str(path)).rows.validate(full=True)


# SQLite and DuckDB


def sqlite_written(folder: Path, *statements: str, name: str = "shop.sqlite") -> str:
    path = folder / name
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return str(path)


ORDERS = (
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, sent TEXT, amount REAL, mixed, note TEXT)",
    "INSERT INTO orders VALUES (3, '2024-01-02', 1, 1, 'é'), (1, '2024-01-03', 2.5, 'x', NULL), (2, NULL, 3, 1.5, '')",
)


def test_an_sqlite_table_is_typed_by_its_values_in_the_order_of_its_rows(tmp_path: Path) -> None:
    context = load("t", sqlite_written(tmp_path, *ORDERS))
    assert str(context.schema) == "table(id: int, sent: date?, amount: float, mixed: text, note: text?)"
    day = datetime.date(2024, 1, 3)
    assert [list(row.values()) for row in cells(context)] == [
        [1, day, 2.5, "x", None],
        [2, None, 3.0, "1.5", ""],
        [3, datetime.date(2024, 1, 2), 1.0, "1", "é"],
    ]
    assert (column(context, "#line"), column(context, "#lo")) == ([1, 2, 3], [None] * 3)
    empty = load("t", sqlite_written(tmp_path, 'CREATE TABLE "a ""b" (rowid, "x y", X)', name="e.db"))
    assert empty.count == 0 and empty.schema.names == ("rowid", "x y", "X")
    rowless = "CREATE TABLE t (a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID"
    keyed = load("t", sqlite_written(tmp_path, rowless, "INSERT INTO t VALUES ('y', 2), ('z', 1), ('x', 2)"))
    assert column(keyed, "a") == ["z", "x", "y"]
    bad = load("t", sqlite_written(tmp_path, "CREATE TABLE t (a)", "INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))"))
    assert column(bad, "a") == ["a\ufffd"] and "not UTF-8" in bad.notes[0]


def duckdb_written(folder: Path, *statements: str) -> str:
    path = folder / "shop.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return str(path)


def test_a_duckdb_table_keeps_its_types_and_order(tmp_path: Path) -> None:
    path = duckdb_written(
        tmp_path,
        "CREATE TABLE t AS SELECT 9 - i AS n, 'e' || i AS s, DATE '2024-01-01' + i::INT AS d, i::HUGEINT AS h, "
        "[i, NULL] AS l, {a: i} AS r, i::DECIMAL(9, 2) AS m, TIMESTAMPTZ '2024-01-01 00:00:00+02' AS z, "
        "CASE WHEN i > 0 THEN i END AS q FROM range(10) r(i)",
        "CREATE SCHEMA more",
        "CREATE TABLE more.other AS SELECT 1 AS one",
    )
    context = load("t", f"{path}::t")
    assert str(context.schema) == (
        "table(n: int, s: text, d: date, h: int, l: list[int], r: {a: int}, m: decimal(2), z: timestamp, q: int?)"
    )
    assert column(context, "n") == list(range(9, -1, -1)) and column(context, "#line") == list(range(1, 11))
    assert column(context, "z")[0] == datetime.datetime(2023, 12, 31, 22)
    assert column(load("t", f"{path}::more.other"), "one") == [1]


DUCKDB_TOLD = {
    "TIME '10:00:00.5'": ("text", "10:00:00.5"),
    "'08:30:00+02'::TIMETZ": ("text", "08:30:00+02"),
    "18446744073709551615::UBIGINT": ("decimal(0)", Decimal(2**64 - 1)),
    "7::HUGEINT": ("int", 7),
    "12345678901234567890::HUGEINT": ("decimal(0)", Decimal(12345678901234567890)),
    "170141183460469231731687303715884105727::HUGEINT": ("text", str(2**127 - 1)),
    "340282366920938463463374607431768211455::UHUGEINT": ("text", str(2**128 - 1)),
    "1.5::DECIMAL(38, 10)": ("decimal(10)", Decimal("1.5000000000")),
    "'\\x00ab'::BLOB": ("text", "006162"),
    "INTERVAL '1 month 3 days 4.5 seconds'": ("text", "P1M3DT4.5S"),
    "MAP {'a': 1}": ("list[{key: text, value: int}]", [{"key": "a", "value": 1}]),
    "'e3b0c442-98fc-1c14-9afb-f4c8996fb924'::UUID": ("text", "e3b0c442-98fc-1c14-9afb-f4c8996fb924"),
    "'a'::ENUM('a', 'b')": ("text", "a"),
    "'101'::BIT": ("text", "101"),
    "union_value(k := 1)": ("text", "1"),
    "{'a': [{'b': '\\xff'::BLOB}]}": ("{a: list[{b: text}]}", {"a": [{"b": "ff"}]}),
    "[1, 2]::INT[2]": ("list[int]", [1, 2]),
    "TIMESTAMP_NS '2024-01-01 00:00:00.123456789'": ("timestamp", datetime.datetime(2024, 1, 1, 0, 0, 0, 123456)),
    "'infinity'::DATE": ("date?", None),
    "'-infinity'::TIMESTAMP": ("timestamp?", None),
    "'infinity'::TIMESTAMPTZ": ("timestamp?", None),
    "'inf'::DOUBLE": ("float", float("inf")),
}


def test_every_type_of_duckdb_is_read(tmp_path: Path) -> None:
    columns = ", ".join(f"{value} AS c{number}" for number, value in enumerate(DUCKDB_TOLD))
    context = load("t", duckdb_written(tmp_path, f"CREATE TABLE t AS SELECT {columns}"))
    for number, (value, (type_, meant)) in enumerate(DUCKDB_TOLD.items()):
        found = (str(context.schema.column(f"c{number}")), column(context, f"c{number}"))
        assert found == (type_, [meant]), value
    assert any("`c12`" not in note and "`c1` is TIME WITH TIME ZONE" in note for note in context.notes)
    assert run("answer count(t)", {"t": context}).value == 1


DATABASES = {"sqlite": sqlite_written, "duckdb": duckdb_written}


@pytest.mark.parametrize("form", DATABASES)
def test_the_path_says_which_table(tmp_path: Path, form: str) -> None:
    made = "CREATE TABLE orders (a INT)", "CREATE TABLE users (b INT)", "CREATE VIEW odd AS SELECT a FROM orders"
    path = DATABASES[form](tmp_path, *made, "INSERT INTO orders VALUES (7)", "INSERT INTO users VALUES (8)")
    assert column(load("t", f"{path}::users"), "b") == [8] and column(load("t", f"{path}::odd"), "a") == [7]
    with pytest.raises(UserError, match="has 2 tables, not one: orders, users") as refused:
        load("t", path)
    assert f"say which: {path}::orders" in str(refused.value)
    with pytest.raises(UserError, match="no table `order`") as refused:
        load("t", f"{path}::order")
    assert "did you mean `orders`" in str(refused.value)
    with pytest.raises(UserError, match="has 0 tables, not one: none"):
        load("t", DATABASES[form](tmp_path, "CREATE VIEW v AS SELECT 1 AS x"))
    with pytest.raises(UserError, match=r"there is no file .*other"):
        load("t", f"{path[:-5]}other::x", format=form)
    (tmp_path / "no.db").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=rf"(?i)no\.db is no {form}"):
        load("t", str(tmp_path / "no.db"), format=form)


HOSTILE = {
    "recursion without end": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
    "a random function": "SELECT random() AS x",
    "the time": "SELECT current_timestamp AS x",
    "an extension": "SELECT load_extension('/tmp/x') AS x",
    "a file": "SELECT readfile('/etc/passwd') AS x",
    "a huge value": "SELECT zeroblob(1000000000) AS x",
    "a huge text": "SELECT replace(hex(hex(hex(printf('%100000000s', 'x')))), '2', '22222222') AS x",
    "no such table": "SELECT x FROM nowhere",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_view_of_an_sqlite_file_does_no_harm(tmp_path: Path, case: str) -> None:
    path = sqlite_written(tmp_path, "CREATE TABLE t (a)", f"CREATE VIEW v AS {HOSTILE[case]}")
    before = Path(path).read_bytes()
    with pytest.raises(UserError, match=r"shop\.sqlite::v cannot be read"):
        load("t", f"{path}::v")
    assert Path(path).read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["shop.sqlite"]


def test_a_view_of_a_duckdb_file_reaches_no_other_file(tmp_path: Path) -> None:
    other = written(tmp_path, "other.csv", "a\n1\n")
    path = duckdb_written(tmp_path, f"CREATE VIEW v AS FROM read_csv('{other}')")
    with pytest.raises(UserError, match=r"cannot be read: Permission Error"):
        load("t", f"{path}::v")


def test_changes_that_lie_beside_a_database_are_not_passed_over(tmp_path: Path) -> None:
    path = sqlite_written(tmp_path, "CREATE TABLE t (a)")
    with contextlib.closing(sqlite3.connect(path)) as writing:
        writing.execute("PRAGMA journal_mode = WAL")
        writing.execute("INSERT INTO t VALUES (1)")
        writing.commit()
        with pytest.raises(UserError, match=r"shop\.sqlite-wal holds changes"):
            load("t", path)
    assert load("t", path).count == 1


@pytest.mark.parametrize("form", DATABASES)
def test_a_damaged_database_is_refused_or_read(tmp_path: Path, form: str) -> None:
    rows = "CREATE TABLE t AS SELECT 1 AS a, 'some text' AS b UNION ALL SELECT 2, 'more'"
    path = Path(DATABASES[form](tmp_path, rows))
    content, chance = path.read_bytes(), random.Random(3)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(4):
            damaged[chance.randrange(len(content) if form == "sqlite" else 12_288)] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(UserError):
            load("t", str(path))


# Tables that Python holds

DAY = datetime.date(2024, 1, 2)
COLUMNS: dict[str, list[Any]] = {
    "n": [1, -(2**62), 3],
    "x": [1.5, 0.1, -0.0],
    "s": ["é", "", "abc"],
    "b": [True, False, True],
    "at": [NOON, NOON + datetime.timedelta(microseconds=1), NOON],
    "maybe": ["x", None, ""],
    "l": [[1, 2], [], [3]],
}


def frames() -> dict[str, Any]:
    """One table as several libraries hold it, cut, padded and indexed in several ways."""
    table = pa.table(COLUMNS)
    frame = pandas.DataFrame(COLUMNS)
    picked = frame.loc[[2, 0, 1]].sort_index().set_index(pandas.Index([9, 7, 8]))
    return {
        "arrow": table,
        "arrow in parts": pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1)]),
        "arrow within another": pa.concat_tables([table, table]).combine_chunks().slice(3, 3),
        "arrow, other types": table.cast(
            pa.schema([(f.name, pa.string_view() if f.name == "s" else f.type) for f in table.schema])
        ),
        "a batch": table.to_batches()[0],
        "polars": polars.DataFrame(COLUMNS),
        "polars in parts": polars.concat([polars.DataFrame(COLUMNS)[:2], polars.DataFrame(COLUMNS)[2:]], rechunk=False),
        "pandas": frame,
        "pandas with an index": picked,
        "pandas with a named index": picked.rename_axis("key"),
        "pandas by categories": frame.astype({"s": "category", "n": "Int64"}),
        "dicts": [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
    }


def test_a_table_has_one_digest_whichever_library_holds_it() -> None:
    made = {name: rlm_dsl.load(frame, "t") for name, frame in frames().items()}
    assert {str(context.schema) for context in made.values()} == {
        "table(n: int, s: text, x: float, b: bool, at: timestamp, maybe: text?, l: list[int])".replace(
            "s: text, x: float", "x: float, s: text"
        )
    }
    assert len({context.digest for context in made.values()}) == 1
    assert all(repr(cells(context)) == repr(cells(made["arrow"])) for context in made.values())
    assert ["key" in notes(context) for context in made.values()].count(True) == 1


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_other_cell_name_type_or_order_has_another_digest(data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(
            st.tuples(
                st.integers(-3, 3),
                st.text("ab", max_size=2) | st.none(),
                st.lists(st.none() | st.just("a"), max_size=2),
            ),
            min_size=1,
            max_size=4,
        )
    )
    other = data.draw(st.permutations(rows) | st.lists(st.sampled_from(rows), max_size=4))
    types = pa.schema([("n", pa.int64()), ("s", pa.string()), ("l", pa.list_(pa.string()))])

    def digest(held: Sequence[Any], schema: pa.Schema = types) -> str:
        columns = [pa.array([row[n] for row in held], field.type) for n, field in enumerate(schema)]
        return rlm_dsl.load(pa.table(columns, schema=schema)).sources[0].sha256

    assert (digest(rows) == digest(other)) == (rows == other)
    assert digest(rows) != digest(rows, types.set(0, pa.field("m", pa.int64())))
    assert digest(rows) != digest(rows, types.set(0, pa.field("n", pa.float64())))


def test_a_table_in_python_is_run_and_verified(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"user": ["u1", "u2", "u1"], "amount": [1, 2, 3]})
    program = "answer t | group(by=user, total=sum(amount)) | sort(user)"
    result = rlm_dsl.run(program, {"t": frame}, trace=tmp_path / "a.trace")
    assert result.value == [{"user": "u1", "total": 4}, {"user": "u2", "total": 2}]
    assert rlm_dsl.verify(tmp_path / "a.trace", {"t": frame}).ok
    assert rlm_dsl.verify(tmp_path / "a.trace", {"t": polars.from_pandas(frame)}).ok
    changed = rlm_dsl.verify(tmp_path / "a.trace", {"t": frame.assign(amount=[1, 2, 4])})
    assert "sha256" in str(changed) and not changed.ok
    alone = rlm_dsl.verify(tmp_path / "a.trace")
    assert not alone.ok and "hand it in" in str(alone)


def test_a_text_in_python_is_run_and_verified(tmp_path: Path) -> None:
    text = rlm_dsl.text("one\ntwo é\n")
    result = rlm_dsl.run('answer t | where(text matches r"two")', {"t": text}, trace=tmp_path / "a.trace")
    assert result.value == [{"line": 2, "text": "two é"}] and result.evidence[0].spans[0].start == 4
    assert rlm_dsl.verify(tmp_path / "a.trace", {"t": text}).ok


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([{}], "needs names of columns"),
        ([1], "row 1 is int, and a row has named fields"),
        ([b"x"], "row 1 is bytes"),
        (7, "int is no table"),
        (b"a.csv", "bytes is no table"),
        (None, "NoneType is no table"),
        (Decimal(1), "decimal.Decimal is no table"),
        (object(), "object is no table"),
        (numpy.zeros((2, 2)), "an array of 2 dimensions is no table"),
        ({"a": 1}, "'a' is int"),
        ({"a": "xy"}, "'a' is str"),
        ({"train": pa.table({"a": [1]})}, "give one: ['train']"),
        ({"a": [1], "b": [1, 2]}, "of one length: 'a' has 1, 'b' has 2"),
        ([{1: 2}], "each is text"),
        ([{"a": 1}, {"a": 1j}], "row 2 of the table, column 'a': the language has no type for complex"),
        (pandas.DataFrame(index=range(2)), "has no columns"),
    ],
)
def test_what_is_no_table_is_refused(given: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        rlm_dsl.load(given)


def test_dicts_are_typed_as_json_and_days_are_days() -> None:
    context = rlm_dsl.load([{"a": 1, "d": DAY}, {"a": 2.5, "r": {"k": [1]}, "d": DAY}, {"a": None}])
    assert str(context.schema) == "table(a: float?, d: date?, r: {k: list[int]}?)"
    assert cells(context)[0] == {"a": 1.0, "d": DAY, "r": None}


# Nothing

DECLARED = """context t: table(n: int, s: text)
answer {rows: t, sum: t | where(n > 1) | sum(n), each: t | group(by=s, n=count()), some: t | search("late")}"""


@pytest.mark.parametrize(
    "given",
    [[], (), pandas.DataFrame([]), pa.table({}), "t.json:[ ]", "t.jsonl:", "t.jsonl:\n \n", "t.csv:s,n\n"],
    ids=lambda given: repr(given) if isinstance(given, str | list | tuple) else type(given).__name__,
)
def test_a_list_of_nothing_is_an_empty_table_of_what_is_declared(tmp_path: Path, given: Any) -> None:
    if isinstance(given, str):
        name, _, content = given.partition(":")
        given = Path(written(tmp_path, name, content))
        kept = rlm_dsl.load(given, to=tmp_path / "t.rlmctx")
        assert kept.count == 0 and rlm_dsl.run(DECLARED, {"t": kept}).value["rows"] == []
    given = list(given) if isinstance(given, tuple) else given
    assert rlm_dsl.run("answer {n: count(t), rows: t}", {"t": given}).value == {"n": 0, "rows": []}
    result = rlm_dsl.run(DECLARED, {"t": given}, trace=tmp_path / "a.trace")
    assert result.value == {"rows": [], "sum": 0, "each": [], "some": []}
    assert rlm_dsl.verify(tmp_path / "a.trace", {"t": given}).ok
    with pytest.raises(ProgramError, match="no column"):
        rlm_dsl.run("answer t | select(other)", {"t": given})


# By the command line


def files_of_every_format(folder: Path) -> list[str]:
    table = pa.table({"user": ["u1", "u2", "u1"], "amount": [1, 2, 3]})
    rows, made = table.to_pylist(), [arrow_written(folder, form, table) for form in FORMS]
    inserted = "CREATE TABLE t (user TEXT, amount INT)", "INSERT INTO t VALUES ('u1', 1), ('u2', 2), ('u1', 3)"
    out = io.StringIO()
    csv.writer(out).writerows([table.column_names, *[row.values() for row in rows]])
    return [
        *made,
        written(folder, "t.csv", out.getvalue()),
        written(folder, "t.json", json.dumps(rows, indent=2)),
        written(folder, "t.jsonl", "\n".join(map(json.dumps, rows))),
        sqlite_written(folder, *inserted),
        f"{sqlite_written(folder, *inserted, 'CREATE TABLE u (a)', name='more.db')}::t",
        duckdb_written(folder, *inserted),
    ]


def test_every_format_is_run_shown_and_verified_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = written(tmp_path, "p.rlm", "answer t | group(by=user, total=sum(amount)) | sort(user)")
    for number, path in enumerate(files_of_every_format(tmp_path)):
        trace = str(tmp_path / f"{number}.trace")
        assert command_line(["run", program, "--context", f"t={path}", "--trace", trace]) == 0, capsys.readouterr()
        answer = json.loads((Path(trace) / "answer.json").read_text())
        assert answer["parts"][0]["value"] == [["u1", 4], ["u2", 2]], path
        assert answer["evidence"][0]["spans"], path
        assert command_line(["verify", trace]) == 0 and command_line(["show", trace]) == 0, capsys.readouterr()
    unsaid = path_of_two_tables(tmp_path)
    assert command_line(["run", program, "--context", f"t={unsaid}"]) == 2
    assert "say which:" in capsys.readouterr().err


def path_of_two_tables(folder: Path) -> str:
    return duckdb_written(folder, "CREATE TABLE t (a INT)", "CREATE TABLE u (a INT)")
