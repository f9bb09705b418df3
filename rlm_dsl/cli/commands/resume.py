"""`resume`: go on with a run that was stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import CONTEXT, ENGINE, MEMORY, RECORDED, THREADS, paths_alone, settings, spending_options
from rlm_dsl.cli.output import note, write
from rlm_dsl.cli.progress import Bar


@click.command("resume")
@click.argument("trace", type=click.Path())
@CONTEXT
@spending_options(
    budget=RECORDED,
    spent_on=", what was spent before the stop with it",
    max_failed=RECORDED,
    packs=False,
    from_file="Servers, prices, pace",
)
@click.option("--base-url", metavar="URL", help="The run's own server, where neither settings nor environment name it.")
@click.option(
    "--turns", type=click.IntRange(1), metavar="N", help="Turns that an exploration may take in all, more than before."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON alone.")
@THREADS
@MEMORY
@ENGINE
def command(trace: str, contexts: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Go on with the run of TRACE from where it was stopped: killed, interrupted, out of budget, without its server.

    Models, parameters and data are the run's own; --budget and --max-failed replace the run's, and what was
    spent stays spent. An exploration that came to no answer within its turns goes on with more: --turns.

    Example: rlm-dsl resume runs/20261101-120000.trace
    """
    from rlm_dsl.cli.approval import asking
    from rlm_dsl.cli.render.result import result_text
    from rlm_dsl.cli.render.turn import turn_text
    from rlm_dsl.explore.resume import resume
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.models.settings import Limits

    chosen = settings(given)
    result = resume(
        Path(trace),
        chosen,
        Limits.read(given["budget"]) if given["budget"] else None,
        keys=Keys(os.environ),
        progress=Bar(),
        shown=lambda told: note(turn_text(told)),
        approve=asking(given["confirm_over"], given["yes"]),
        max_failed=given["max_failed"],
        given=paths_alone(contexts),
        turns=given["turns"],
    )
    write(json.dumps(result.value, ensure_ascii=False) if as_json else result_text(result))
