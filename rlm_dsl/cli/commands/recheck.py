"""`recheck`: old rows asked of today's model again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.options import CONTEXT, RECORDED, model_options, new_trace, paths_alone, settings, spending_options
from rlm_dsl.cli.output import note, safe, write

BUDGET = "calls=500,tokens=1000000"
SHOWN = 5


@click.command("recheck")
@click.argument("trace", type=click.Path())
@click.argument("step", required=False, shell_complete=completions.steps)
@CONTEXT
@click.option("--rows", type=click.IntRange(1), default=60, show_default=True, help="Old rows to ask again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws other rows.")
@click.option(
    "--least",
    type=click.FloatRange(0, 1),
    default=0.95,
    show_default=True,
    help="The share of answers as before that is expected; surely below it, the exit code is 1.",
)
@click.option("--trace", "--to", "to", metavar="FOLDER", help="Where the record goes; else runs/TIME.trace.")
@model_options(model=RECORDED, base_url=RECORDED, parameters=RECORDED)
@spending_options(budget=BUDGET, max_failed=None, packs=False, from_file="Servers, prices, pace")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(
    trace: str,
    step: str | None,
    contexts: tuple[str, ...],
    rows: int,
    seed: int,
    least: float,
    to: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Ask some old rows of a model step of TRACE again, today, and say how many are answered as they were: a served
    model that was silently changed is seen by it.

    Example: rlm-dsl recheck runs/tickets.trace topics --rows 60
    """
    from rlm_dsl.cli.approval import asking
    from rlm_dsl.compare.recheck import RecheckJob, recheck
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.trace.reader import open_trace

    chosen = settings(given, budget=BUDGET)
    with open_trace(trace) as held:
        found = recheck(
            RecheckJob(
                held,
                step or "",
                rows,
                seed,
                least,
                paths_alone(contexts),
                chosen,
                chosen.limits,
                Keys(os.environ),
                Path(to) if to else new_trace(),
                asking(given["confirm_over"], given["yes"]),
                notify=lambda line: note(safe(line)),
            )
        )
    if as_json:
        write(json.dumps({**found.as_json(), "trace": str(found.trace)}, ensure_ascii=False))
    else:
        write(safe(found.told()))
        for text, before, now in found.differ[:SHOWN]:
            write(safe(f"  {' '.join(text.split())[:60]}: {json.dumps(before)} -> {json.dumps(now)}"))
        note(safe(f"trace: {found.trace}"))
    return 1 if found.fell else 0
