"""`show`: tell a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from rlm_dsl.cli.each_trace import Told, tell_each
from rlm_dsl.cli.options import CONTEXT, LABELS, paths_alone


@click.command("show")
@click.argument("trace", type=click.Path(), nargs=-1, required=True)
@LABELS
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="Print the story as JSON; of several traces, a list.")
def command(trace: tuple[str, ...], labels: str | None, contexts: tuple[str, ...], as_json: bool) -> int:
    """Tell the run of each TRACE as a person would: question, turns, program, steps, answer, evidence, calls, seal.

    Example: rlm-dsl show traces/tickets.trace
    """
    from rlm_dsl.cli.render.story import trace_text
    from rlm_dsl.review.telling import told_reviews
    from rlm_dsl.trace.reader import open_trace
    from rlm_dsl.trace.story import story

    paths = paths_alone(contexts)

    def told_of(path: str) -> Told:
        with open_trace(path, unfinished=True, changed=True) as held:
            told = story(held)
            if told.answer and not told.changed:
                told = replace(told, reviewed=told_reviews(held, Path(labels) if labels else None, paths))
            return Told(told.as_json(), trace_text(told))

    return tell_each(trace, told_of, as_json)
