"""Bytes to text at the door: encodings and line ends, found or said, with places that stay the file's.

In: texts in many encodings. Out: nothing but a verdict. Law: a text is read as the same rows whatever it is in, and a
row's places are its bytes there.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.cli import run as command
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.files import blocks, text
from rlm_dsl.context.files.text import text_of
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.support.contexts import cells, column, notes, raw_rows, written

DATA = Path(__file__).parent / "data"
WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
SAID = ("cp1250", "cp1251", "koi8-r", "shift_jis", "gb18030", "euc_jp", "big5", "cp437")
WORDS = {
    "cp1250": "Žluťoučký kůň",
    "cp1251": "Привет мир",
    "koi8-r": "Привет мир",
    "shift_jis": "日本語ソ表",
    "gb18030": "你好，世界😀",
    "euc_jp": "日本語",
    "big5": "繁體中文",
    "cp437": "Grüße ▒",
}


def in_words(context: Context, raw: list[bytes], encoding: str) -> list[str]:
    return [part.decode(encoding) for part in raw]


@pytest.mark.parametrize("encoding", [*WIDE, "utf-8-sig"])
def test_a_mark_or_the_bytes_tell_the_encoding(tmp_path: Path, encoding: str) -> None:
    """Of every format that reads text; places are those of the file."""
    said = 'id,name\n1,Zoë 😀\n2,"naïve, 日本"\n'
    content = said.encode(encoding)
    bare = encoding.removesuffix("-sig") if "8" in encoding else encoding
    bare = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(bare, bare)
    table = load("t", written(tmp_path, "a.csv", content))
    assert cells(table) == [{"id": 1, "name": "Zoë 😀"}, {"id": 2, "name": "naïve, 日本"}]
    assert in_words(table, raw_rows(table, content), bare) == ["1,Zoë 😀", '2,"naïve, 日本"']
    lines = load("t", written(tmp_path, "a.log", content))
    assert column(lines, "text") == said.split("\n")[:-1]
    assert in_words(lines, raw_rows(lines, content), bare) == said.split("\n")[:-1]
    assert column(load("t", str(tmp_path / "a.log"), format="documents"), "text") == [said]
    noted = "" if "8" in encoding else f"read as {bare.upper()}"
    assert notes(table) == notes(lines) == noted
    for form, shown in (("json", '[{"a": "é"}]'), ("jsonl", '{"a": "é"}\n')):
        one = load("t", written(tmp_path, f"a.{form}", shown.encode(encoding)))
        assert cells(one) == [{"a": "é"}]
        assert in_words(one, raw_rows(one, shown.encode(encoding)), bare)[0].strip("\ufeff") == '{"a": "é"}'
    folder = load("t", str(tmp_path), format="lines")
    assert "left out" not in notes(folder) and column(folder, "text").count("1,Zoë 😀") == 2


@pytest.mark.parametrize("encoding", SAID)
def test_an_encoding_that_is_said(tmp_path: Path, encoding: str) -> None:
    words, options = WORDS[encoding], ReadingOptions(encoding=encoding)
    content = f"id,name\r\n1,{words}\r\n2,b\r\n".encode(encoding)
    table = load("t", written(tmp_path, "a.csv", content), options=options)
    assert cells(table) == [{"id": 1, "name": words}, {"id": 2, "name": "b"}] and not table.notes
    assert raw_rows(table, content) == content.splitlines()[1:]
    lines = load("t", written(tmp_path, "a.log", content), options=options)
    assert column(lines, "text")[1] == f"1,{words}" and raw_rows(lines, content) == content.splitlines()
    whole = load("t", str(tmp_path / "a.log"), format="documents", options=options)
    assert column(whole, "text") == [f"id,name\n1,{words}\n2,b\n"] and raw_rows(whole, content) == [content]
    page = load(
        "t", written(tmp_path, "a.md", f"# {words}\n\nb\n".encode(encoding)), format="markdown", options=options
    )
    assert column(page, "heading") == [words] and raw_rows(page, f"# {words}\n\nb\n".encode(encoding)) != []


def test_an_encoding_whose_places_cannot_be_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a\n日本\n".encode("iso2022_jp"))
    table = load("t", path, options=ReadingOptions(encoding="iso2022_jp"))
    assert column(table, "a") == ["日本"] and column(table, "#lo") == [None] and "evidence has no bytes" in notes(table)


TOLD = {
    "letters of western texts": ("Müller;Köln\n".encode("latin-1"), "iso8859-1", "Latin-1"),
    "signs of Windows": (b"O\x92Brien \x80 5\n", "cp1252", "Windows-1252"),
    "a free byte of Windows": (b"na\xefve caf\xe9 \x8d\x92s d\xe9j\xe0 vu\n", "cp1252", "Windows-1252"),
    "UTF-8 that was damaged": ("Grüße aus Köln\n".encode() + b"\xff\n", "utf-8", "U+FFFD"),
    "half of a pair": (b"a\xed\xa0\x80b\n", "utf-8", "U+FFFD"),
    "a lone byte": (b"x\xff\xfey\n", "utf-8", "U+FFFD"),
    "no text": (b"\x01\x02\xe9\xe8\x00\n", "utf-8", "U+FFFD"),
    "Cyrillic": ("Привет, мир\n".encode("cp1251"), "utf-8", "U+FFFD"),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_not_utf8_is_western_text_or_shown_as_such(tmp_path: Path, case: str) -> None:
    content, encoding, noted = TOLD[case]
    for form in ("lines", "documents"):
        context = load("t", written(tmp_path, "a.log", content), format=form)
        assert context.sources[0].encoding == encoding and noted in notes(context), form
    table = load("t", written(tmp_path, "a.csv", b"a\n" + content))
    assert table.sources[0].encoding == encoding and noted in notes(table)
    kept = store_context("t", str(tmp_path / "a.log"), tmp_path / "t.rlmctx")
    assert kept.sources[0].encoding == encoding


def test_lines_of_a_long_western_file_are_read_by_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is cut, compressed or not; a line that is UTF-8 is read so."""
    monkeypatch.setattr(blocks, "SIZE", 64)
    content = b"plain line\n" * 20 + "Müller aus Köln\n".encode("latin-1") * 5 + "jetzt größer\n".encode()
    for path in (written(tmp_path, "a.log", content), written(tmp_path, "b.log.gz", gzip.compress(content))):
        context = load("t", path)
        assert column(context, "text")[20:] == ["Müller aus Köln"] * 5 + ["jetzt größer"]
        assert notes(context).startswith("5 lines are not UTF-8: read as Latin-1")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\ufeff"), max_size=30), st.sampled_from(WIDE))
def test_places_are_those_of_the_characters(said: str, encoding: str) -> None:
    content = said.encode(encoding)
    found = text_of(content, ReadingOptions(encoding=encoding))
    assert found.content.decode() == said
    bare = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    mark = len(content) - len(said.encode(bare))
    for at in range(len(said) + 1):
        place = len(said[:at].encode())
        expected = mark + len(said[:at].encode(bare))
        assert (place if found.places is None else int(found.places([place])[0])) == expected


def test_bytes_that_are_none_of_the_encoding(tmp_path: Path) -> None:
    odd = "a\ud800b\n".encode("utf-16-le", "surrogatepass") + b"\x41"
    lines = load("t", written(tmp_path, "a.log", b"\xff\xfe" + odd))
    assert column(lines, "text") == ["a\ufffdb"] and "shown as U+FFFD" in notes(lines)
    assert "are shown as U+FFFD" in notes(
        load("t", written(tmp_path, "b.log", b"\x81\x20"), options=ReadingOptions(encoding="shift_jis"))
    )


LINE_ENDS = {"\r\n": "CRLF", "\r": "CR", "\n": "LF", "\r\r\n": "CRCRLF"}


@pytest.mark.parametrize("end", LINE_ENDS, ids=LINE_ENDS.values())
def test_line_ends_are_none_of_the_text(tmp_path: Path, end: str) -> None:
    """A pattern's `$` finds the last word, in lines and in whole files."""
    content = f"job a done{end}job b failed{end}job c done{end}".encode()
    lines = load("t", written(tmp_path, "a.log", content))
    assert column(lines, "text") == ["job a done", "job b failed", "job c done"]
    assert raw_rows(lines, content) == [b"job a done", b"job b failed", b"job c done"]
    assert rlm_dsl.run('answer count(t | grep(r"done$"))', {"t": lines}).value == 2
    if end != "\r\r\n":
        whole = load("t", str(tmp_path / "a.log"), format="documents")
        found = rlm_dsl.run('answer t | extract(r"(?m)(?P<job>\\w) done$", all=true) | list(job)', {"t": whole}).value
        assert found == ["a", "c"]
    table = load("t", written(tmp_path, "a.csv", f"a,b{end}1,x{end}2,y{end}".encode()))
    assert cells(table) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert column(table, "#line") == [2, 3]


def test_evidence_is_the_bytes_of_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cite` shows them as text, of UTF-16 and of western text, and verify reads all again."""
    monkeypatch.chdir(tmp_path)
    for name, content in (("utf16.log", None), ("latin1.csv", None)):
        (tmp_path / name).write_bytes((DATA / name).read_bytes() if content is None else content)
    for name, program, shown in (
        ("utf16.log", 'answer t | grep(r"ERROR") | take(1)', "2026-11-01 ERROR disk full"),
        ("latin1.csv", 'answer t | grep(r"^Möller$", on=Name)', "Möller;Nürnberg;7,00"),
    ):
        trace = tmp_path / f"{name}.trace"
        result = rlm_dsl.run(program, {"t": name}, trace=trace)
        span = result.evidence[0].spans[0]
        raw = (tmp_path / name).read_bytes()[span.start : span.end]
        assert span.text == shown and raw.decode("utf-16-le" if "16" in name else "latin-1") == shown
        assert rlm_dsl.verify(trace).ok
        assert command(["cite", str(trace)]) == 0
        assert shown in capfd.readouterr().out


def test_a_kept_context_that_grows(tmp_path: Path) -> None:
    """Lines that are appended are read alone where that is what a load of all would give."""
    source, kept = tmp_path / "a.log", tmp_path / "a.rlmctx"
    source.write_bytes(b"one\r\ntwo\r\n")
    store_context("a", str(source), kept)
    source.write_bytes(b"one\r\ntwo\r\nthree\r\n")
    assert refresh_context(kept)[1] == 1
    source.write_bytes(source.read_bytes() + "Müller\r\n".encode("latin-1"))
    assert refresh_context(kept)[1] == 4
    source.write_bytes(source.read_bytes() + b"five\r\n")
    assert refresh_context(kept)[1] == 5


def test_names_of_encodings_that_are_none() -> None:
    for name in ("utf-9", "rot13", "base64", "idna", "unicode_escape", ""):
        with pytest.raises(UserError, match="`encoding` is"):
            rlm_dsl.load("x", encoding=name)
    assert text.shown_name("cp1252") == "Windows-1252 (cp1252)"


def test_the_cases_of_encodings_and_line_ends() -> None:
    """Lines that end in CR LF end after their last word, and JSON in UTF-16 is JSON."""
    for name, program, rows in (
        ("crlf.log", 'answer t | grep(r"done$") | count()', 2),
        ("utf16.log", 'answer t | grep(r"ERROR") | count()', 2),
        ("utf16.json", "answer t | sum(a)", 3),
    ):
        assert rlm_dsl.run(program, {"t": str(DATA / name)}).value == rows, name
