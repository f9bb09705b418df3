"""Tables whose files have grown: what was appended is read alone, and the context is what a load of all gives.

In: files that grow by pieces, cut anywhere. Out: nothing but a verdict. Law: rows, types, notes, lines and bytes are
those of a fresh load, and so is what is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.find import find
from rlm_dsl.context.format_registry import formats
from rlm_dsl.context.formats.csv import blocks
from rlm_dsl.context.formats.json import lines as json_lines
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import options_of
from rlm_dsl.context.rows.file_tables import Reader, load_one
from rlm_dsl.context.rows.grown_tables import Known, gives_what_is_kept, load_more
from rlm_dsl.context.rows.surveys import surveys_of_texts, texts_of_surveys
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.context.test_stored import same
from tests.support.contexts import written

GROWN, AGAIN, REFUSED = "grown", "read again", "refused"


def known_after(loaded: Loaded) -> Known | None:
    """What is kept of a load."""
    seen = surveys_of_texts(texts_of_surveys(loaded.surveys), ["utf-8"] * len(loaded.surveys))
    return Known(loaded.sources[0], seen[0]) if seen else None


def rows_of(loaded: Loaded) -> list[str]:
    """The rows as they are shown: NaN is no other's equal."""
    return [repr(row) for batch in loaded.batches for row in batch.to_pylist()]


def grown(path: Path, start: str, pieces: list[str], window: int = 4 << 20, **said: object) -> list[str]:
    """A file grows by pieces, read in windows of some bytes; gives what was done each time, after comparing it."""
    kind = formats()[path.suffix[1:]].table
    assert kind is not None
    reader, done = Reader(kind, options_of(said)), []
    content = start.encode("utf-8", "surrogateescape")
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "WINDOW", window)
        patch.setattr(json_lines, "WINDOW", window)
        kept = load_one(reader, str(path), None)
        rows, known = rows_of(kept), known_after(kept)
        for piece in pieces:
            path.write_bytes(content := content + piece.encode("utf-8", "surrogateescape"))
            try:
                whole = load_one(reader, str(path), None)
            except UserError as failure:
                if known is not None:
                    with_same_refusal(failure, reader, path, known)
                return [*done, REFUSED]
            every = rows_of(whole)
            more = load_more(reader, find(str(path)), [known], 0, None, None) if known is not None else None
            if more is not None and gives_what_is_kept(more.loaded.schema, kept.schema):
                assert [*rows, *rows_of(more.loaded)] == every
                assert (more.loaded.schema, more.loaded.notes) == (whole.schema, whole.notes)
                assert (more.loaded.format, more.loaded.sources) == (whole.format, whole.sources)
                kept = more.loaded
            else:
                kept = whole
            done.append(AGAIN if kept is whole else GROWN)
            rows, known = every, known_after(kept)
    return done


def with_same_refusal(failure: UserError, reader: Reader, path: Path, known: Known) -> None:
    """What a load refuses is refused, or read again whole, which is refused then."""
    try:
        more = load_more(reader, find(str(path)), [known], 0, None, None)
    except UserError as told:
        assert told.message == failure.message
    else:
        assert more is None


ODD = [",", ",", ";", "\n", "\r\n", "\r", '"', '""', "é", "a", "1", "2.5", "2.125", "01", "1e5", "true", "Total", "# c"]
RECORDS = ["1,2\n", "1.5,\n", "x,3\r\n", "2026-01-01,y\n", '"x\ny",1\n', '"a,""b"\r\n', "12345678901234567,2.5\n"]
CSV = st.lists(st.sampled_from(RECORDS) | st.sampled_from(ODD), max_size=8).map(lambda parts: "".join(parts).encode())
OPTIONS = st.sampled_from([{}, {"header": "no"}, {"comment": "#"}, {"skip": 1}, {"quote": "'"}, {"nulls": ["x"]}])


@given(st.lists(CSV, min_size=2, max_size=4), st.integers(0, 2), st.just({}) | OPTIONS, st.integers(4, 40))
def test_csv_that_has_grown_is_what_a_load_gives(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], cut: int, said: dict[str, object], window: int
) -> None:
    """Cut anywhere: within quotes, line ends and characters; with types, dialect and columns that change."""
    start, *more = ((piece[cut:] + piece[:cut]).decode("utf-8", "surrogateescape") for piece in pieces)
    grown(tmp_path_factory.mktemp("csv") / "t.csv", "a,b\n1,x\n" + start, more, window, **said)


VALUES = ['{"a": 1}', '{"a": 2.5, "b": null}', '{"b": "2026-01-01"}', '{"a": "x"}', '{"a": 1.125}', '{"c": {"d": [1]}}']
VALUES += [
    '{"c": {"d": [null, 2.5]}}',
    '{"a": 9007199254740993}',
    '{"a": 1e300}',
    '{"b": "\\ud800é"}',
    '{"A": 1, "a": 0}',
]
PARTS = st.sampled_from([f"{value}\n" for value in (*VALUES, "3", "NaN", "")] + ["{", '{"a": 1}', "\r\n", " "])
JSON = st.lists(PARTS, max_size=6).map("".join).map(str.encode)


@given(st.lists(JSON, min_size=1, max_size=3), st.integers(0, 2), st.integers(4, 80))
def test_json_lines_that_have_grown_are_what_a_load_gives(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], cut: int, window: int
) -> None:
    more = [(piece[cut:] + piece[:cut]).decode("utf-8", "surrogateescape") for piece in pieces]
    grown(tmp_path_factory.mktemp("json") / "t.jsonl", '{"a": 1}\n', more, window)


@pytest.mark.parametrize(
    ("name", "start", "more", "done"),
    [
        ("a.csv", "a,b\n1,x\n", ["2,y", "\n3,z\n", '4,"q\nr"\n'], [GROWN, AGAIN, GROWN]),
        ("a.csv", "a,b\n1,x\n", ["2.5,y\n", "3.5,z\n", "4.25,z\n"], [AGAIN, GROWN, AGAIN]),
        ("a.csv", "a,b\n1,x\n", ["2\n", "2,3,4\n", "2,3,4\n", ",\n"], [GROWN, AGAIN, GROWN, GROWN]),
        ("a.csv", 'a,b\n1,"x\n', ['2,y"\n'], [AGAIN]),
        ("a.tsv", "a\tb\r\n1\tx\r\n", ["2\ty\r\n", "\r\n"], [GROWN, GROWN]),
        ("a.csv", "a\tb\n1\tx\n", ["2\ty\n"], [GROWN]),
        ("a.csv", "a;b\n1,5;x\n", ["2,75;y\n", "3,25;y\n"], [AGAIN, GROWN]),
        ("a.csv", "# made today\na,b\n1,x\n", ["2,y\n"], [GROWN]),
        ("a.csv", "a,b\n1,é\n", ["2,\udcff\n"], [AGAIN]),
        ("a.jsonl", '{"a": 1}\n', ['{"a": null}\n', '{"a": 2}', '\n{"a": 3}\n', '{"b": 1}\n'],
         [GROWN, GROWN, AGAIN, AGAIN]),
    ],
)  # fmt: skip
def test_what_was_appended_is_read_alone(
    tmp_path: Path, name: str, start: str, more: list[str], done: list[str]
) -> None:
    """Behind a line's end, where columns and types stay; else all is read again."""
    assert grown(tmp_path / name, start, more) == done


def test_what_is_kept_of_a_file_grows_with_it(tmp_path: Path) -> None:
    """A file of CSV between tabs too, of which a note says that it is; columns that are wanted; another file's edit."""
    path, kept = written(tmp_path, "a.csv", "a\tb\n1\tx\n"), tmp_path / "a.rlmctx"
    options = options_of({"columns": ["b"]})
    store_context("t", path, kept, options=options)
    for more, told in (
        ("2\ty\n", GROWN),
        ("3\t\n\n", GROWN),
        ("4\tz\t5\n", GROWN),
        ("x\tz\n", GROWN),
        ("y\tz\n", GROWN),
    ):
        with Path(path).open("a") as file:
            file.write(more)
        assert refresh_context(kept)[0].startswith(told), more
        same(open_stored("t", kept), load("t", path, options=options))
    Path(path).write_text(Path(path).read_text().replace("x", "X") + "6\tz\n")
    assert refresh_context(kept)[0].startswith(AGAIN)
    same(open_stored("t", kept), load("t", path, options=options))


def test_many_files_tell_what_a_load_tells(tmp_path: Path) -> None:
    """Where a column is missing in a new file, files of Parquet come, one that has grown stands before others."""
    orders, kept = tmp_path / "csv", tmp_path / "csv.rlmctx"
    for number, header in enumerate(("a,b", "a", "b,a", "b")):
        written(orders, f"{number}.csv", f"{header}\n{'1,2'[: len(header)]}\n")
        if number == 0:
            store_context("t", str(orders), kept)
            continue
        assert refresh_context(kept)[0].startswith(GROWN)
        assert open_stored("t", kept).notes == load("t", str(orders)).notes
    written(orders, "1.csv", "a\n1\n3\n")
    assert refresh_context(kept)[1] == 1 + 2, "what it has more, and the files behind it"
    same(open_stored("t", kept), load("t", str(orders)))
    books, kept = tmp_path / "pq", tmp_path / "pq.rlmctx"
    books.mkdir()
    for number in range(2):
        pq.write_table(
            pa.table({"a": [number], **({} if number else {"b": [[{"c": 1}]]})}), books / f"{number}.parquet"
        )
        told = refresh_context(kept)[0] if number else store_context("t", str(books), kept).format
    assert told.startswith(GROWN)
    same(open_stored("t", kept), load("t", str(books)))


def test_what_was_found_is_read_again_whole_where_it_is_no_survey(tmp_path: Path) -> None:
    path, kept = written(tmp_path, "a.csv", "a\n1\n"), tmp_path / "a.rlmctx"
    store_context("t", path, kept)
    manifest = json.loads((kept / "context.json").read_text())
    good = json.loads(manifest["surveys"][0])
    odd = [{}, {**good, "columns": [["a", "cells"]]}, {**good, "state": 1}, {**good, "state": {}}]
    for number, text in enumerate(["", "[" * 100_000, *map(json.dumps, odd)]):
        manifest = json.loads((kept / "context.json").read_text())
        (kept / "context.json").write_text(json.dumps({**manifest, "surveys": [text]}))
        Path(path).write_text("a\n1\n" + "2\n" * (number + 1))
        assert refresh_context(kept)[0].startswith(AGAIN), text[:80]
    same(open_stored("t", kept), load("t", path))
