"""Kept contexts and databases that somebody made to do harm: nothing is fetched, nothing outside is opened, nothing
runs without end.

In: forged `.rlmctx` folders, databases with views. Out: nothing but a verdict. Law: a path is a path; what is refused
is refused with a message, before any of it is looked at.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from rlm_dsl.api import run
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.loading import load
from rlm_dsl.context.stored_context import open_stored
from rlm_dsl.engine.indexes import build_indexes
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.engine.warehouse import Warehouse
from tests.support.contexts import column

COUNT = "answer t | count()"


def kept(folder: Path) -> Path:
    """A context of two lines, kept on disk."""
    (folder / "a.log").write_text("one\ntwo\n")
    store_context("t", str(folder / "a.log"), folder / "a.rlmctx")
    return folder / "a.rlmctx"


def part_in(folder: Path) -> Path:
    return next(folder.glob("rows-*.duckdb"))


NAMES = ("postgres:a", "md:a", "http:", "it's", ":memory:")


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_folder_or_file_is_never_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("n\n1\n2\n")
    store_context("t", "a.csv", Path(f"{name}.rlmctx"))
    with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS n UNION ALL SELECT 2")
    with sqlite3.connect(tmp_path / f"{name}.sqlite") as connection_:
        connection_.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2);")
    for given in (f"{name}.rlmctx", f"{name}.duckdb", f"{name}.sqlite"):
        assert run(COUNT, {"t": given}).value == 2


def sqlite_in_its_place(part: Path) -> None:
    part.unlink()
    with sqlite3.connect(part) as connection:
        connection.executescript("CREATE TABLE rows (a);")


def rewritten(*statements: str) -> Callable[[Path], None]:
    def change(part: Path) -> None:
        with duckdb.connect(str(part)) as connection:
            connection.execute("ALTER TABLE rows RENAME TO held")
            for statement in statements:
                connection.execute(statement)

    return change


def with_changes_beside(part: Path) -> None:
    part.with_name(f"{part.name}.wal").write_bytes(b"x" * 100)


def linked(part: Path) -> None:
    part.rename(part.with_name("elsewhere"))
    part.symlink_to(part.with_name("elsewhere"))


def piped(part: Path) -> None:
    part.unlink()
    os.mkfifo(part)


FORGED_PARTS: dict[str, Callable[[Path], None]] = {
    "an SQLite file": sqlite_in_its_place,
    "a view": rewritten("CREATE VIEW rows AS FROM held"),
    "a view of a file": rewritten("CREATE VIEW rows AS SELECT *, content AS text FROM held, read_text('/etc/passwd')"),
    "a formula": rewritten("CREATE TABLE rows (n INT, \"#row\" INT, text VARCHAR AS (repeat('x', n)))"),
    "no table": rewritten(),
    "changes beside it": with_changes_beside,
    "a link": linked,
    "a pipe": piped,
}


@pytest.mark.parametrize("case", FORGED_PARTS)
def test_rows_of_a_kept_context_are_a_table_of_its_own_file(tmp_path: Path, case: str) -> None:
    folder = kept(tmp_path)
    FORGED_PARTS[case](part_in(folder))
    with pytest.raises(
        UserError, match=r"is no file of the engine's|holds no rows of a loaded context|is (a link|no file)"
    ):
        run(COUNT, {"t": str(folder)})
    (tmp_path / "a.log").write_text("one\ntwo\nthree\n")
    with pytest.raises(
        UserError, match=r"is no file of the engine's|holds no rows of a loaded context|is (a link|no file)"
    ):
        refresh_context(folder)
    (tmp_path / "a.log").write_text("one\ntwo\n")
    with pytest.raises(
        UserError, match=r"is no file of the engine's|holds no rows of a loaded context|is (a link|no file)"
    ):
        build_indexes(open_stored("t", folder))


FORGED_MANIFESTS = {
    "a whole path": {"file": "/etc/rows-1.duckdb"},
    "a path up": {"file": "../rows-1.duckdb"},
    "a folder": {"file": "rows-/a.duckdb"},
    "an address": {"file": "md:rows-1.duckdb"},
    "a line end": {"file": "rows-1.duckdb\n"},
    "no number": {"first": "0"},
    "numbers turned round": {"first": 5, "past": 1},
}


@pytest.mark.parametrize("case", FORGED_MANIFESTS)
def test_a_manifest_leads_nowhere_else(tmp_path: Path, case: str) -> None:
    folder = kept(tmp_path)
    manifest = json.loads((folder / "context.json").read_text())
    manifest["parts"][0] |= FORGED_MANIFESTS[case]
    (folder / "context.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="cannot be read"):
        open_stored("t", folder)


def test_a_manifest_is_a_file_of_its_folder(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    shutil.move(folder / "context.json", tmp_path / "context.json")
    (folder / "context.json").symlink_to(tmp_path / "context.json")
    with pytest.raises(UserError, match=r"context\.json is a link"):
        open_stored("t", folder)


def test_a_source_is_not_believed_by_its_time_alone(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    manifest = json.loads((folder / "context.json").read_text())
    manifest["sources"][0] |= {"sha256": "0" * 64, "state": []}
    (folder / "context.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="has other bytes"):
        open_stored("t", folder)


def test_what_an_engine_opened_is_all_that_it_reaches(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    (tmp_path / "other.csv").write_text("a\n1\n")
    with duckdb.connect(str(tmp_path / "b.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    tries = [
        f"FROM read_csv('{tmp_path}/other.csv')",
        f"FROM read_text('{tmp_path}/a.log')",
        f"ATTACH '{tmp_path}/b.duckdb' AS b",
        "ATTACH 'postgres:' AS b",
        "ATTACH 'md:' AS b",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
    ]
    with Warehouse(contexts=[open_stored("t", folder)]) as warehouse:
        for statement in tries:
            with pytest.raises(duckdb.Error):
                warehouse.connection.execute(statement)


COMPUTING = {
    "recursion without end": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT 1 FROM c) SELECT x FROM c",
}


@pytest.mark.parametrize("case", COMPUTING)
def test_a_view_of_a_duckdb_file_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr("rlm_dsl.context.formats.duckdb.SECONDS", 0.2)
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute(f"CREATE VIEW v AS {COMPUTING[case]}")
    with pytest.raises(UserError, match="it takes longer than 0 seconds"):
        load("t", str(tmp_path / "a.duckdb::v"))


def test_what_a_duckdb_file_computes_has_the_memory_and_time_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE VIEW v AS SELECT repeat('x', 4000000000) AS x")
        connection.execute("CREATE TABLE t (n INT, x VARCHAR AS (repeat('x', n))); INSERT INTO t (n) VALUES (3)")
    with pytest.raises(UserError, match=r"(?i)memory"):
        open_context("t", str(tmp_path / "a.duckdb::v"), memory=500_000_000)
    assert column(load("t", str(tmp_path / "a.duckdb::t")), "x") == ["xxx"]
    monkeypatch.setattr("rlm_dsl.context.formats.duckdb.SECONDS", 0.0)
    with pytest.raises(UserError, match="it takes longer than 0 seconds"):
        load("t", str(tmp_path / "a.duckdb::t"))


def test_a_view_of_an_sqlite_file_has_an_end_and_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8);")
        product = ", ".join(f"t AS t{n}" for n in range(12))
        connection.execute(f"CREATE VIEW endless AS SELECT count(*) AS x FROM {product}")
        connection.execute(
            "CREATE VIEW large AS SELECT replace(printf('%1000000s', ''), ' ', printf('%100s', '')) AS x"
        )
    with pytest.raises(UserError, match="string or blob too big"):
        open_context("t", str(tmp_path / "a.db::large"), memory=500_000_000)
    monkeypatch.setattr("rlm_dsl.context.formats.sqlite.SECONDS", 0.1)
    with pytest.raises(UserError, match="it takes longer than 0 seconds"):
        load("t", str(tmp_path / "a.db::endless"))


def test_rows_that_need_more_than_there_is_lie_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"a line of many\n" * 100_000))
    context, notes = open_context("t", str(tmp_path / "a.log.gz"), memory=2_000_000)
    assert context.count == 100_000 and "lie on disk" in notes[0]
