"""`show`: tell a run."""

from __future__ import annotations

import json

import click

from rlm_dsl.cli.output import write


@click.command("show")
@click.argument("trace", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the story as JSON.")
def command(trace: str, as_json: bool) -> None:
    """Tell the run of TRACE as a person would: question, turns, program, steps, answer, evidence, calls, seal.

    Example: rlm-dsl show traces/tickets.trace
    """
    from rlm_dsl.cli.render.story import trace_text
    from rlm_dsl.trace.reader import open_trace
    from rlm_dsl.trace.story import story

    with open_trace(trace, unfinished=True, changed=True) as held:
        told = story(held)
        write(json.dumps(told.as_json(), ensure_ascii=False, indent=1) if as_json else trace_text(told))
