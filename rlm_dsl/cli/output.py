"""Where the commands print: results on stdout, notes and problems on stderr.

In: text. Out: lines on a stream. Law: nothing of the data reaches a terminal as a control character.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

from rlm_dsl.common.diagnostics import printable

QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether notes and progress are left out (--quiet)."""
MARKS = {"ok": "✓", "failed": "✗", "skipped": "-"}


def write(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    if not QUIET.get():
        sys.stderr.write(text + "\n")


def safe(text: str) -> str:
    """Text of any origin, its lines kept and everything else that could steer a terminal made visible."""
    return "\n".join(printable(line) for line in text.split("\n"))


def indent(text: str, by: str = "  ") -> str:
    return "\n".join(f"{by}{line}" if line else "" for line in text.split("\n"))
