"""`run`: run a program."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_dsl.cli.options import (
    CONTEXT,
    ENGINE,
    LABELS,
    MEMORY,
    THREADS,
    TUNED,
    declared_contexts,
    given_program,
    json_value,
    load_all,
    model_options,
    pairs,
    settings,
    spending_options,
    tuned,
)
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.progress import Bar

if TYPE_CHECKING:
    from rlm_dsl.engine.result import Result
    from rlm_dsl.models.settings import Settings


@click.command("run")
@click.argument("program", type=click.Path(), required=False)
@click.option(
    "-e", "lines", multiple=True, metavar="TEXT", help="The program itself in place of a file, or a line of it."
)
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value for this run.")
@model_options()
@spending_options()
@TUNED
@click.option("--answers", metavar="TRACE", help="Use the answers of this trace and ask no model.")
@click.option("--trace", "--to", "trace", metavar="FOLDER", help="Record the run there.")
@LABELS
@click.option(
    "--json", "as_json", is_flag=True, help="Print the answer as JSON alone; with --labels, and what these say of it."
)
@click.option("--dry-run", is_flag=True, help="Say what would be asked first, and what it may cost; ask nothing.")
@THREADS
@MEMORY
@ENGINE
def command(
    program: str | None,
    lines: tuple[str, ...],
    contexts: tuple[str, ...],
    params: tuple[str, ...],
    tuned_file: str | None,
    answers: str | None,
    trace: str | None,
    labels: str | None,
    as_json: bool,
    dry_run: bool,
    **given: Any,
) -> None:
    """Run PROGRAM (a file, or - for standard input) over the contexts.

    Example: rlm-dsl run program.rlm --context tickets=tickets.csv --model gpt-5-mini --trace run.trace

    Example: rlm-dsl run -e 'answer tickets | count()' --context tickets=tickets.csv
    """
    from rlm_dsl.cli.approval import DryRun, asking, dry
    from rlm_dsl.cli.render.estimate import dry_run_text
    from rlm_dsl.cli.render.result import result_text
    from rlm_dsl.cli.render.steps import one_answer_lines
    from rlm_dsl.engine.run import run_program
    from rlm_dsl.explore.sub_run import explore_text
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.review.of_result import labels_of_program, reviewed_run
    from rlm_dsl.trace.reader import Trace

    program, source = given_program(program, lines)
    recorded = Trace.open(Path(answers)) if answers else None
    source, chosen, extra = tuned(program, source, tuned_file, settings(given))
    data = load_all(contexts, declared_contexts(source), given["memory"], given["file"], source, given["engine"])
    values = {name: json_value(name, text) for name, text in pairs(params)}
    reviews = labels_of_program(Path(program), Path(labels) if labels else None)

    def run_to(place: Path | None, run_settings: Settings) -> Result:
        return run_program(
            source,
            data,
            values,
            run_settings,
            keys=Keys(os.environ),
            progress=Bar(),
            trace=place,
            answers=recorded,
            explorer=explore_text,
            extra=extra,
            approve=dry if dry_run else asking(given["confirm_over"], given["yes"]),
        )

    try:
        place = Path(trace) if trace else None
        result = run_to(None, chosen) if dry_run else reviewed_run(run_to, place, chosen, reviews, data)
    except DryRun as ended:
        write(dry_run_text(ended.estimate, source, data, values))
        return
    for warning in result.execution.warnings:
        note(warning)
    for line in one_answer_lines([record.as_json() for record in result.steps]) if as_json else ():
        note(line)
    if as_json and labels and result.reviewed is not None:
        told = {"answer": result.value, "reviews": result.reviewed.as_json()}
        write(json.dumps(told, ensure_ascii=False))
        return
    for line in result.reviewed.lines() if as_json and result.reviewed is not None else ():
        note(safe(line))
    write(json.dumps(result.value, ensure_ascii=False) if as_json else result_text(result))
