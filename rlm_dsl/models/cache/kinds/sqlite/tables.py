"""The tables of a store in SQLite: made, brought up to date, filled.

In: a connection. Out: the same one, to a store of this version. Law: another program's database and one of a newer
version are refused before anything is written.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.kinds.sqlite.damage import APPLICATION
from rlm_dsl.models.cache.kinds.sqlite.salvage import Salvaged

VERSION = 3
MADE = (
    """CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL, kept REAL NOT NULL DEFAULT 0
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS manners (
  base_url TEXT, model TEXT, form TEXT NOT NULL, old_limit INTEGER NOT NULL, found REAL NOT NULL,
  PRIMARY KEY (base_url, model)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS batches (
  batch TEXT PRIMARY KEY, base_url TEXT NOT NULL, keys TEXT NOT NULL, submitted REAL NOT NULL
) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS upgraded (version INTEGER PRIMARY KEY) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS packs (
  asking TEXT PRIMARY KEY, size INTEGER NOT NULL, agreed INTEGER NOT NULL, compared INTEGER NOT NULL
) WITHOUT ROWID""",
)
"""What they hold: `TABLES` of the protocol."""


def version_of(connection: sqlite3.Connection, path: Path) -> int | None:
    """The version that a store is of; None of a file that has no table yet. Raises UserError for what is not ours."""
    # Ours are marked before they have a table: whoever sees the table of one just being made sees its mark too.
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and found != APPLICATION:
        raise UserError(f"{path} is another program's database", "name another file with --store")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise UserError(f"{path} was written by a newer rlm-dsl", "update, or name another with --store")
    return version if tables else None


def make(connection: sqlite3.Connection, path: Path) -> None:
    """Make what is missing, and bring what is older up to date."""
    version = version_of(connection, path)
    if version is None or version < VERSION:
        with connection:  # at once: each change by itself waits for the disk
            connection.execute("BEGIN IMMEDIATE")
            bring_up(connection, version_of(connection, path))  # another program may have been about the same
    for table in MADE:
        connection.execute(table)


def bring_up(connection: sqlite3.Connection, version: int | None) -> None:
    """The tables and marks of this version, from those of an earlier one or none."""
    if version is not None and version < 2:
        connection.execute("ALTER TABLE answers DROP COLUMN claimed_until")
        connection.execute("ALTER TABLE answers ADD COLUMN kept REAL NOT NULL DEFAULT 0")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for table in MADE:
        connection.execute(table)
    if version is not None and version < VERSION:
        connection.execute("INSERT OR IGNORE INTO upgraded VALUES (?)", (version,))


def fill(connection: sqlite3.Connection, found: Salvaged) -> None:
    """Keep what was saved of a damaged store."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", found.answers)
    connection.executemany("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?)", found.batches)
    connection.executemany("INSERT OR IGNORE INTO upgraded VALUES (?)", [(one,) for one in found.upgraded])
    connection.execute("COMMIT")
