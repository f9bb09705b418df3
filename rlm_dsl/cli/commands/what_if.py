"""`what-if`: a recorded run with something set otherwise."""

from __future__ import annotations

from typing import Any

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.rerun import rerun_options, run_again
from rlm_dsl.common.diagnostics import UserError


@click.command("what-if")
@click.argument("trace", type=click.Path())
@click.option(
    "--at",
    metavar="STEP",
    shell_complete=completions.steps,
    default="",
    help="The step of which arguments are set, by its name.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="ARGUMENT=VALUE", help="""Such as 'classify.labels=["a", "b"]'."""
)
@rerun_options
def command(trace: str, at: str, sets: tuple[str, ...], **given: Any) -> None:
    """Run the program of TRACE once more with something set otherwise; TRACE stays as it is.

    Only what comes after the change is asked; how much that is and why is said first.

    Example: rlm-dsl what-if run.trace --at topics --set 'classify.guide="What is it about?"'
    """
    if bool(at) != bool(sets):
        raise UserError("--at and --set belong together", """write --at topics --set 'classify.labels=["a", "b"]'""")
    if not (sets or given["params"] or given["models"] or given["parameters"]):
        raise UserError("nothing is set otherwise", "name it with --at and --set, --param, --model or --parameter")
    run_again(trace, given, at=at, sets=sets)
