"""The command line, run in this process: starting one takes a second.

In: a folder, words, standard input, the environment. Out: exit code and what was printed.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlm_dsl import cli

HIDDEN = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "COLUMNS", "LINES")


@dataclass(frozen=True)
class Ran:
    """What one command came to."""

    code: int
    out: str
    err: str


def environment(folder: Path, **env: str) -> dict[str, str]:
    """The environment with a store in the folder and no key of the user's."""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    return {**kept, "RLM_DSL_STORE": str(folder / "s.sqlite"), **env}


def command(folder: Path, *arguments: str, stdin: str = "", **env: str) -> Ran:
    """Run rlm-dsl in a folder, with a store of its own there and no key of the user's."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.setattr(os, "environ", environment(folder, **env))
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        patched.chdir(folder)
        code = cli.run([*arguments])
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return Ran(code, out.getvalue(), err.getvalue())
