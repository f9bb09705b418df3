"""`peek`: what was recognised and why, of every format, in bounded and harmless words."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.commands import command
from tests.support.contexts import written

ORDERS = "id;sku;amount;sent;zip;note\n1;1e5;1.250,75;2026-11-01;01234;a\n2;12E3;3,5;;00002;\n3;x;7;2026-11-02;9;a\n"
WHOLE = """\
t.csv: 1 file, 102 bytes, 3 rows
format    csv (by its ending .csv)
encoding  utf-8
dialect   fields between ';', quoted by ", names in its header, decimal sign ','
note      fields are separated by semicolons
note      numbers have "," for a decimal sign and "." between thousands; if not, say decimal="."

column  type        nulls  distinct  decided by
id      int         0      3         1 (t.csv:2) and all others read so
sku     text        0      3         x (t.csv:4) fits no narrower type
amount  decimal(2)  0      3         1250.75 (t.csv:2) has the most digits after the point
sent    date?       1      2         2026-11-01 (t.csv:2) and all others read so
zip     text        0      3         01234 (t.csv:2) fits no narrower type
note    text        0      2         a (t.csv:2) fits no narrower type

id  sku   amount   sent        zip    note
1   1e5   1250.75  2026-11-01  01234  a
2   12E3  3.50     null        00002
3   x     7.00     2026-11-02  9      a
"""


def test_a_look_at_a_table(tmp_path: Path) -> None:
    written(tmp_path, "t.csv", ORDERS)
    ran = command(tmp_path, "peek", "t.csv")
    assert (ran.code, ran.err) == (0, "") and ran.out == WHOLE
    held = json.loads(command(tmp_path, "peek", "t.csv", "--json").out)
    assert held["rows"] == 3 and held["columns"][2]["decided"]["line"] == 2
    assert [each["nulls"] for each in held["columns"]] == [0, 0, 0, 1, 0, 0]
    said = command(tmp_path, "peek", 't:csv(header=no, delimiter=";")=t.csv')
    assert said.code == 0 and "no header: columns are numbered" in said.out and "as it is said" in said.out


def formats(folder: Path) -> dict[str, str]:
    """A file of each format, and what is told of it."""
    written(folder, "a.jsonl", '{"x": 1}\n{"x": 2.5}\n{"x": null, "l": [1]}\n')
    written(folder, "a.json", '[{"x": "2026-11-01"}, {"x": "n"}]')
    written(folder, "a.log", "one\r\ntwo\r\n")
    written(folder, "a.eml", "From: a@b.c\nSubject: s\n\ntext\n")
    written(folder, "months/year=2026/a.csv", "n\n1\n")
    written(folder, "months/year=2026/b.csv", "n\n2.5\n")
    pq.write_table(pa.table({"n": [1, None], "s": ["a", "a"]}), folder / "a.parquet")
    with sqlite3.connect(folder / "a.sqlite") as connection:
        connection.execute("CREATE TABLE t (n)")
        connection.execute("INSERT INTO t VALUES (7), ('x')")
    return {
        "a.jsonl": "2.5 (a.jsonl:2) has the most digits",
        "a.json": "n (a.json:1) fits no narrower type",
        "a.log": "the format says it",
        "a.eml": "by its ending .eml",
        "months": "2.5 (year=2026/b.csv:2)",
        "months/*/*.csv": "by the endings of its files",
        "months/year=2026/a.csv": "csv (by its ending",
        "a.parquet": "the format says it",
        "a.sqlite": "x (a.sqlite:2)",
        "d:documents=a.log": "as it is said",
    }


def test_every_format_is_looked_at(tmp_path: Path) -> None:
    for given, told in formats(tmp_path).items():
        ran = command(tmp_path, "peek", given)
        assert ran.code == 0 and told in ran.out, (given, ran.out, ran.err)
        assert json.loads(command(tmp_path, "peek", given, "--json").out)["columns"]


def test_a_look_is_harmless_and_bounded(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(300))
    cells = ",".join(["\x1b[31m" + "x" * 50_000] + ["\u202e1"] * 299)
    written(tmp_path, "t.csv", f"{names}\n" + f"{cells}\n" * 20)
    ran = command(tmp_path, "peek", "t.csv")
    assert ran.code == 0 and len(ran.out) < 20_000 and "more rows" in ran.out
    assert all(c.isprintable() or c == "\n" for c in ran.out)
    assert len(command(tmp_path, "peek", "t.csv", "--json").out) < 400_000


@pytest.mark.parametrize("given", ["none.csv", "t:nothing=t.csv", "t:csv(", "/dev/null", "a=b=c"])
def test_what_cannot_be_looked_at_is_refused(tmp_path: Path, given: str) -> None:
    ran = command(tmp_path, "peek", given)
    assert ran.code == 2 and "error" in ran.err and "internal" not in ran.err
