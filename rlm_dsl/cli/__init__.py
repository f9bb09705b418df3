"""The command line: commands without logic, each a call of the Python interface.

In: arguments. Out: text, and an exit code: 0 fine, 1 a finding, 2 bad input or usage, 3 stopped by budget or an outage,
130 interrupted. Law: bad input gives one clear message and never a traceback.
"""

from __future__ import annotations

import os
from contextlib import suppress


def main() -> None:
    """The program's entry."""
    from rlm_dsl.common.processes import end

    end(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    import click

    from rlm_dsl.cli import completions
    from rlm_dsl.cli.commands import group
    from rlm_dsl.cli.output import QUIET, flush, prepare_streams, safe, tell
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
        with suppress(OSError):
            failure.show()
        return 2
    except (click.Abort, KeyboardInterrupt) as failure:
        tell(
            "\ninterrupted; answers so far are kept, and a batch under way is taken up again\n"
            + redacted(notes_of(failure)),
            end="",
        )
        return 130
    except ProgramError as failure:
        tell(redacted(f"{failure}"))
        return 2
    except UserError as failure:
        tell(redacted(f"error: {safe(str(failure))}\n{notes_of(failure)}"), end="")
        return failure.exit_code
    except Exception as failure:
        if os.environ.get("RLM_DSL_DEBUG"):
            raise
        if (refused := of_the_system(failure)) is not None:
            tell(redacted(f"error: {safe(str(refused))}\n{notes_of(failure)}"), end="")
            return refused.exit_code
        told = safe(redacted(f"{type(failure).__name__}: {failure}").splitlines()[0][:300])
        tell(f"internal error: {told}\n  hint: this is a fault of rlm-dsl; see it whole with RLM_DSL_DEBUG=1")
        return 2


def redacted(text: str) -> str:
    """A message without the secrets of the environment, whatever library it comes from."""
    from rlm_dsl.trace.secrets import Redaction

    return Redaction.of(os.environ).redact(text)


def notes_of(failure: BaseException) -> str:
    """What was added to a failure on its way, such as how to go on; click's own interrupt has it from its cause."""
    from rlm_dsl.cli.output import safe

    notes = [*getattr(failure, "__notes__", ()), *getattr(failure.__context__, "__notes__", ())]
    return "".join(f"{safe(note)}\n" for note in notes)
