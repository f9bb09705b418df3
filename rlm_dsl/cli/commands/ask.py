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
@THREADS
@MEMORY
def command(
    question: str, contexts: tuple[str, ...], turns: int, trace: str | None, no_trace: bool, as_json: bool, **given: Any
) -> None:
    """Explore the contexts until QUESTION is answered."""
    from rlm_dsl.cli.telling import told_result, told_turn
    from rlm_dsl.explore.asking import answer_question

    folder = None if no_trace else Path(trace) if trace else new_trace()
    chosen = settings(given, turns=turns)
    result = answer_question(
        question,
        load_all(contexts, memory=given["memory"]),
        chosen,
        api_key=os.environ.get("OPENAI_API_KEY"),
        environment=os.environ,
        progress=Bar(),
        shown=lambda told: note(told_turn(told)),
        trace=folder,
    )
    write(json.dumps(result.value, ensure_ascii=False) if as_json else told_result(result))
