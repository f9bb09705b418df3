"""Where the commands print: results on stdout, notes and problems on stderr.

In: text. Out: lines on a stream. Law: nothing of the data reaches a terminal as a control character; what a stream's
encoding has not is printed as an escape, and notes that no one takes stop no run.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import TextIOWrapper
from pathlib import Path

import click

from rlm_dsl.cli.events import EVENTS, emit
from rlm_dsl.common.diagnostics import printable
from rlm_dsl.common.system_errors import system_error

QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether notes and progress are left out (--quiet)."""
MARKS = {"ok": "✓", "failed": "✗", "skipped": "-"}


ESCAPES = "rlm-dsl-escapes"
"""The streams' error handler, by its name."""


def prepare_streams() -> None:
    """Make stdout and stderr take any text: of what their encoding has not, an escape. One that is closed takes all."""
    codecs.register_error(ESCAPES, escapes)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - it stays open
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ESCAPES)


def escapes(failure: UnicodeError) -> tuple[str, int]:
    """What cannot be encoded as JSON's escapes, which JSON that is printed stays whole by."""
    if not isinstance(failure, UnicodeEncodeError):
        raise failure
    units = failure.object[failure.start : failure.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), failure.end


def write(text: str = "", end: str = "\n") -> None:
    """A result. Raises UserError where it cannot be written; where its reader has gone, the command ends well."""
    with refusals_told():
        sys.stdout.write(text + end)


def flush() -> None:
    """Hand over all results; raises as `write` does."""
    with refusals_told():
        sys.stdout.flush()


@contextmanager
def refusals_told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        drop_output()
        raise click.exceptions.Exit(0) from None
    except OSError as failure:
        drop_output()
        raise system_error(failure, "the output", "written") from None


def drop_output() -> None:
    """Let what is left of the output go, so that the interpreter does not fail on it once more when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(text: str) -> None:
    """What a person should know, in a line of its own; a name of any origin in it steers no terminal."""
    if not QUIET.get():
        tell(safe(text))


def tell(text: str, end: str = "\n") -> None:
    """A note or problem, --quiet or not. One that no one takes is let go: a run that was paid for goes on."""
    if EVENTS.get():
        emit("note", text=text.strip("\n"))
        return
    with suppress(OSError):
        sys.stderr.write(text + end)


def safe(text: str) -> str:
    """Text of any origin, its lines kept and everything else that could steer a terminal made visible."""
    return "\n".join(printable(line) for line in text.split("\n"))


def indent(text: str, by: str = "  ") -> str:
    return "\n".join(f"{by}{line}" if line else "" for line in text.split("\n"))
