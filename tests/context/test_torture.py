"""Loaders on files made to break them: exact, or a clear refusal with its place; never silently wrong.

In: csv-spectrum, JSONTestSuite, utf8tests and server logs of RLM_DSL_REAL_DATA, and small files of our own.
Out: nothing but a verdict. Law: what is loaded equals what the files' authors, Python's `json` and Python's own UTF-8
reading say; what is refused names the file and, where there is one, the line.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rlm_dsl.api import run
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files.recognised import recognised
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import EARLIER, ReadingOptions
from tests.support.contexts import cells, column, document_as_read, lines_as_read, notes, raw_rows, written
from tests.support.json_values import VALUES, halved, json_files, same
from tests.support.real import REAL, needs_real_data

UTF_8 = ReadingOptions(encoding="utf-8")

# CSV

SPECTRUM_NOT_TEXT = {"location_coordinates": "Contact Phone Number"}
"""A column that csv-spectrum made anonymous in one of its CSV files, and not in its JSON."""


@needs_real_data
def test_csv_files_mean_what_their_authors_say() -> None:
    paths = sorted((REAL / "csv-spectrum" / "csvs").glob("*.csv"))
    assert len(paths) == 12
    for path in paths:
        meaning = json.loads((REAL / "csv-spectrum" / "json" / f"{path.stem}.json").read_text())
        meaning = meaning if isinstance(meaning, list) else [meaning]
        context, content = load("t", str(path)), path.read_bytes()
        left_out = SPECTRUM_NOT_TEXT.get(path.stem, "")
        loaded = [{key: as_csv_text(value) for key, value in row.items() if key != left_out} for row in cells(context)]
        assert loaded == [{key: text for key, text in row.items() if key != left_out} for row in meaning], path.name
        # and each row's own bytes, read alone, are that row
        for row, raw in zip(meaning, raw_rows(context, content), strict=True):
            fields = next(csv.reader(io.StringIO(raw.decode(), newline="")))
            assert dict(zip(row, fields, strict=True)) | {left_out: ""} == row | {left_out: ""}, path.name
        assert "U+FFFD" not in notes(context)


def as_csv_text(value: Any) -> str:
    """A typed cell as it was written: csv-spectrum's numbers are plain whole numbers."""
    return "" if value is None else str(value)


CSV_READ: dict[str, tuple[bytes, list[dict[str, Any]], str]] = {
    "quoted CRLF and LF": (b'a,b\r\n"x\r\ny","p\nq"\r\n', [{"a": "x\r\ny", "b": "p\nq"}], ""),
    "lone CR in a later row": (
        b"a,b\n1,2\n3,4\r5,6\n",
        [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 5, "b": 6}],
        "some lines end in CR alone",
    ),
    "lone CR behind a quote that closes": (
        b'a,b\n"x\ny"\r4,5\n',
        [{"a": "x\ny", "b": None}, {"a": "4", "b": 5}],
        "some lines end in CR alone",
    ),
    "quoted lone CR": (b'a,b\n"x\ry",1\n', [{"a": "x\ry", "b": 1}], ""),
    "quotes doubled": (b'a\n"he said ""no"""\n""""\n', [{"a": 'he said "no"'}, {"a": '"'}], ""),
    "quotes within plain fields": (b'a,b\n5" disk,it"s\n', [{"a": '5" disk', "b": 'it"s'}], ""),
    "byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", [{"a": 1, "b": 2}], ""),
    "byte order mark and quotes": (b'\xef\xbb\xbf"a","b"\n1,2\n', [{"a": 1, "b": 2}], ""),
    "NUL": (b"a,b\nx\x00y,\x00\n", [{"a": "x\x00y", "b": "\x00"}], ""),
    "header only": (b"a,b\n", [], ""),
    "header only, no line end": (b"a,b", [], ""),
    "no last line end": (b"a\n1\n2", [{"a": 1}, {"a": 2}], ""),
    "blank lines": (b"a,b\n\n1,2\r\n\r\n3,4\n", [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "2 blank lines were passed over"),
    "an empty quoted field is a row": (b'a\n""\nx\n', [{"a": ""}, {"a": "x"}], ""),
    "spaces are kept": (b"a,b\n x ,  \n", [{"a": " x ", "b": "  "}], ""),
    "duplicate headers": (b"a,A,a,\n1,2,3,4\n", [{"a": 1, "A_2": 2, "a_3": 3, "column_4": 4}], "is called `A_2`"),
    "a header that begins with #": (b"#a,#\n1,2\n", [{"a": 1, "column_2": 2}], "is called `a`"),
    "a line end in a header": (b'"a\r\nb","c\nd"\n1,2\n', [{"a b": 1, "c d": 2}], "is called `a b`"),
    "NUL in a header": (b"a\0b\n1\n", [{"a\ufffdb": 1}], "is called"),
    "semicolons": (b"a;b\n1;2,5\n", [{"a": 1, "b": 2.5}], "separated by semicolons"),
    "tabs": (b"a\tb\n1\tx,y\n", [{"a": 1, "b": "x,y"}], "separated by tabs"),
    "CR CR LF": (b"a,b\r\r\n1,2\r\r\n", [{"a": 1, "b": 2}], ""),
    "bars": (b"a|b\n1|x,y\n", [{"a": 1, "b": "x,y"}], "separated by bars"),
    "too few and too many": (
        b"a,b\n1\n2,3,4,5\n",
        [{"a": 1, "b": None, "extra_fields": None}, {"a": 2, "b": 3, "extra_fields": "4,5"}],
        "too few fields",
    ),
    "a quote never closed": (
        b'a,b\n1,2\n"x,3\n4,5\n',
        [{"a": "1", "b": 2}, {"a": '"x', "b": 3}, {"a": "4", "b": 5}],
        "1 rows have stray quotes (read as they stand), first in line 3",
    ),
    "a quote never closed at the end": (b'a,b\n1,"', [{"a": 1, "b": '"'}], "stray quotes (read as they stand)"),
    "a quote never closed in the header": (b'"a,b\n1,2\n', [{'"a': 1, "b": 2}], "first in line 1"),
    "text after a closing quote": (
        b'a,b\r\n"x"y,3\r\r\n"4,5\r\n"x, ""y"""\r\n',
        [{"a": '"x"y', "b": 3}, {"a": '"4', "b": 5}, {"a": 'x, "y"', "b": None}],
        "2 rows have stray quotes (read as they stand), first in line 2, 3",
    ),
    "a stray line takes no good one with it": (
        b'a,b\n"x,0\n"p\nq",1\n"x"" ,2\n"r",3\n',
        [{"a": '"x', "b": 0}, {"a": "p\nq", "b": 1}, {"a": '"x"" ', "b": 2}, {"a": "r", "b": 3}],
        "2 rows have stray quotes (read as they stand), first in line 2, 5",
    ),
    "bytes that are no UTF-8": (b"a\nx\xff\xfey\n", [{"a": "x\ufffd\ufffdy"}], "not UTF-8"),
    "long numbers stay as they stand": (
        b"a,b,c,d\n12345678901234567890,007,9007199254740993,1e400\n1,1,1.5,2\n",
        [
            {"a": "12345678901234567890", "b": "007", "c": "9007199254740993", "d": "1e400"},
            {"a": "1", "b": "1", "c": "1.5", "d": "2"},
        ],
        "",
    ),
    "words that look like values": (
        b"a,b,c,d\nNaN,null,2024-02-30,1_000\ninf,NULL,2024-02-28,1\n",
        [
            {"a": "NaN", "b": "null", "c": "2024-02-30", "d": "1_000"},
            {"a": "inf", "b": "NULL", "c": "2024-02-28", "d": "1"},
        ],
        "",
    ),
    "digits of other scripts are text": ("a\n١٢٣\n".encode(), [{"a": "١٢٣"}], ""),
    "form feeds and line separators end no row": (
        "a\nx\x0b\x0c\x1c\x85\u2028y\n".encode(),
        [{"a": "x\x0b\x0c\x1c\x85\u2028y"}],
        "",
    ),
}


@pytest.mark.parametrize("case", CSV_READ)
def test_a_tricky_csv_file_is_read_exactly(tmp_path: Path, case: str) -> None:
    content, rows, note = CSV_READ[case]
    context = load("t", written(tmp_path, "t.csv", content))
    assert cells(context) == rows
    assert note in notes(context) if note else not context.notes
    # the rows' bytes are the file's last bytes but for line ends, and begin and end at line ends
    ends = re.compile(rb"[\r\n]+")
    assert ends.sub(b"", content).endswith(ends.sub(b"", b"".join(raw_rows(context, content))))
    for lo, hi in zip(column(context, "#lo"), column(context, "#hi"), strict=True):
        assert content[lo - 1 : lo] in (b"\r", b"\n") and content[hi : hi + 1] in (b"", b"\r", b"\n")  # type: ignore[operator, misc]


CSV_REFUSED: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", r"t\.csv is empty"),
    "byte order mark alone": (b"\xef\xbb\xbf", r"t\.csv is empty"),
    "line ends alone": (b"\r\n\n", r"t\.csv is empty"),
}


@pytest.mark.parametrize("case", CSV_REFUSED)
def test_a_broken_csv_file_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    content, says = CSV_REFUSED[case]
    with pytest.raises(UserError, match=says) as refused:
        load("t", written(tmp_path, "t.csv", content))
    assert refused.value.hint


FIELD = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", '"', '""', ",", "\r", "\n", "\r\n", "a\r", "'", "\x00", "\ufeff", " ", ";", "\t", 'x,"y"\r\nz']
)


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(FIELD, min_size=n, max_size=n), max_size=6)),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], line_end: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    names = [f"c{n}" for n in range(len(rows[0]) if rows else 2)]
    writer.writerow(names)
    # a text in every column's first row keeps the columns texts
    writer.writerows([["text"] * len(names), *rows])
    path = written(tmp_path_factory.mktemp("csv"), "t.csv", out.getvalue())
    assert [list(row.values()) for row in cells(load("t", path))][1:] == rows


ODD_LINES = ['"x', 'x"y,"', '"x"y', '"a""', 'x,"y" z']


@pytest.mark.parametrize(
    ("line", "count"),
    [('x","', 40_000), *(pytest.param(line, 100_000, marks=pytest.mark.proof) for line in ['x","', *ODD_LINES])],
)
def test_very_many_stray_quotes_are_read_in_linear_time(tmp_path: Path, line: str, count: int) -> None:
    """Each of these lines opens quotes that close far below or never: looked for from each, that is quadratic."""
    path = written(tmp_path, "t.csv", "a,b\n" + f"{line}\n" * count + "z")
    started = time.process_time()
    context = load("t", path)
    assert time.process_time() - started < count / 5_000
    assert context.rows["#hi"][-1].as_py() == 4 + (len(line) + 1) * count + 1
    assert "stray quotes" in notes(context)


# JSON


def test_the_comparison_tells_values_apart() -> None:
    assert same([1.0, 2.5], [1, 2.5]) and same('{"a": 1}', {"a": 1}) and same(None, None)
    for loaded, meant in [(1, True), (True, 1), ("a", "b"), (None, 0), ("1", 2), ([1], [1, 2]), (0, None)]:
        assert not same(loaded, meant), (loaded, meant)


@needs_real_data
def test_json_that_must_parse_means_what_python_says(tmp_path: Path) -> None:
    """Each `y_` file in a field of a line, and as a line of its own where it is one."""
    files = list(json_files("y"))
    assert len(files) == 95
    whole_lines = 0
    for name, content in files:
        meant = json.loads(content)
        flat = re.sub(rb"[\r\n]+", b" ", content)
        context = load("j", written(tmp_path, "one.jsonl", b'{"held": ' + flat + b"}\n"))
        [row] = cells(context)
        assert same(row["held"], meant), (name, row, meant)
        assert json.loads(raw_rows(context, b'{"held": ' + flat + b"}\n")[0]) == {"held": meant}
        if b"\n" in content.strip() or meant == {}:
            with pytest.raises(UserError, match=r"one\.jsonl(:1:\d+: no JSON| holds no object with a field)"):
                load("j", written(tmp_path, "one.jsonl", content))
            continue
        whole_lines += 1
        [row] = cells(load("j", written(tmp_path, "one.jsonl", content)))
        expected = meant if isinstance(meant, dict) else {"value": meant}
        assert len(row) == len(expected) and all(map(same, row.values(), expected.values())), (name, row)
    assert whole_lines == 92


@needs_real_data
def test_json_that_must_not_parse_is_refused_with_its_place(tmp_path: Path) -> None:
    files = list(json_files("n"))
    assert len(files) == 185 and len(list(json_files("p"))) == 3
    for name, content in files:
        if not content.strip():  # no JSON, but JSON Lines of no line
            assert cells(load("j", written(tmp_path, "one.jsonl", content))) == []
            continue
        with pytest.raises(UserError, match=r"one\.jsonl(:\d+(:\d+)?: | holds no object with a field)"):
            load("j", written(tmp_path, "one.jsonl", content))
        if b"\n" not in content and content:
            after_a_good_line = b'{"held": 1}\n{"held": ' + content + b"}\n"
            with pytest.raises(UserError, match=r"one\.jsonl:2(:\d+)?: ") as refused:
                load("j", written(tmp_path, "one.jsonl", after_a_good_line))
            assert refused.value.exit_code == 2, name


@needs_real_data
def test_json_that_may_parse_is_right_or_refused(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for name, content in json_files("i"):
        try:
            context = load("j", written(tmp_path, "one.jsonl", content), options=UTF_8)
        except UserError as refused:
            assert re.search(
                r"one\.jsonl:1(:\d+)?: (no JSON|bytes that are not UTF-8|nested too deeply)| holds no object",
                str(refused),
            )
            counts["refused"] += 1
            continue
        meant = json.loads(content.decode("utf-8-sig"))
        [row] = cells(context)
        expected = meant if isinstance(meant, dict) else {"value": meant}
        assert all(map(same, row.values(), (halved(value) for value in expected.values()))), (name, row, meant)
        assert ("surrogate" in notes(context)) == (halved(meant) != meant)
        assert all(math.isfinite(n) for value in row.values() for n in ([value] if isinstance(value, float) else []))
        counts["read"] += 1
    assert counts == {"read": 15, "refused": 20}


@needs_real_data
def test_json_files_as_whole_texts_are_their_bytes() -> None:
    folder = REAL / "json-test-suite" / "test_parsing"
    files = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    context = load("j", str(folder), format="documents", options=UTF_8)
    kept = {row["path"]: row["text"] for row in cells(context)}
    assert kept == {name: document_as_read(raw) for name, raw in files.items() if b"\x00" not in raw[:8192]}
    assert len(files) == 318 and len(kept) == 311
    for name, raw in files.items():
        alone = load("j", str(folder / name), format="documents", options=UTF_8)
        assert cells(alone) == [{"path": name, "text": document_as_read(raw)}]
        assert raw_rows(alone, raw) == [raw]


JSON_READ: dict[str, tuple[bytes, list[dict[str, Any]], str]] = {
    "CRLF": (b'{"a": 1}\r\n{"a": 2}\r\n', [{"a": 1}, {"a": 2}], ""),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}\n', [{"a": 1}], ""),
    "lone CR as line end": (b'{"a": 1}\r{"a": 2}\r', [{"a": 1}, {"a": 2}], ""),
    "UTF-16": ('{"a": "é"}'.encode("utf-16"), [{"a": "é"}], "read as UTF-16-LE"),
    "no last line end": (b'{"a": 1}\n{"a": 2}', [{"a": 1}, {"a": 2}], ""),
    "blank lines": (b'\n{"a": 1}\n \t\r\n', [{"a": 1}], "2 blank lines were passed over"),
    "NUL and control characters as escapes": (b'{"a": "x\\u0000\\u001b[31m"}', [{"a": "x\x00\x1b[31m"}], ""),
    "line separators in a text": ('{"a": "x\u2028\x85y"}'.encode(), [{"a": "x\u2028\x85y"}], ""),
    "a whole pair": (rb'{"a": "\ud83d\ude00"}', [{"a": "😀"}], ""),
    "half of a pair": (rb'{"a": "x\ud83dy"}', [{"a": "x\ufffdy"}], "1 rows hold half of a surrogate pair"),
    "keys that differ by case": (b'{"a": 1, "A": 2}', [{"a": 1, "A_2": 2}], "is called `A_2`"),
    "keys that are odd": (b'{"": 1, "#row": 2, "a b": 3}', [{"column_1": 1, "row": 2, "a b": 3}], "is called"),
    "a key twice": (b'{"a": 1, "a": 2}', [{"a": 2}], ""),
    "whole numbers past 64 bits": (
        b'{"a": 123456789012345678901234567890}',
        [{"a": "123456789012345678901234567890"}],
        "",
    ),
    "whole numbers past floats": (
        b'{"a": 9007199254740993}\n{"a": 0.5}',
        [{"a": Decimal("9007199254740993.0")}, {"a": Decimal("0.5")}],
        "",
    ),
    "whole numbers past floats within": (
        b'{"a": [{"b": 9007199254740993, "c": 9007199254740993}]}\n{"a": [{"b": 0.5, "c": 1}]}',
        [
            {"a": [{"b": Decimal("9007199254740993.0"), "c": 9007199254740993}]},
            {"a": [{"b": Decimal("0.5"), "c": 1}]},
        ],
        "",
    ),
    "the largest whole number": (b'{"a": 9223372036854775807}', [{"a": 9223372036854775807}], ""),
    "several kinds": (b'{"a": 1}\n{"a": "x"}\n{"a": [true]}', [{"a": "1"}, {"a": "x"}, {"a": "[true]"}], ""),
    "true is no 1": (b'{"a": 1}\n{"a": true}', [{"a": "1"}, {"a": "true"}], ""),
    "values that are no objects": (b"1\n2\n", [{"value": 1}, {"value": 2}], ""),
    "names that no program can spell": (
        rb'{"a": {"b\nc": 1, "d\u0000": 2}}',
        [{"a": '{"b\\nc": 1, "d\\u0000": 2}'}],
        "",
    ),
    "empty texts, lists and objects": (b'{"a": "", "b": [], "c": {}}', [{"a": "", "b": [], "c": "{}"}], ""),
    "nested as deep as allowed": (
        b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}",
        [{"a": json.loads("[" * 99 + "]" * 99)}],
        "",
    ),
}
JSON_REFUSED: dict[str, tuple[bytes, str]] = {
    "objects without fields": (b"{}\n{}\n", r"t\.jsonl holds no object with a field"),
    "an object over two lines": (b'{"a":\n1}\n', r"t\.jsonl:1:6: no JSON"),
    "two values in a line": (b'{"a": 1} {"a": 2}\n', r"t\.jsonl:1:10: no JSON"),
    "a trailing comma": (b'{"a": 1}\n{"a": 1,}\n', r"t\.jsonl:2:\d+: no JSON"),
    "a negative NaN": (b'{"a": -NaN}', r"t\.jsonl:1:7: no JSON"),
    "an infinity spelled otherwise": (b'{"a": [-Inf]}', r"t\.jsonl:1:8: no JSON"),
    "a number beyond floats": (b'{"a": 1}\n{"a": 1e400}', r"t\.jsonl:2: no JSON: a number is larger"),
    "many digits beyond floats": (b'{"a": ' + b"9" * 400 + b".5}", r"t\.jsonl:1: no JSON: a number is larger"),
    "5,000 digits": (b'{"a": ' + b"9" * 5_000 + b"}", r"t\.jsonl:1: no JSON"),
    "bytes that are no UTF-8": (b'{"a": 1}\n{"a": "\xff"}', r"t\.jsonl:2:8: bytes that are not UTF-8"),
    "half of a pair in bytes": (b'{"a": "\xed\xa0\x80"}', r"t\.jsonl:1:8: bytes that are not UTF-8"),
    "a control character": (b'{"a": "x\ty"}', r"t\.jsonl:1:9: no JSON"),
    "NUL between lines": (b'{"a": 1}\n\x00\n', r"t\.jsonl:2:1: no JSON"),
    "form feed as blank": (b'{"a": 1}\n\x0c\n', r"t\.jsonl:2:1: no JSON"),
    "nested too deeply": (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", r"t\.jsonl:1: nested too deeply"),
    "nested without end": (b"[" * 100_000, r"t\.jsonl:1: nested too deeply"),
}


@pytest.mark.parametrize("case", JSON_READ)
def test_tricky_json_lines_are_read_exactly(tmp_path: Path, case: str) -> None:
    content, rows, note = JSON_READ[case]
    context = load("t", written(tmp_path, "t.jsonl", content))
    assert cells(context) == rows
    assert [list(map(type, row.values())) for row in cells(context)] == [list(map(type, row.values())) for row in rows]
    assert note in notes(context) if note else not context.notes


@pytest.mark.parametrize("case", JSON_REFUSED)
def test_broken_json_lines_are_refused_with_their_place(tmp_path: Path, case: str) -> None:
    content, says = JSON_REFUSED[case]
    with pytest.raises(UserError, match=says):
        load("t", written(tmp_path, "t.jsonl", content))


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_json_values_of_any_kinds_come_back(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    content = "".join(json.dumps({"n": n, "held": value}) + "\n" for n, value in enumerate(values))
    context = load("j", written(tmp_path_factory.mktemp("j"), "j.jsonl", content))
    assert column(context, "n") == list(range(len(values)))
    for loaded, meant in zip(column(context, "held"), values, strict=True):
        assert same_shape(loaded, meant), (loaded, meant, str(context.schema))


def same_shape(loaded: Any, meant: Any) -> bool:
    """As `same`, where dates and rows of several kinds may change how a value is held."""
    if hasattr(loaded, "isoformat"):
        return bool(str(meant).replace(" ", "T").startswith(loaded.isoformat()[:10]))
    if isinstance(meant, int | float) and not isinstance(meant, bool) and isinstance(loaded, float):
        return bool(loaded == float(meant))
    if isinstance(meant, list) and isinstance(loaded, list):
        return len(meant) == len(loaded) and all(map(same_shape, loaded, meant))
    if isinstance(meant, dict) and isinstance(loaded, dict):
        return all(same_shape(loaded.get(key), value) for key, value in meant.items())
    return same(loaded, meant)


# UTF-8


def utf8_cases() -> Iterator[tuple[str, bytes, str]]:
    """Number, bytes, and the text that they are, bad sequences replaced, as the file's authors say."""
    for line in (REAL / "utf8tests" / "utf8tests.txt").read_text().splitlines():
        match re.split(r":", line, maxsplit=2):
            case [number, "valid", text] if number[:1].isdigit():
                yield number, text.encode(), text
            case [number, "valid hex", digits] if number[:1].isdigit():
                yield number, bytes.fromhex(digits), bytes.fromhex(digits).decode()
            case [number, "invalid hex", rest] if number[:1].isdigit():
                digits, _, replaced = rest.split(":")
                yield number, bytes.fromhex(digits), bytes.fromhex(replaced).decode()


@needs_real_data
def test_invalid_utf8_is_replaced_as_its_authors_say(tmp_path: Path) -> None:
    cases = list(utf8_cases())
    bad = [case for case in cases if "\ufffd" in case[2] and case[1] != case[2].encode()]
    assert (len(cases), len(bad)) == (216, 140)
    content = b"\n".join(raw for _, raw, _ in cases)
    lines = load("u", written(tmp_path, "u.txt", content), options=UTF_8)
    split = [(number, text) for number, _, whole in cases for text in whole.split("\n")]
    assert column(lines, "text") == [text for _, text in split]
    assert raw_rows(lines, content) == content.split(b"\n")
    for number, raw, text in cases:
        noted = (number, raw, text) in bad
        path = written(tmp_path, "one.txt", raw)
        whole = load("u", path, format="documents", options=UTF_8)
        assert column(whole, "text") == [text], number
        assert ("not UTF-8" in notes(whole)) == noted, number
        table = load("u", written(tmp_path, "one.csv", b'x,y\n"' + raw.replace(b'"', b'""') + b'",1\n'), options=UTF_8)
        assert column(table, "x") == [text] or text.isdigit(), number
        assert ("not UTF-8" in notes(table)) == noted, number
        if noted:
            with pytest.raises(UserError, match=r"one\.jsonl:1:\d+: bytes that are not UTF-8"):
                load("u", written(tmp_path, "one.jsonl", b'{"x": "' + raw + b'"}'), options=UTF_8)


@given(st.lists(st.sampled_from([bytes([n]) for n in range(256)]) | st.binary(max_size=4), max_size=12).map(b"".join))
def test_bytes_of_any_kind_are_read_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    assume(recognised(content) is None)  # what is known to be no text is refused
    folder = tmp_path_factory.mktemp("u")
    whole = load("u", written(folder, "u.txt", content), format="documents", options=UTF_8)
    assert column(whole, "text") == [document_as_read(content)]
    lines = load("u", written(folder, "u.txt", content), options=UTF_8)
    assert column(lines, "text") == [text for *_, text in lines_as_read(content)]
    assert raw_rows(lines, content) == [content[lo:hi] for _, lo, hi, _ in lines_as_read(content)]
    before = load("u", written(folder, "u.txt", content), options=EARLIER)
    assert b"\n".join(raw_rows(before, content)) == content.removesuffix(b"\n")


@needs_real_data
def test_server_logs_come_back_whole() -> None:
    for path in (REAL / "loghub").glob("*.log"):
        context = load("log", str(path))
        assert "\n".join(column(context, "text")) == document_as_read(path.read_bytes()).rstrip("\n")  # type: ignore[arg-type]


# Large, and through the engine


def test_a_line_of_ten_megabytes(tmp_path: Path) -> None:
    text = "é0123456789"[:11] * 873_814  # 10.5 MB of UTF-8
    raw = text.encode()
    assert len(raw) > 10_000_000
    assert column(load("t", written(tmp_path, "t.txt", raw)), "text") == [text]
    assert column(load("t", written(tmp_path, "t.csv", b'a,b\n1,"' + raw + b'"\n')), "b") == [text]
    assert column(load("t", written(tmp_path, "t.jsonl", b'{"a": "' + raw + b'"}\n')), "a") == [text]
    assert run("answer t | derive(n=length(text)) | max(n)", {"t": tmp_path / "t.txt"}).value == len(text)


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("t.csv", b'a\0b,"x ""y"" `z`; DROP","{n}"\r\n1,"p\r\nq",\x00\r\n', [[1, "p\r\nq", "\x00"]]),
        (
            "t.jsonl",
            rb'{"\u0000": 1, "a\"b`c": "\u0000\u001b]0;x\u0007", "{n}": "\u202e"}',
            [[1, "\0\x1b]0;x\x07", "\u202e"]],
        ),
        ("t.jsonl", b'{"a": ' + b"[" * 99 + b"1" + b"]" * 99 + b"}", [[json.loads("[" * 99 + "1" + "]" * 99)]]),
    ],
)
def test_odd_names_and_values_go_through_the_engine(tmp_path: Path, name: str, content: bytes, rows: list[Any]) -> None:
    found = run("answer t | where(true)", {"t": written(tmp_path, name, content)}).value
    assert [list(row.values()) for row in found] == rows
