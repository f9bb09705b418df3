"""`correct`: a value of a recorded run set by hand, on record."""

from __future__ import annotations

from typing import Any

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.rerun import rerun_options, run_again


@click.command("correct")
@click.argument("trace", type=click.Path())
@click.option(
    "--at",
    metavar="STEP",
    shell_complete=completions.steps,
    required=True,
    help="The step that has the value, by its name.",
)
@click.option("--set", "setting", metavar="COLUMN=VALUE", required=True, help="""Such as 'topic="billing"'.""")
@click.option("--where", metavar="CONDITION", required=True, help="Which rows: a condition on the step's columns.")
@click.option("--why", metavar="WORDS", default="", help="Who read them, and why it is so.")
@rerun_options
def command(trace: str, at: str, setting: str, where: str, why: str, **given: Any) -> None:
    """Run the program of TRACE once more with a value set by hand where CONDITION holds; TRACE stays as it is.

    The correction is a step of the new program, which is verified with it; show, cite and diff tell of it. What was
    asked is not asked again.

    Example: rlm-dsl correct run.trace --at topics --set 'topic="billing"' --where 'id == 7' --why "read by Ann"
    """
    from rlm_dsl.language.edit.corrections import Correction

    run_again(trace, given, corrections=(Correction.read(at, setting, where, why),))
