"""Tables of every format: read in batches, and the same as a plain reading of the whole.

In: files made here. Out: nothing but a verdict. Law: how a file is cut into blocks and batches shows nowhere.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlm_dsl.context import csv_blocks, csv_rows
from rlm_dsl.context.inference import READERS, free_names
from rlm_dsl.context.loading import load
from rlm_dsl.diagnostics import UserError
from rlm_dsl.types import TEXT, Field, Table, Type, nullable
from tests.test_context import written


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
            return (nullable(type_) if len(present) < len(cells) else type_), values
    return (nullable(TEXT) if None in cells else TEXT), list(cells)


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
    "1e400",
    "9007199254740993",
    "2024-01-02",
    "0000-01-01",
    "2024-01-02 03:04",
    "true",
]
PIECES = ['"', '""', ",", ",", "\n", "\n", "\r\n", "\r", "x", "é", "\0", '","', '"\n', '"x\ny"', '"a ""b"" c"', *CELLS]


@settings(deadline=None, max_examples=300)
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
    except UserError as refused:
        assert str(refused) in found.replace(" no CSV: ", " ")
        return
    assert found == meant
