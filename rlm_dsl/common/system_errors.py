"""What the system refuses, in our words: the one place that says what a full or read-only disk, a folder in place of a
file and the like mean, and what to do.

In: an OSError, the path as its reader knows it, what was to be done with it. Out: a UserError. Law: whichever command
meets a refusal, its message names the place, the system's reason and a way on.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

from rlm_dsl.common.diagnostics import UserError

Deed = Literal["written", "read", "opened"]
ONLY_IN_WRITING = {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.ETXTBSY, errno.EEXIST}
"""What the system refuses to nobody who reads."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in your quota of the disk",
    errno.EFBIG: "the disk, or a limit of the shell (ulimit -f), takes no file so large",
    errno.EROFS: "the disk is read-only: name a place that can be written to",
    errno.EACCES: "check who may do so: ls -l",
    errno.EPERM: "check who may do so: ls -l",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "name another place",
    errno.EEXIST: "name another place",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "look where its links lead: ls -l",
    errno.EIO: "look at the disk: it may be failing",
    errno.EMFILE: "let the process open more files: ulimit -n 4096",
    errno.ENFILE: "close other programs: the system has no more files to open",
    errno.ETXTBSY: "end the program that runs it",
}
TEMPORARY = "set TMPDIR to a folder that can be written to"
SAID = {os.strerror(code): code for code in (errno.ENOSPC, errno.EROFS, errno.EDQUOT)}
"""The system's words that libraries carry in errors of their own."""


def system_error(
    failure: OSError,
    path: str | os.PathLike[str] | None = None,
    deed: Deed = "opened",
    hint: str = "",
    *,
    exit_code: int = 2,
    code: str = "input",
) -> UserError:
    """What a refusal means. `hint` stands in place of the usual advice where it knows better, and not where there is no
    room: a disk that is full is full at any name in it."""
    held = path if path is not None else failure.filename
    named = os.fsdecode(os.fspath(held)) if isinstance(held, str | bytes | os.PathLike) else "a file"
    done = "written" if failure.errno in ONLY_IN_WRITING else deed
    told = f"{named} cannot be {done}: {reason(failure)}"
    advice = TEMPORARY if "temporary" in reason(failure) else ADVICE.get(failure.errno or 0, "")
    chosen = hint if hint and failure.errno not in NO_ROOM else advice
    return UserError(told, chosen, exit_code=exit_code, code=code)


def reason(failure: OSError) -> str:
    if failure.errno == errno.EISDIR:
        return "it is a folder"
    if failure.errno in (errno.ENOTDIR, errno.EEXIST):
        return "a file stands where a folder should"
    return failure.strerror or str(failure) or type(failure).__name__


def refusal_of(folder: Path) -> OSError | None:
    """Why a folder's disk takes nothing, where it says so; libraries that write there tell it in words of their own."""
    try:
        disk = os.statvfs(folder)
    except (OSError, AttributeError):  # which Windows has not
        return None
    refused = {errno.EROFS: disk.f_flag & os.ST_RDONLY, errno.ENOSPC: not disk.f_bavail}
    refused[errno.EACCES] = not os.access(folder, os.W_OK | os.X_OK)
    return next((OSError(number, os.strerror(number)) for number, holds in refused.items() if holds), None)


def of_the_system(failure: BaseException) -> UserError | None:
    """What an error that nobody caught means, where the system refuses a file: by its number, or by its words in
    an error of a library's. None for any other, such as one of the network."""
    if isinstance(failure, OSError) and (failure.filename is not None or failure.errno in {*ADVICE, errno.ENOENT}):
        return system_error(failure)
    for words, number in SAID.items():
        if words in str(failure):
            return system_error(OSError(number, words))
    return None
