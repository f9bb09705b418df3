"""`prove`: that one call or event is in a trace."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_dsl.cli.options import FORCE
from rlm_dsl.cli.output import write
from rlm_dsl.common.atomic_write import write_named
from rlm_dsl.common.own_files import PROOF, require_own


@click.command("prove")
@click.argument("trace", type=click.Path())
@click.argument("call", required=False)
@click.option("--event", type=click.IntRange(0), help="An event by its number instead of a call.")
@click.option("--to", metavar="FILE", help="Write the proof there; else to standard output.")
@FORCE
def command(trace: str, call: str | None, event: int | None, to: str | None, force: bool) -> None:
    """Prove that CALL, the key of a recorded call or its first digits, is in TRACE: with its request and answer, and
    without the rest.

    Example: rlm-dsl prove traces/tickets.trace 2165f54f --to call.json
    """
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.trace.proof import written
    from rlm_dsl.traces import prove

    if (call is None) == (event is None):
        raise UserError("say what to prove", "a call's key, or --event N")
    what: str | int = event or 0 if call is None else call
    content = written(prove(trace, what))
    if to is None:
        write(content.decode("utf-8", "replace").rstrip("\n"))
    else:
        write_named(require_own(Path(to), PROOF, force), content)
