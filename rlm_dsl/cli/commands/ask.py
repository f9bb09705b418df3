"""`ask`: explore until a question is answered."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import CONTEXT, MEMORY, THREADS, load_all, model_options, new_trace, settings
from rlm_dsl.cli.output import Bar, note, write


@click.command("ask")
@click.argument("question")
@CONTEXT
@model_options
@click.option("--turns", type=click.IntRange(1), default=20, show_default=True, help="Turns of the root model.")
@click.option("--trace", metavar="FOLDER", help="Where the trace goes; else runs/TIME.trace.")
@click.option("--no-trace", is_flag=True, help="Leave no trace.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON alone.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked first, and what it may cost; ask nothing.")
@THREADS
@MEMORY
def command(
    question: str,
    contexts: tuple[str, ...],
    turns: int,
    trace: str | None,
    no_trace: bool,
    as_json: bool,
    dry_run: bool,
    **given: Any,
) -> None:
    """Explore the contexts until QUESTION is answered."""
    from rlm_dsl.cli.approving import DryRun, asking, dry, told_estimate
    from rlm_dsl.cli.telling import told_result, told_turn
    from rlm_dsl.explore.asking import answer_question
    from rlm_dsl.runtime.servers import Keys

    folder = None if no_trace or dry_run else Path(trace) if trace else new_trace()
    chosen = settings(given, turns=turns)
    try:
        result = answer_question(
            question,
            load_all(contexts, memory=given["memory"]),
            chosen,
            keys=Keys(os.environ),
            progress=Bar(),
            shown=lambda told: note(told_turn(told)),
            trace=folder,
            approve=dry if dry_run else asking(given["confirm_over"], given["yes"]),
        )
    except DryRun as ended:
        limits = chosen.limits
        write(f"first turn of at most {turns}: {told_estimate(ended.estimate)}")
        write(
            f"the whole exploration: at most {limits.calls:,} calls and {limits.tokens:,} tokens, which --budget says"
        )
        return
    write(json.dumps(result.value, ensure_ascii=False) if as_json else told_result(result))
