"""Archives as folders: what they hold is what the folder would give, and no more than that; nothing leaves them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files import unpacking
from rlm_dsl.context.files.globs import name_pattern
from rlm_dsl.context.loading import load
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.context.test_stored import same
from tests.support.contexts import cells, column, written

CASES = Path(__file__).parent / "cases"
FILES = {
    "2026/10.csv": b"id,zip\n1,01234\n",
    "2026/11.csv": b"id,zip\n2,99999\n",
    "2025/12.csv.gz": gzip.compress(b"id,zip\n0,5\n", mtime=0),
    ".hidden.csv": b"x\n1\n",
    "__MACOSX/2026/._10.csv": b"\x00",
}


def packed(folder: Path, name: str, files: Mapping[str, bytes] = FILES) -> str:
    """An archive of the kind that its name says."""
    held = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for each, content in files.items():
                archive.writestr(each, content)
    else:
        mode = {"tar": "w", "gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}[name.rpartition(".")[2]]
        with tarfile.open(fileobj=held, mode=mode) as tar:  # type: ignore[call-overload]
            for each, content in files.items():
                info = tarfile.TarInfo(each)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return written(folder, name, held.getvalue())


KINDS = ("a.zip", "a.tar", "a.tar.gz", "a.TGZ", "a.tar.bz2", "a.tar.xz")


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_is_what_its_folder_is(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path, name.lower())
    Path(path).rename(path := str(tmp_path / name))
    context = load("t", path)
    for each, content in FILES.items():
        written(tmp_path, f"folder/{each}", content)
    (tmp_path / "folder/__MACOSX/2026/._10.csv").unlink()
    folder = load("t", str(tmp_path / "folder"))
    assert context.schema == folder.schema and cells(context) == cells(folder) and context.digest == folder.digest
    assert column(context, "path") == ["2025/12.csv.gz", "2026/10.csv", "2026/11.csv"]
    assert context.sources[1].path == f"{path}!/2026/10.csv"
    assert load("t", f"{path}!/2026/10.csv").schema.names == ("id", "zip")
    assert column(load("t", f"{path}!/2026"), "path") == ["10.csv", "11.csv"]
    assert column(load("t", f"{path}!/**/*.csv"), "path") == ["2026/10.csv", "2026/11.csv"]
    assert load("t", f"{path}!/2026/10.csv", format="lines").count == 2


def test_evidence_and_growth_are_of_the_files_in_it(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.zip")
    result = rlm_dsl.run("answer t | where(id == 1)", {"t": path}, trace=tmp_path / "a.trace")
    (span,) = result.evidence[0].spans
    assert (span.source, span.first_line, span.text) == (f"{path}!/2026/10.csv", 2, "1,01234")
    assert rlm_dsl.verify(tmp_path / "a.trace").ok
    store_context("t", path, tmp_path / "t.rlmctx")
    packed(tmp_path, "a.zip", {**FILES, "2026/12.csv": b"id,zip\n3,07777\n"})
    assert refresh_context(tmp_path / "t.rlmctx")[1] == 1
    same(open_stored("t", tmp_path / "t.rlmctx"), load("t", path))


def test_which_files_are_meant_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has files of several kinds: 1 csv, 1 other text"):
        load("t", str(CASES / "orders.zip"))
    assert load("t", str(CASES / "orders.zip"), format="csv").count > 0
    packed(tmp_path, "a.zip", {"x.csv": b"a\n1\n"})
    packed(tmp_path, "b.zip", {"x.csv": b"a\n2\n"})
    assert column(load("t", str(tmp_path / "*.zip")), "path") == ["a.zip!/x.csv", "b.zip!/x.csv"]
    with pytest.raises(UserError, match=r"there is no y\.csv in") as told:
        load("t", str(tmp_path / "a.zip!/y.csv"), format="csv")
    assert "x.csv" in told.value.hint


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("inner", ["../out.csv", "a/../../out.csv", "..\\out.csv", ".."])
def test_names_that_point_outside_are_refused(tmp_path: Path, name: str, inner: str) -> None:
    with pytest.raises(UserError, match="names a place outside of it"):
        load("t", packed(tmp_path, name, {inner: b"a\n1\n"}))


def test_links_of_a_tar_are_no_files(tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        link = tarfile.TarInfo("passwords.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        info = tarfile.TarInfo("/abs.csv")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"a\n1\n"))
    assert column(load("t", written(tmp_path, "a.tar", held.getvalue())), "path") == ["abs.csv"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = packed(tmp_path, name, {"a.csv": bytes(1 << 21)})
    monkeypatch.setattr(unpacking, "UNSUSPECTED", 1 << 10)
    monkeypatch.setattr(unpacking, "MOST_RATIO", 100)
    with pytest.raises(UserError, match="would unpack"):
        load("t", path, format="csv")
    monkeypatch.setattr(unpacking, "MOST_RATIO", 1 << 30)
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1 << 20)
    os.utime(path)
    with pytest.raises(UserError, match="would unpack into"):
        load("t", path, format="csv")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_broken_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"broken archive|cannot be"):
        load("t", written(tmp_path, name, b"no archive at all"), format="csv")
    whole = Path(packed(tmp_path, name.lower())).read_bytes()
    with pytest.raises(UserError, match=r"broken archive|cannot be|no file in"):
        load("t", written(tmp_path, f"cut-{name}", whole[: len(whole) // 3]), format="csv")


NAMES = st.lists(st.sampled_from(["a", "b.csv", "ab", "a-b.csv", "[x]"]), min_size=1, max_size=3).map("/".join)
PATTERNS = st.lists(st.sampled_from(["*", "**", "a*", "*.csv", "?", "[ab]*", "[!a]*", "b.csv"]), min_size=1, max_size=3)


@given(NAMES, PATTERNS.map("/".join))
def test_globs_match_as_they_do_on_disk(tmp_path_factory: pytest.TempPathFactory, name: str, pattern: str) -> None:
    import glob

    folder = tmp_path_factory.mktemp("g")
    written(folder, name, "")
    found = {Path(p).relative_to(folder).as_posix() for p in glob.glob(f"{folder}/{pattern}", recursive=True)}
    assert (name in found) == bool(name_pattern(pattern).match(name))
