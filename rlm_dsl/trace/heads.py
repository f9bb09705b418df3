"""Heads that are kept apart from their traces: a small file that only grows, a line a head, to be committed or printed.

In: a head and its trace's name; a file. Out: the file with one line more, or the heads that it holds. Law: a line is as
`sha256sum` writes one, `HEAD  NAME`; a name from outside can neither end a line nor begin another.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.common.system_errors import reason

HEAD = re.compile(r"[0-9a-f]{64}")


def keep_head(path: Path, head: str, name: str) -> None:
    """One line more, in one write. Raises UserError where the file cannot be written."""
    line = f"{head}  {printable(name)}\n".encode("utf-8", "backslashreplace")
    try:
        with path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as failure:
        raise UserError(
            f"the head {head} was not kept: {path}: {failure.strerror}", "copy it from here", exit_code=3, code="heads"
        ) from None


def kept_heads(path: Path) -> dict[str, str]:
    """The heads that a file holds, with their names; blank lines and what follows `#` are left out. Raises UserError
    with the place of a line that holds none, and for a file without any."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        told = reason(failure) if isinstance(failure, OSError) else "it is no text"
        raise UserError(f"{path} cannot be read: {told}", "name the file that `heads:` in rlm-dsl.yaml names") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if held := line.split("#", 1)[0].split(maxsplit=1):
            found[whole_head(held[0], f"{path}:{number}: ")] = held[1].strip() if len(held) > 1 else ""
    if not found:
        raise UserError(f"{path} holds no head", "name the file that `heads:` in rlm-dsl.yaml names")
    return found


def whole_head(text: str, where: str = "") -> str:
    """A head in the one spelling that runs print. Raises UserError for what is none."""
    if not HEAD.fullmatch(text.lower()):
        raise UserError(f"{where}{printable(text)[:80]!r} is no head", "a run prints its head: 64 digits, 0-9 and a-f")
    return text.lower()
