"""A shell whose lines come through a pipe.

In: standard input. Out: an exit code. Law: it tells of the worst that went wrong.
"""

from __future__ import annotations

import sys

from rlm_dsl.cli.shell.commands import Left
from rlm_dsl.cli.shell.entries import Lines, entries
from rlm_dsl.cli.shell.evaluate import evaluate
from rlm_dsl.cli.shell.session import Shell


def from_pipe(shell: Shell) -> int:
    """Every entry of standard input; the code tells whether any went wrong."""
    lines = Lines(stream=sys.stdin.buffer)
    try:
        for entry in entries(lines, lines.following):
            evaluate(shell, entry)
    except Left:
        pass
    return shell.code
