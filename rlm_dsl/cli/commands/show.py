"""`show`: tell a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rlm_dsl.cli.output import write


@click.command("show")
@click.argument("trace", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the story as JSON.")
def command(trace: str, as_json: bool) -> None:
    """Tell the run of TRACE as a person would: question, turns, program, steps, answer, evidence, calls, seal."""
    from rlm_dsl.trace.file import Trace
    from rlm_dsl.trace.story import story

    told = story(Trace.open(Path(trace), unfinished=True))
    if as_json:
        write(json.dumps(told.as_json(), ensure_ascii=False, indent=1))
    else:
        from rlm_dsl.cli.telling_story import told_trace

        write(told_trace(told))
