"""Data given by its path, kept between runs: what was read once is opened, and only what is new of it is read.

In: what a user gives, how it is read, what a program declares, a folder. Out: the context that a load gives, with its
rows in that folder. Law: digests, notes and results are those of a load; where anything is amiss with what is kept, it
is made anew, and where it cannot be, the data is loaded as if nothing were kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.context.context import Context
from rlm_dsl.context.files.find import STANDARD_INPUT, files_of
from rlm_dsl.context.files.read import Progress, size_of
from rlm_dsl.context.files.remote import is_database
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.context.stored_context import ENDING, is_stored, open_stored
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.language.types import Table

LEAST = 4 << 20
"""Bytes of files from which on they are kept: fewer are read in the time that it takes to open what is kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be loaded: what was given under a name, as a format, as a program declares it, by options."""

    name: str
    given: str
    format: str | None
    declared: Table | None
    options: ReadingOptions

    @property
    def key(self) -> str:
        """What is kept is of the same data, read in the same way, whatever it is called."""
        read = [self.format, str(self.declared), self.options.said]
        return identity("kept-v1", [Path.cwd().as_posix(), self.given, *read])[:40]


def kept_context(wanted: Wanted, keep: Path, progress: Progress | None, memory: int | None) -> Context | None:
    """The context from what is kept, brought up to its sources; None where it is to be loaded."""
    given = wanted.given
    if given == STANDARD_INPUT or is_stored(given) or is_database(given) or wanted.options.earlier:
        return None
    if size_of(files_of(given)) < LEAST:
        return None
    folder = keep / f"{wanted.key}{ENDING}"
    try:
        keep.mkdir(parents=True, exist_ok=True)
        with alone(keep / f"{wanted.key}.lock") as free:
            if not free:
                return None
            context = fresh(wanted, folder, progress, memory)
    except (UserError, OSError):
        return None  # a load says what is wrong with the data
    return replace(context, given=given)


def fresh(wanted: Wanted, folder: Path, progress: Progress | None, memory: int | None) -> Context:
    """What is kept, as its sources are now."""
    if folder.exists():
        try:
            refresh_context(folder, progress, memory)
            return open_stored(wanted.name, folder)
        except UserError:
            shutil.rmtree(folder)
    form, declared = wanted.format, wanted.declared
    return store_context(wanted.name, wanted.given, folder, form, declared, progress, memory, wanted.options)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else brings the same up to its sources meanwhile; file systems that hold nothing are believed."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield True
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass
        yield True
