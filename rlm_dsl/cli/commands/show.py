"""`show`: tell a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from rlm_dsl.cli.options import CONTEXT, LABELS, paths_alone
from rlm_dsl.cli.output import write


@click.command("show")
@click.argument("trace", type=click.Path())
@LABELS
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="Print the story as JSON.")
def command(trace: str, labels: str | None, contexts: tuple[str, ...], as_json: bool) -> None:
    """Tell the run of TRACE as a person would: question, turns, program, steps, answer, evidence, calls, seal.

    Example: rlm-dsl show traces/tickets.trace
    """
    from rlm_dsl.cli.render.story import trace_text
    from rlm_dsl.review.telling import told_reviews
    from rlm_dsl.trace.reader import open_trace
    from rlm_dsl.trace.story import story

    with open_trace(trace, unfinished=True, changed=True) as held:
        told = story(held)
        if told.finished and not told.changed:
            reviewed = told_reviews(held, Path(labels) if labels else None, paths_alone(contexts))
            told = replace(told, reviewed=reviewed)
        write(json.dumps(told.as_json(), ensure_ascii=False, indent=1) if as_json else trace_text(told))
