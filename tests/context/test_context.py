"""Loading is exact to the byte, typed over all rows, and clear when it refuses."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import context_line
from rlm_dsl.context.files import blocks
from rlm_dsl.context.files.recognised import recognised
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import EARLIER, ReadingOptions
from rlm_dsl.language.types import INT, TEXT, Field, Table
from tests.support.contexts import column, document_as_read, lines_as_read, written

UTF_8 = ReadingOptions(encoding="utf-8")


@given(st.lists(st.binary(max_size=12), max_size=20).map(b"\n".join))
def test_lines_give_back_every_byte(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """But for line ends and a byte order mark, which stand between them."""
    assume(recognised(content) is None)
    path = written(tmp_path_factory.mktemp("lines"), "a.txt", content)
    context = load("a", path, options=UTF_8)
    spans = list(zip(column(context, "#lo"), column(context, "#hi"), strict=True))
    places = [0, *(place for span in spans for place in span), len(content)]
    between = b"".join(content[a:b] for a, b in zip(places[0::2], places[1::2], strict=True))  # type: ignore[misc]
    assert re.fullmatch(rb"(\xef\xbb\xbf)?[\r\n]*", between)
    texts = column(context, "text")
    placed = [(n, *span, text) for n, (span, text) in enumerate(zip(spans, texts, strict=True), 1)]
    assert lines_as_read(content) == placed


def test_odd_lines_are_kept_and_noted(tmp_path: Path) -> None:
    path = written(tmp_path, "odd.log", b"\xef\xbb\xbfa\r\n\n\x00b\xff\nlast")
    context = load("odd", path)
    assert column(context, "text") == ["a", "", "\x00b\ufffd", "last"]
    assert column(context, "#lo") == [3, 6, 7, 11]
    assert column(context, "line") == [1, 2, 3, 4]
    assert context.notes == ("1 lines hold bytes that are not UTF-8 (shown as U+FFFD)",)
    before = load("odd", path, options=EARLIER)
    assert column(before, "text") == ["\ufeffa\r", "", "\x00b\ufffd", "last"]
    assert column(before, "#lo") == [0, 6, 7, 11] and column(before, "#hi") == [5, 6, 10, 15]
    assert [note.split(" ", 1)[1] for note in before.notes] == [
        "lines hold bytes that are not UTF-8 (shown as U+FFFD)",
        "files begin with a byte order mark (kept in the text)",
        "lines end in CR (kept in the text)",
    ]


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b.txt", ".hidden/c.txt", "B.txt"):
        written(tmp_path, name, f"{name}\n")
    written(tmp_path, "picture.bin", b"\x00\x01")
    context = load("f", str(tmp_path))
    assert column(context, "path") == ["B.txt", "a/b.txt", "a/z.txt", "b.txt"]
    assert context.notes == ("1 binary files were left out: of no known kind (1)",)
    globbed = load("f", str(tmp_path / "a" / "*.txt"))
    assert column(globbed, "path") == ["b.txt", "z.txt"]
    whole = load("f", str(tmp_path), format="documents")
    assert column(whole, "text") == ["B.txt\n", "a/b.txt\n", "a/z.txt\n", "b.txt\n"]
    declared = Table((Field("path", TEXT), Field("text", TEXT)))
    assert load("f", str(tmp_path), declared=declared).format == "documents"


def test_csv_is_typed_over_all_rows_and_knows_its_bytes(tmp_path: Path) -> None:
    content = 'id,when,ok,x,say\r\n1,2024-01-02,true,1.5,"a ""b""\r\nc"\n2,,FALSE,2,\n'
    context = load("t", written(tmp_path, "t.csv", content))
    assert context_line(context) == "context t: table(id: int, when: date?, ok: bool, x: decimal(1), say: text)"
    assert column(context, "say") == ['a "b"\r\nc', ""]
    raw = content.encode()
    spans = zip(column(context, "#lo"), column(context, "#hi"), strict=True)
    assert [raw[lo:hi] for lo, hi in spans] == [  # type: ignore[misc]
        b'1,2024-01-02,true,1.5,"a ""b""\r\nc"',
        b"2,,FALSE,2,",
    ]
    assert column(context, "#line") == [2, 4]


def test_uneven_csv_rows_are_kept_and_counted(tmp_path: Path) -> None:
    context = load("t", written(tmp_path, "t.csv", "a,A,\n1\n1,2,3,4,5\n"))
    assert context.schema.names == ("a", "A_2", "column_3", "extra_fields")
    assert column(context, "extra_fields") == [None, "4,5"]
    assert any("too few" in note for note in context.notes) and any("too many" in note for note in context.notes)


def test_json_lines_types(tmp_path: Path) -> None:
    rows = ['{"a": 1, "b": {"c": [1, 2.5]}, "d": "2024-01-02"}', "", '{"a": null, "e": [1, "x"], "d": null}']
    context = load("j", written(tmp_path, "j.jsonl", "\n".join(rows)))
    assert str(context.schema) == "table(a: int?, b: {c: list[decimal(1)]}?, d: date?, e: list[text]?)"
    assert column(context, "e") == [None, ["1", "x"]]
    assert context.notes == ("1 blank lines were passed over",)


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"n": [1, None], "s": ["a", "b"], "l": [[1], []]}), path)
    context = load("p", str(path))
    assert str(context.schema) == "table(n: int?, s: text, l: list[int])"
    pq.write_table(pa.table({"b": [b"x"]}), path)
    assert column(load("p", str(path)), "b") == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "is empty"),
        ("a.jsonl", '{"a": 1}\n{"a": }', "a.jsonl:2:7: no JSON"),
        ("a.jsonl", '{"a": nan}', "a.jsonl:1:7: no JSON"),
        ("a.jsonl", "[" * 100_000, "nested too deeply"),
        ("a.parquet", "no", "is no Parquet file"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, name: str, content: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load("x", written(tmp_path, name, content))


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, "tickets.csv", "a\n1\n")
    with pytest.raises(UserError, match=r"did you mean .*tickets\.csv"):
        load("t", str(tmp_path / "ticket.csv"))


def test_a_declaration_is_held_to(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "a,b\n1,x\n")
    chosen = load("t", path, declared=Table((Field("b", TEXT), Field("a", TEXT))))
    assert column(chosen, "a") == ["1"] and chosen.schema.names == ("b", "a")
    with pytest.raises(
        UserError, match=r"`b` is text and not int: 1 rows do not fit, first in line 2 with 'x'; there is no column `c`"
    ):
        load("t", path, declared=Table((Field("b", INT), Field("c", INT))))


LONG = b"x" * 14


@given(
    st.lists(st.binary(max_size=40) | st.lists(st.sampled_from([b"\n", b"a", b"\xc3\xa9", b"\r", LONG])).map(b"".join)),
    st.integers(1, 40),
    st.sampled_from(["", ".gz", ".bz2", ".zst", ".xz"]),
)
def test_rows_are_the_same_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], size: int, ending: str
) -> None:
    """Files of any bytes, compressed or not, read in blocks of a few bytes."""
    assume(not any(map(recognised, contents)))
    folder = tmp_path_factory.mktemp("blocks")
    wanted, whole = [], []
    for index, content in enumerate(contents):
        written(folder, f"{index:02}.txt{ending}", compressed(content, ending))
        if b"\x00" in content:
            continue
        whole.append(document_as_read(content))
        wanted += lines_as_read(content)
    written(folder, "z.txt", b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIZE", size)
        lines, documents = (load("a", str(folder), format=form, options=UTF_8) for form in ("lines", "documents"))
    found = zip(*(column(lines, name) for name in ("line", "#lo", "#hi", "text")), strict=True)
    assert list(found) == wanted
    assert column(documents, "text") == [*whole, ""]
    for row, source in zip(column(lines, "path"), column(lines, "#source"), strict=True):
        assert lines.sources[source].shown == row  # type: ignore[call-overload]
    for source in lines.sources:
        assert source.sha256 == sha256(Path(source.path).read_bytes()).hexdigest()


def compressed(content: bytes, ending: str) -> bytes:
    """As a file of two members, where the form knows them."""
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}[ending]
    return pack(content[:5]) + pack(content[5:])


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)  # type: ignore[no-any-return]


def test_a_line_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIZE", 4)
    monkeypatch.setattr(blocks, "LONGEST", 32)
    path = written(tmp_path, "a.txt", b"short\n" + b"x" * 32)
    with pytest.raises(UserError, match="a line has more than 512 MB"):
        load("a", path)
