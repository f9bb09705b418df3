"""Files written whole: a text lies beside its file until it is complete, and then takes its place.

In: texts by path. Out: files. Law: a file is whole or as it was before; of several, none is replaced before all of them
are complete. What the disk refuses is raised with the name of the file itself, and leaves nothing beside it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rlm_dsl.common.system_errors import system_error


def write_file(path: Path, text: str | bytes) -> None:
    write_files({path: text})


def write_files(texts: Mapping[Path, str | bytes]) -> None:
    """Raises OSError where the disk refuses. Halves of surrogate pairs, as in names of files, stand as escapes; a file
    keeps the rights that it has."""
    partials = {path: path.with_name(f"{path.name}.partial") for path in texts}
    try:
        for path, text in texts.items():
            with of_file(path):
                partials[path].unlink(missing_ok=True)  # which may be a link that leads elsewhere
                put(partials[path], text)
                if path.is_file() and not path.is_symlink():
                    partials[path].chmod(stat.S_IMODE(path.stat().st_mode))
        for path, partial in partials.items():
            with of_file(path):
                partial.replace(path)
    except OSError:
        for partial in partials.values():
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        raise


def write_named(path: Path, text: str | bytes) -> None:
    """A file that a person named: where a link leads it is written there, and a pipe or device takes the text as it is.
    Raises UserError where the disk refuses, and where its folder is not there."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            put(path, text)
        else:
            write_file(path.resolve() if path.is_symlink() else path, text)
    except OSError as failure:
        raise system_error(failure, path, "written") from None


def put(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """A refusal, which may name the file beside or none at all, as one of the file itself."""
    try:
        yield
    except OSError as failure:
        raise OSError(failure.errno, failure.strerror, str(path)) from None
