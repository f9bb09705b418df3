"""What is wrong with a store's file, in words; a damaged one is moved aside.

In: failures of SQLite's and of the system. Out: UserErrors with what to do. Law: a file that is not a store of ours is
never touched, and one that is damaged is not written to.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import suppress
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import reason, refusal_of
from rlm_dsl.models.cache.kept import readable

APPLICATION = 0x524C4D53
"""Marks the file as ours in its header."""
CHECKED = 16_000_000
"""Bytes up to which a store is read whole when it is opened, to find damage before it is met; more when it was met."""
BUSY = 30.0
"""Seconds for which a lock of another program is waited for."""


class Damaged(Exception):
    """The file is no whole database, or holds what is no answer."""


def is_damage(failure: Exception) -> bool:
    return isinstance(failure, Damaged) or (
        isinstance(failure, sqlite3.DatabaseError)
        and any(word in str(failure) for word in ("malformed", "not a database", "encrypted", "Could not decode"))
    )


def check(connection: sqlite3.Connection) -> None:
    """Raise Damaged, or what SQLite says of damage, for a store that is not whole."""
    said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise Damaged(f"malformed: {said}")
    if any(readable(text) is None for (text,) in connection.execute("SELECT answer FROM answers")):
        raise Damaged("an answer is no JSON")


def mark_of(path: Path) -> Path:
    """The file that says that damage was met in a store too large to be read whole at each start."""
    return path.with_name(f"{path.name}-damage")


def is_ours(path: Path) -> bool:
    """Whether the file's header says that it is a store: nothing else is ever moved."""
    with path.open("rb") as file:
        head = file.read(100)
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION.to_bytes(4, "big")


def quarantine(path: Path) -> str:
    """Move a damaged store aside, with what belongs to it; where to."""
    aside = next(p for n in itertools.count(1) if not (p := path.with_name(f"{path.name}.damaged-{n}")).exists())
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").replace(f"{aside}{ending}")
    return str(aside)


OTHERWISE = "name another file with --store"


UNSAID = {"disk I/O error", "unable to open database file"}
"""What SQLite says of a disk that takes nothing, without why."""


def store_error(path: Path, failure: Exception) -> UserError:
    """What is wrong with a store, and what to do about it."""
    said, exit_code = str(failure), 2
    if said in UNSAID and (refusal := refusal_of(path.parent)) is not None:
        said = f"{reason(refusal)} ({said})"
    match said:
        case _ if "full" in said or "No space" in said:
            hint, exit_code = "make room on the disk", 3
        case _ if is_damage(failure) and path.is_file() and is_ours(path):
            hint, exit_code = "run the same command again: it is moved aside, and what can be read of it is saved", 3
        case _ if "locked" in said:
            said = f"another program has locked it ({said}, for {BUSY:g} seconds)"
            hint, exit_code = f"close what has it open, such as a database browser or a backup, or {OTHERWISE}", 3
        case _ if path.is_dir():
            said, hint = "it is a folder", f"name a file in it: --store {path / 'answers.sqlite'}"
        case _ if "readonly" in said or isinstance(failure, PermissionError) or "Read-only" in said:
            said, hint = f"it cannot be written to ({said})", f"make the file and its folder writable, or {OTHERWISE}"
        case _:
            hint = OTHERWISE
    return UserError(f"the answer store {path} cannot be used: {said}", hint, exit_code=exit_code, code="store")
