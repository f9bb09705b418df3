"""What stands at a path, as far as one may see it.

In: a path. Out: what the system says of it. Law: what may not be seen is a user's message, and never taken for what is
not there.
"""

from __future__ import annotations

import errno
import os
import stat

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import system_error

ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EBADF}
KINDS = (
    (stat.S_ISFIFO, "a pipe", "for what a program writes give `-`, or write it to a file first"),
    (stat.S_ISSOCK, "a socket", "give a file, a folder or a glob"),
    (stat.S_ISCHR, "a device", "give a file, a folder or a glob; `-` is standard input"),
    (stat.S_ISBLK, "a device", "give a file, a folder or a glob"),
)


def presence(path: str) -> os.stat_result | None:
    """What stands at a path, links followed; None where nothing does. Raises UserError where that may not be seen."""
    try:
        return os.stat(path)  # noqa: PTH116 - a Path for each of a million files costs seconds
    except ValueError:
        return None
    except OSError as failure:
        if failure.errno in ABSENT:
            return None
        raise system_error(failure, path, "read", WHO) from None


WHO = "check who may read it: ls -l"


def is_file(path: str) -> bool:
    found = presence(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_folder(path: str) -> bool:
    found = presence(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_there(path: str) -> bool:
    return presence(path) is not None


def no_file(path: str, found: os.stat_result) -> UserError:
    """That what stands at a path is neither a file nor a folder."""
    for test, what, advice in KINDS:
        if test(found.st_mode):
            return UserError(f"{path} is {what} and no file", advice)
    return UserError(f"{path} is no file", "give a file, a folder or a glob")


def changed(path: str, before: os.stat_result) -> bool:
    """Whether a file is another one than it was, or was written to."""
    try:
        after = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return True
    return (after.st_size, after.st_mtime_ns, after.st_ino, after.st_dev) != (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
        before.st_dev,
    )
