"""A process that the kernel keeps from the network and from files of others: Linux has seccomp and Landlock for it.

In: the folders and files that it may read, those that it may write in. Out: from then on a socket of the internet ends
the process (SIGSYS), also one that a library in C++ opens; a file elsewhere cannot be opened. And what of a folder was
opened, by whomever, as inotify tells. Law: what was confined stays it, and so do the processes that it begins.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""The kernel's number of each architecture, and of `socket` there."""
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, IO_URING = 444, 445, 446, 425
LOAD, IF_EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050001, 0x80000000
OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
"""Rights that a file has: to be executed, written, read, cut short."""
READING = 1 << 0 | 1 << 2 | 1 << 3
OPENED = 0x20


def kernel() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """Why nothing can be confined here; nothing where it can."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return f"neither seccomp nor Landlock are known on {sys.platform} {platform.machine()}"
    if kernel().syscall(CREATE_RULESET, None, 0, 1) < 1:
        return "this kernel has no Landlock"
    return ""


def confine(readable: Sequence[str | Path], writable: Sequence[str | Path]) -> None:
    """Confine this process for good. It must have one thread yet."""
    checked(kernel().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    forbid_files(readable, writable)
    forbid_sockets()


def forbid_files(readable: Sequence[str | Path], writable: Sequence[str | Path]) -> None:
    version = checked(kernel().syscall(CREATE_RULESET, None, 0, 1))
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    handled = ctypes.create_string_buffer(struct.pack("Q", rights))
    rules = checked(kernel().syscall(CREATE_RULESET, handled, 8, 0))
    for path, right in [*((each, READING) for each in readable), *((each, rights) for each in writable)]:
        if Path(path).exists():
            place = os.open(path, os.O_PATH)
            of_this = right & rights if Path(path).is_dir() else right & rights & OF_FILES
            rule = ctypes.create_string_buffer(struct.pack("=Qi", of_this, place))
            checked(kernel().syscall(ADD_RULE, rules, 1, rule, 0))
            os.close(place)
    checked(kernel().syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)


def forbid_sockets() -> None:
    """A socket of the internet ends the process; io_uring, which has calls of its own, and netlink are refused."""
    architecture, socket = ARCHITECTURES[platform.machine()]
    program = [
        (LOAD, 0, 0, 4),
        (IF_EQUAL, 0, 9, architecture),
        (LOAD, 0, 0, 0),
        (AT_LEAST, 7, 0, 0x40000000),
        (IF_EQUAL, 7, 0, IO_URING),
        (IF_EQUAL, 0, 4, socket),
        (LOAD, 0, 0, 16),
        (IF_EQUAL, 3, 0, 2),
        (IF_EQUAL, 2, 0, 10),
        (IF_EQUAL, 2, 0, 16),
        (RETURN, 0, 0, ALLOWED),
        (RETURN, 0, 0, KILLED),
        (RETURN, 0, 0, REFUSED),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    checked(kernel().prctl(SET_SECCOMP, FILTER, filter_, 0, 0))


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@contextmanager
def opened_in(folder: Path) -> Iterator[list[str]]:
    """The names of a folder's files that any process opens meanwhile; they are there at the end."""
    events = checked(kernel().inotify_init1(os.O_NONBLOCK))
    checked(kernel().inotify_add_watch(events, os.fsencode(folder), OPENED))
    found: list[str] = []
    try:
        yield found
        try:
            told = os.read(events, 1 << 20)
        except BlockingIOError:
            told = b""
        while told:
            _, mask, _, length = struct.unpack_from("iIII", told)
            name = told[16 : 16 + length].rstrip(b"\0").decode()
            found += [name] if mask & OPENED and name else []
            told = told[16 + length :]
    finally:
        os.close(events)
