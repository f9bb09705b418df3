"""The command line: commands without logic, each a call of the Python interface.

In: arguments. Out: text, and an exit code: 0 fine, 1 a finding, 2 bad input or usage, 3 stopped by budget or an outage,
130 interrupted. Law: bad input gives one clear message and never a traceback.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlm_dsl.common.diagnostics import UserError


def main() -> None:
    """The program's entry. Ctrl-C ends it quietly at any time, also while it is still being loaded."""
    try:
        from rlm_dsl.common.processes import end

        end(run())
    except KeyboardInterrupt:
        with suppress(OSError):
            os.write(2, b"\ninterrupted\n")
        os._exit(130)


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    import sys
    import time

    from rlm_dsl.cli import events

    started = time.monotonic()
    events.begin(sys.argv[1:] if arguments is None else arguments)
    try:
        code = run_command(arguments)
    except KeyboardInterrupt:  # before a command was begun
        code = failed("interrupted", 130, "\ninterrupted\n", code="interrupted")
    events.emit("done", exit_code=code, seconds=round(time.monotonic() - started, 3))
    return code


def run_command(arguments: list[str] | None) -> int:
    import click

    from rlm_dsl.cli import completions
    from rlm_dsl.cli.commands import group
    from rlm_dsl.cli.events import EVENTS
    from rlm_dsl.cli.output import QUIET, flush, prepare_streams, safe
    from rlm_dsl.common.diagnostics import ProgramError, UserError
    from rlm_dsl.common.system_errors import of_the_system

    QUIET.set(False)
    prepare_streams()
    completions.prepare()
    try:
        code = group.main(arguments, prog_name="rlm-dsl", standalone_mode=False)
        flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as failure:
        return failure.exit_code
    except click.ClickException as failure:
        if EVENTS.get():
            return failed(failure.format_message(), 2, code="usage")
        with suppress(OSError):
            failure.show()
        return 2
    except (click.Abort, KeyboardInterrupt) as failure:
        return failed("interrupted", 130, f"\ninterrupted\n{notes_of(failure)}", code="interrupted", more=failure)
    except ProgramError as failure:
        return failed(f"{failure}", 2, f"{failure}\n", code="program")
    except UserError as failure:
        return user_error(failure, failure)
    except Exception as failure:
        if os.environ.get("RLM_DSL_DEBUG"):
            raise
        if (refused := of_the_system(failure)) is not None:
            return user_error(refused, failure)
        told = safe(redacted(f"{type(failure).__name__}: {failure}").splitlines()[0][:300])
        hint = "this is a fault of rlm-dsl; see it whole with RLM_DSL_DEBUG=1"
        return failed(told, 2, f"internal error: {told}\n  hint: {hint}\n", code="internal", hint=hint)


def user_error(failure: UserError, raised: BaseException) -> int:
    """What the user can mend, told with what was added to it on its way."""
    from rlm_dsl.cli.output import safe

    text = f"error: {safe(str(failure))}\n{notes_of(raised)}"
    return failed(failure.message, failure.exit_code, text, code=failure.code, hint=failure.hint, more=raised)


def failed(
    message: str, exit_code: int, text: str = "", *, code: str, hint: str = "", more: BaseException | None = None
) -> int:
    """Tell why a command failed, as an event or as text; its exit code."""
    from rlm_dsl.cli.events import EVENTS, emit
    from rlm_dsl.cli.output import tell

    if EVENTS.get():
        notes = notes_of(more).splitlines() if more is not None else []
        emit("error", code=code, exit_code=exit_code, message=message, hint=hint, notes=notes)
    else:
        tell(redacted(text), end="")
    return exit_code


def redacted(text: str) -> str:
    """A message without the secrets of the environment, whatever library it comes from."""
    from rlm_dsl.trace.secrets import Redaction

    return Redaction.of(os.environ).redact(text)


def notes_of(failure: BaseException) -> str:
    """What was added to a failure on its way, such as how to go on; click's own interrupt has it from its cause."""
    from rlm_dsl.cli.output import safe

    notes = [*getattr(failure, "__notes__", ()), *getattr(failure.__context__, "__notes__", ())]
    return "".join(f"{safe(note)}\n" for note in notes)
