"""`eval`: ask questions whose answers are known, and score."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import (
    CONTEXT,
    ENGINE,
    MEMORY,
    THREADS,
    declared_contexts,
    json_value,
    load_all,
    model_options,
    named_paths,
    pairs,
    program_source,
    settings,
    spending_options,
)
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError


@click.command("eval")
@click.argument("tasks", type=click.Path())
@CONTEXT
@click.option(
    "--with",
    "systems",
    multiple=True,
    metavar="WHO",
    default=("rlm-dsl",),
    show_default=True,
    help="rlm-dsl, plain, dspy or rlms.",
)
@click.option("--program", metavar="FILE", help="Of reviews: the program, if not beside the labels.")
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="Of reviews: a value of a param.")
@click.option("--metric", metavar="NAME", help="For tasks that name none: exact, numeric, set_f1 or oolong.")
@click.option("--returns", metavar="TYPE", help="The answers' type, for tasks that name none; else the right answer's.")
@click.option("--each", metavar="LIMITS", help="The most that one task may spend; else the budget / parallel.")
@click.option("--parallel", type=click.IntRange(1), default=4, show_default=True, help="Tasks under way at once.")
@click.option("--out", "--to", "out", metavar="FOLDER", help="Outcomes and traces, gone on with; else runs/TASKS.eval.")
@click.option("--local-python", is_flag=True, help="Let peers run model-written Python on this machine, unguarded.")
@model_options()
@spending_options(limits="calls=N,tokens=N", spent_on=" on all tasks", in_flight=" for each task", confirms=False)
@click.option("--turns", type=click.IntRange(1), default=20, show_default=True, help="Turns of the root model.")
@click.option("--window", type=click.IntRange(1_000), show_default="32000", help="Tokens that one prompt may have.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@THREADS
@MEMORY
@ENGINE
def command(
    tasks: str,
    contexts: tuple[str, ...],
    systems: tuple[str, ...],
    program: str | None,
    params: tuple[str, ...],
    metric: str | None,
    returns: str | None,
    each: str | None,
    parallel: int,
    out: str | None,
    local_python: bool,
    turns: int,
    window: int | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Ask the questions of TASKS (JSON Lines) and score the answers; run again, it goes on where it stopped.

    Of PROGRAM.labels.jsonl, what people said in reviews, it tells how often the program's steps answer alike.

    Example: rlm-dsl eval questions.jsonl --context tickets=tickets.csv --model gpt-5-mini
    """
    if program or tasks.endswith(ENDING):
        return eval_reviews(Path(tasks), program, contexts, params, given, as_json=as_json)
    from rlm_dsl.evaluate.evaluate import Evaluation, evaluate
    from rlm_dsl.evaluate.report import summaries, table
    from rlm_dsl.evaluate.tasks import Data, Defaults, read_tasks
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.models.settings import Limits

    more: dict[str, Any] = {"window": window} if window else {}
    chosen = settings(given, turns=turns, **more)
    data = {name: Data(where) for name, where in named_paths(contexts).items()}
    share = Limits(max(1, chosen.limits.calls // parallel), max(1, chosen.limits.tokens // parallel))
    found = evaluate(
        Evaluation(
            read_tasks(Path(tasks), Defaults(data, metric, returns)),
            systems,
            chosen,
            Limits.read(each) if each else share,
            Path(out) if out else Path("runs") / f"{Path(tasks).stem}.eval",
            Keys(os.environ),
            parallel,
            local_python,
        ),
        lambda outcome, known: note(safe(told_outcome(outcome, known))),
    )
    report = summaries(found, chosen.price_of)
    if as_json:
        outcomes = [outcome.as_json() for outcome in found]
        write(
            json.dumps({"summaries": [s.as_json() for s in report], "outcomes": outcomes}, ensure_ascii=False, indent=1)
        )
    else:
        write(safe(table(report)))
    return 3 if any(not outcome.lasting for outcome in found) else 0


ENDING = ".labels.jsonl"
"""How files of reviews are called: see `review.labels.file`, which is loaded when it is needed."""
MISTAKES = 5
"""Confusions that are told of a step."""


def eval_reviews(
    labels: Path,
    program: str | None,
    contexts: tuple[str, ...],
    params: tuple[str, ...],
    given: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    """How often a program's steps answer as people did."""
    from rlm_dsl.cli.progress import Bar
    from rlm_dsl.context.loading import load
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.optimize.scored.steps import step_scores

    path = Path(program) if program else labels.with_name(labels.name.removesuffix(ENDING) + ".rlm")
    if not path.is_file():
        raise UserError(f"{path} is not there, and {labels} holds reviews of a program", "say which: --program FILE")
    source = program_source(str(path))
    found = step_scores(
        source,
        load_all(contexts, declared_contexts(source), given["memory"], given["file"], source, given["engine"]),
        {name: json_value(name, text) for name, text in pairs(params)},
        labels,
        settings(given),
        Keys(os.environ),
        Bar(),
        lambda name, file, type_: load(name, file, declared=type_),
    )
    if as_json:
        told = {"steps": [each.as_json() for each in found.steps], "calls": found.calls, "notes": found.notes}
        write(json.dumps(told, ensure_ascii=False, indent=1, default=str))
        return 0
    lines = [*found.notes]
    for step in found.steps:
        lines.append(step.told())
        lines += [f"  {said!r} for {right!r}: {counted(rows, 'row')}" for right, said, rows in step.mistaken[:MISTAKES]]
    write(safe("\n".join([*lines, counted(found.calls, "model call")])))
    return 0


def told_outcome(outcome: Any, known: bool) -> str:
    """An outcome in a line."""
    came = f"{outcome.failure}: {outcome.problem}" if outcome.failure else f"{outcome.score:.3f}"
    return f"{outcome.system}  {outcome.task}  {came}{'  (known)' if known else f'  {outcome.seconds:.1f} s'}"
