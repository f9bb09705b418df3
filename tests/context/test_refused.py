"""What is no text, no file or at no rest: refused in words, with what it seems to be and how it is read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlm_dsl.cli import run as command_line
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.language.types import INT, Field, Table
from tests.support.contexts import cells, column, notes, written

TABLE = pa.table({"n": [1, 2]})


def parquet(path: str) -> None:
    pq.write_table(TABLE, path)


def arrow(path: str) -> None:
    with pa.ipc.new_file(path, TABLE.schema) as out:
        out.write_table(TABLE)


def sqlite(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (n)")
    connection.close()


def database(path: str) -> None:
    duckdb.connect(path).close()


def packed(*names: str) -> Callable[[str], None]:
    def write(path: str) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, "x" * 100)

    return write


def holding(content: bytes) -> Callable[[str], None]:
    def write(path: str) -> None:
        Path(path).write_bytes(content)

    return write


BINARY: dict[str, tuple[Callable[[str], None], str, str]] = {
    "parquet": (parquet, "a Parquet file", "NAME:parquet="),
    "arrow": (arrow, "an Arrow file", "NAME:arrow="),
    "sqlite": (sqlite, "an SQLite file", "NAME:sqlite="),
    "duckdb": (database, "a DuckDB file", "NAME:duckdb="),
    "xlsx": (packed("[Content_Types].xml", "xl/workbook.xml"), "a workbook", "NAME:sheet="),
    "docx": (packed("[Content_Types].xml", "word/document.xml"), "a Word file", "NAME:docx="),
    "zip": (packed("a.csv"), "a zip archive", "the ending .zip"),
    "gzip": (holding(gzip.compress(b"a,b\n1,2\n")), "compressed by gzip", "the ending .gz"),
    "bzip2": (holding(bz2.compress(b"a,b\n1,2\n")), "compressed by bzip2", "the ending .bz2"),
    "xz": (holding(lzma.compress(b"a,b\n1,2\n")), "compressed by xz", "the ending .xz"),
    "zstd": (holding(bytes(pa.compress(b"a,b\n" * 9, "zstd", asbytes=True))), "compressed by zstd", "the ending .zst"),
    "pdf": (holding(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"), "a PDF", "NAME:pdf="),
    "png": (holding(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "a PNG picture", "OCR"),
    "jpeg": (holding(b"\xff\xd8\xff\xe0\0\x10JFIF\0"), "a JPEG picture", "OCR"),
    "elf": (holding(b"\x7fELF\x02\x01\x01" + bytes(9)), "a program", "docs/data.md"),
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("name", ["t.csv", "t.log", "t.txt", "t.json", "t.jsonl", "t.tsv", "unnamed"])
def test_what_is_no_text_is_named_with_the_way_to_read_it(tmp_path: Path, kind: str, name: str) -> None:
    write, what, way = BINARY[kind]
    write(path := str(tmp_path / name))
    with pytest.raises(UserError) as refused:
        load("t", path)
    assert f"{path} is no text: it seems to be {what}" in refused.value.message
    assert way in refused.value.hint


def test_the_way_that_is_said_reads_it(tmp_path: Path) -> None:
    for write, format in ((parquet, "parquet"), (arrow, "arrow")):
        write(path := str(tmp_path / "t.csv"))
        assert column(load("t", path, format=format), "n") == [1, 2]


@pytest.mark.parametrize("format", ["html", "markdown", "mail", "documents", "lines", "csv"])
def test_every_format_of_text_refuses_pictures(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, "t.x", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(UserError, match="a PNG picture"):
        load("t", path, format=format)


@pytest.mark.parametrize("format", ["parquet", "arrow", "sqlite", "duckdb", "sheet", "pdf"])
def test_text_that_is_read_as_something_else_is_said_to_be_text(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, "t.x", "a,b\n1,2\n" * 30)
    with pytest.raises(UserError) as refused:
        load("t", path, format=format)
    assert f"it seems to be text: NAME:lines={path}" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "MZ is a country code",
        "ORC, elf and man",
        "BZh",
        "PARIS",
        "II*",
        "ID3 of the list",
        "GIF89a is a format",
        "ID3é",
    ],
)
def test_text_that_begins_as_something_else_is_text(tmp_path: Path, text: str) -> None:
    for encoding in ("utf-8", "cp1252"):
        assert column(load("t", written(tmp_path, "t.log", f"{text}\n".encode(encoding))), "text") == [text]


def test_noise_is_refused_unless_its_encoding_is_said(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4
    path = written(tmp_path, "t.log", content)
    with pytest.raises(UserError, match="no file of a known kind"):
        load("t", path)
    assert load("t", path, options=ReadingOptions(encoding="cp437")).count
    wide = "四七丁三上下不".encode("utf-16")
    assert column(load("t", written(tmp_path, "wide.log", wide)), "text") == ["四七丁三上下不"]
    holes = b"one\n" + bytes(3_000) + b"two\n"  # what a log has that was cut while it was written
    assert load("t", written(tmp_path, "holes.log", holes)).count == 2


def test_binary_files_in_a_folder_of_texts_are_left_out_and_named(tmp_path: Path) -> None:
    for name, (write, _, _) in BINARY.items():
        write(str(tmp_path / f"{name}.dat"))
    with pytest.raises(UserError, match=r"only binary files: .*a PNG picture"):
        load("t", str(tmp_path))
    written(tmp_path, "a.dat", "one\ntwo\n")
    for format in ("lines", "documents"):
        told = notes(load("t", str(tmp_path), format=format))
        assert f"{len(BINARY)} binary files were left out" in told and "a Parquet file (1)" in told


def test_a_file_among_tables_that_is_none_is_named(tmp_path: Path) -> None:
    written(tmp_path, "a.csv", "n\n1\n")
    parquet(str(tmp_path / "b.csv"))
    for given in (str(tmp_path), f"{tmp_path}/*.csv"):
        with pytest.raises(UserError, match=r"b\.csv is no text: it seems to be a Parquet file"):
            load("t", given)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    held = socket.socket(socket.AF_UNIX)
    held.bind(str(tmp_path / "s"))
    for path, said in {
        "/dev/null": "is a device",
        "/dev/zero": "is a device",
        str(tmp_path / "pipe"): "is a pipe",
        str(tmp_path / "s"): "is a socket",
        str(tmp_path / "link"): "is a link to nowhere",
        str(tmp_path / "a\0b"): "there is no file",
        str(tmp_path / ("n" * 300)): "there is no file",
    }.items():
        with pytest.raises(UserError, match=said):
            load("t", path)
        with pytest.raises(UserError):
            load("t", path, format="csv")
    held.close()
    with pytest.raises(UserError, match="which holds 3 links, pipes or devices"):
        load("t", str(tmp_path))


def test_a_folder_without_a_file_of_the_kind_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which holds nothing"):
        load("t", str(tmp_path))
    written(tmp_path, ".hidden.csv", "a\n1\n")
    with pytest.raises(UserError, match="which holds 1 hidden"):
        load("t", str(tmp_path))
    for name in ("a.png", "b.png", "c.txt"):
        written(tmp_path, name, "x")
    for format, endings in (("csv", r"\.csv"), ("pdf", r"\.pdf"), ("parquet", r"\.parquet")):
        with pytest.raises(UserError, match=rf"no {endings} file in .*, which has 2 \.png, 1 \.txt"):
            load("t", str(tmp_path), format=format)


def test_an_empty_file_has_the_columns_that_are_declared_or_is_refused(tmp_path: Path) -> None:
    declared = Table((Field("n", INT),))
    for name in ("t.csv", "t.tsv", "t.json", "t.jsonl", "t.parquet", "t.arrow"):
        path = written(tmp_path, name, "")
        context = load("t", path, declared=declared)
        assert context.schema == declared and not context.count
        if name != "t.jsonl":
            with pytest.raises(UserError, match="is empty"):
                load("t", path)
    for name, count in (("t.jsonl", 0), ("t.log", 0)):
        assert load("t", written(tmp_path, name, "")).count == count
    with pytest.raises(UserError, match="is empty but for a byte order mark"):
        load("t", written(tmp_path, "t.csv", b"\xef\xbb\xbf"))
    assert cells(load("t", written(tmp_path, "d.txt", ""), format="documents"))[0]["text"] == ""


def test_what_may_not_be_read_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root everything may be read: so what the system says is said here."""
    written(tmp_path, "held/a.csv", "n\n1\n")
    held = str(tmp_path / "held")

    def denied(real: Any) -> Any:
        def call(path: Any, *more: Any, **named: Any) -> Any:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(held):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return real(path, *more, **named)

        return call

    for name in ("stat", "scandir"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, denied(getattr(os, name)))
            for path in (
                held,
                f"{held}/a.csv",
                f"{held}/b.csv",
                f"{held}/*.csv",
                f"{held}/a.sqlite",
                f"{held}/a.zip!/b",
            ):
                for format in (None, "csv", "lines"):
                    try:
                        load("t", path, format=format)
                    except UserError as refused:
                        assert "cannot be read: Permission denied" in str(refused) or "there is no" in str(refused)
    monkeypatch.setattr("builtins.open", denied(open))
    monkeypatch.setattr(io, "open", denied(open))
    for format in ("csv", "lines", "documents", "html"):
        with pytest.raises(UserError, match=r"a\.csv cannot be read: Permission denied"):
            load("t", f"{held}/a.csv", format=format)
    assert command_line(["check", f"{held}/a.rlm"]) == 2
    assert "internal error" not in capsys.readouterr().err


@pytest.mark.parametrize("pattern", ["**/*.csv", "*/*.csv", "*/held/*.csv", "x/**/a.csv"])
def test_a_folder_that_a_glob_would_pass_over_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    for name in ("x/a.csv", "x/held/a.csv", "held/a.csv", ".held/a.csv"):
        written(tmp_path, name, "n\n1\n")
    listing = os.scandir

    def denied(path: Any = ".") -> Any:
        if os.fspath(path).rstrip("/").endswith("held"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match="held cannot be read: Permission denied"):
        load("t", f"{tmp_path}/{pattern}")
    monkeypatch.setattr(os, "scandir", listing)
    assert load("t", f"{tmp_path}/{pattern}").count


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    rows = "n\n" + "1\n" * 1000
    changes: dict[str, Callable[[Path], Any]] = {
        "grows": lambda path: path.write_text(rows + "2\n"),
        "is edited": lambda path: os.utime(path, ns=(1, 1)),
        "is another": lambda path: (path.unlink(), path.write_text(rows)),
        "goes away": lambda path: path.unlink(),
    }
    for change in changes.values():
        for format in ("csv", "lines", "documents", "markdown"):
            path = Path(written(tmp_path, "t.csv", rows))
            with pytest.MonkeyPatch.context() as patch:
                real = os.fstat

                def opened(descriptor: int, path: Path = path, change: Any = change, real: Any = real) -> Any:
                    found = real(descriptor)
                    if found.st_size == len(rows) and path.exists() and path.stat().st_ino == found.st_ino:
                        change(path)
                    return found

                patch.setattr(os, "fstat", opened)
                with pytest.raises(UserError, match="was written to while it was read"):
                    load("t", str(path), format=format)
            path.unlink(missing_ok=True)
