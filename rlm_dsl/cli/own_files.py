"""What a command may write over: its own kind of file, and nothing else unless it is told to.

In: where a command is to write, and how its own files begin. Out: nothing, or a refusal. Law: an option that names a
file to write never destroys another's. Pipes and devices, such as /dev/stdout, take what they are given.
"""

from __future__ import annotations

import stat
from pathlib import Path

import click

from rlm_dsl.common.diagnostics import UserError

FORCE = click.option("--force", is_flag=True, help="Write it even over a file of another kind.")
PAGE = (b"<!doctype html>", b"rlm-dsl")
PROOF = (b'"schema": "rlm-proof/',)
SPANS = (b"rlm-dsl",)
ANSWERS = (b'{"answer": ', b'"request": ')
VERDICTS = (b"<testsuites",)
ARCHIVE = (b"PK\x03\x04", b"events.jsonl")
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
