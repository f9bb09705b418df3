"""`rerun`: run a recorded program again."""

from __future__ import annotations

from typing import Any

import click

from rlm_dsl.cli.rerun import rerun_options, run_again

TUNED_AGAIN = click.option(
    "--tuned",
    "tuned_file",
    metavar="FILE",
    help="What optimizing found for this program, the recorded one or that of --program.",
)


@click.command("rerun")
@click.argument("trace", type=click.Path())
@click.option("--program", type=click.Path(), help="Another program in place of the recorded one.")
@TUNED_AGAIN
@rerun_options
def command(trace: str, program: str | None, tuned_file: str | None, **given: Any) -> None:
    """Run the program of TRACE again: as it was, but for the data, params, models or program that are given.

    Only what the trace does not answer is asked; how much that is and why is said first.

    Example: rlm-dsl rerun october.trace --context tickets=november.csv --trace november.trace
    """
    run_again(trace, given, program, tuned_file)
