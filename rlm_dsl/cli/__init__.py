"""The command line: commands without logic, each a call of the Python interface.

In: arguments. Out: text, and an exit code: 0 fine, 1 a finding, 2 bad input or usage, 3 stopped by budget or an outage,
130 interrupted. Law: bad input gives one clear message and never a traceback.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The program's entry."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    import click

    from rlm_dsl.cli.commands import group
    from rlm_dsl.cli.output import QUIET
    from rlm_dsl.common.diagnostics import ProgramError, UserError

    QUIET.set(False)
    try:
        code = group.main(arguments, prog_name="rlm-dsl", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as failure:
        return failure.exit_code
    except click.ClickException as failure:
        failure.show()
        return 2
    except (click.Abort, KeyboardInterrupt) as failure:
        sys.stderr.write("\ninterrupted; answers so far are kept, and a batch under way is taken up again\n")
        sys.stderr.write(notes_of(failure))
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ProgramError as failure:
        sys.stderr.write(f"{failure}\n")
        return 2
    except UserError as failure:
        from rlm_dsl.cli.output import safe

        sys.stderr.write(f"error: {safe(str(failure))}\n{notes_of(failure)}")
        return failure.exit_code
    except Exception as failure:
        if os.environ.get("RLM_DSL_DEBUG"):
            raise
        told = f"{type(failure).__name__}: {failure}".splitlines()[0][:300]
        sys.stderr.write(
            f"internal error: {told}\n  hint: this is a fault of rlm-dsl; see it whole with RLM_DSL_DEBUG=1\n"
        )
        return 2


def notes_of(failure: BaseException) -> str:
    """What was added to a failure on its way, such as how to go on; click's own interrupt has it from its cause."""
    from rlm_dsl.cli.output import safe

    notes = [*getattr(failure, "__notes__", ()), *getattr(failure.__context__, "__notes__", ())]
    return "".join(f"{safe(note)}\n" for note in notes)
