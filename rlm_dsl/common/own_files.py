"""What a command may write over, its own kind of file and nothing else unless it is told to; and folders of one kind of
thing, such as a trace, that may hold nothing but files.

In: where a command is to write, and how its own files begin; a folder. Out: nothing, or a refusal. Law: an option that
names a file to write never destroys another's, and nothing is written or read through a link that a stranger left.
Pipes and devices, such as /dev/stdout, take what they are given.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError, printable

PAGE = (b"<!doctype html>", b"rlm-dsl")
PROOF = (b'"schema": "rlm-proof/',)
REVIEWED = (b'"schema": "rlm-reviews/',)
SPANS = (b"rlm-dsl",)
ANSWERS = (b'{"answer": ', b'"request": ')
VERDICTS = (b"<testsuites",)
ARCHIVE = (b"PK\x03\x04", b"events.jsonl")
TUNED = (b"schema: rlm-tuned/",)
PROXIES = (b'"weights"',)
REPORTS = {
    "report.html": PAGE,
    "report.json": (b'"period": ', b'"verified": '),
    "report.md": (b", head `",),
}
CHART = (b"<svg",)
LOOKED_AT = 1 << 22
"""Bytes in which a file's marks stand."""


def require_own(path: Path, marks: tuple[bytes, ...], force: bool = False) -> Path:
    """The path, where nothing is there, or an empty file, or one with all the marks of our own. Raises UserError."""
    try:
        found = path.stat()
    except OSError:
        return path  # whoever writes it says what is wrong
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path} is a folder", "name a file")
    if force or not stat.S_ISREG(found.st_mode) or not found.st_size or has_marks(path, marks):
        return path
    raise UserError(
        f"{path} is there, and is no file that this command wrote", "name another, or say --force to write over it"
    )


def has_marks(path: Path, marks: tuple[bytes, ...]) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(LOOKED_AT)
    except OSError:
        return False
    return all(mark in head for mark in marks)


def require_plain(folder: Path, what: str, advice: str) -> None:
    """Raise UserError for a folder that holds a link, a pipe or a device: whoever made it would have its reader open or
    write what lies elsewhere, or wait without end."""
    for within, folders, files in os.walk(folder):
        for name in (*folders, *files):
            entry = Path(within, name)
            mode = entry.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                kind = "a link" if stat.S_ISLNK(mode) else "no file"
                told = f"{what} is not read: {printable(entry.relative_to(folder).as_posix())} is {kind}"
                raise UserError(told, advice)
