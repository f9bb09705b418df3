"""`optimize`: labels in, a better and cheaper program out."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import (
    CONTEXT,
    ENGINE,
    FORCE,
    MEMORY,
    THREADS,
    declared_contexts,
    json_value,
    load_all,
    model_options,
    pairs,
    program_source,
    settings,
    spending_options,
)
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.progress import Bar
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.optimize.optimizers import OPTIMIZERS

WORDS = "rlm_dsl.words"


class Repeatable(click.Command):
    """A command that knows the words it was called with."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)


ALL_THE_SAME = "label more rows, or search all the same: --yes"
PULSE = 30.0
"""Seconds after which it is told how far a search is, where no terminal shows it."""
BUDGET = "calls=5000,tokens=10000000"


@click.command("optimize", cls=Repeatable)
@click.argument("program", type=click.Path())
@CONTEXT
@click.option("--examples", metavar="FILE", help="Labelled rows or runs, JSON Lines.")
@click.option(
    "--labels", metavar="FILE", help="What people said in reviews: NAME.labels.jsonl; beside --examples or alone."
)
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
@click.option("--metric", default="exact", show_default=True, metavar="NAME", help="exact, numeric, f1 or MODULE:FUNC.")
@click.option(
    "--optimizer",
    "optimizers",
    multiple=True,
    type=click.Choice(OPTIMIZERS),
    default=("mipro",),
    show_default=True,
    help="Of dspy; several are tried one after the other.",
)
@click.option("--cascade", metavar="TARGET", help="Let a proxy decide where it is sure, such as 'accuracy>=0.95'.")
@click.option(
    "--small",
    metavar="ALIAS",
    help="The smaller model that decides in a cascade, named by --model ALIAS=NAME.",
)
@click.option("--delta", default=0.05, show_default=True, help="How probable it may be that a target does not hold.")
@click.option(
    "--pick", default="best", show_default=True, metavar="RULE", help="best, cheapest, knee, 'accuracy>=0.9'."
)
@click.option(
    "--cost",
    type=click.Choice(("usd", "seconds", "tokens")),
    help="What to count costs in, whatever prices are known and whoever is asked.",
)
@click.option(
    "--writer",
    metavar="NAME",
    help="Writes instructions in the root model's stead: a model, or an alias of the settings file.",
)
@click.option("--seed", default=0, show_default=True, help="Of the search; the same one finds the same.")
@click.option("--effort", type=click.IntRange(1, 10), default=1, show_default=True, help="How much is tried.")
@click.option("--demos", type=click.IntRange(1, 64), default=16, show_default=True, help="Most examples a step shows.")
@click.option("--words-only", is_flag=True, help="Leave models, rows a call, chunks and order as they are.")
@click.option("--unproved", is_flag=True, help="Write a result too whose gain is not proved, marked so.")
@click.option("--out", "--to", "out", metavar="FOLDER", help="The record of the search; else runs/PROGRAM.optimize.")
@model_options()
@spending_options(budget=BUDGET, spent_on=" on the search", max_failed=None, packs=False)
@FORCE
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@THREADS
@MEMORY
@ENGINE
def command(
    program: str,
    contexts: tuple[str, ...],
    examples: str | None,
    labels: str | None,
    params: tuple[str, ...],
    metric: str,
    optimizers: tuple[str, ...],
    cascade: str | None,
    small: str | None,
    delta: float,
    pick: str,
    cost: str | None,
    writer: str | None,
    seed: int,
    effort: int,
    demos: int,
    words_only: bool,
    unproved: bool,
    out: str | None,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Make PROGRAM better and cheaper by labels of its rows; what is found is written to PROGRAM.tuned.yaml.

    Example: rlm-dsl optimize program.rlm --context tickets=tickets.csv --examples labels.jsonl --model gpt-5-mini
    """
    from rlm_dsl.cli.approval import asking, confirmed
    from rlm_dsl.cli.render.optimization import optimization_text
    from rlm_dsl.context.loading import load
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.optimize import check_installed
    from rlm_dsl.optimize.examples import require_enough
    from rlm_dsl.optimize.labelled import require_learnable
    from rlm_dsl.optimize.tuned import require_place, write_tuned

    check_installed()
    if examples is not None and labels is None:
        require_enough(Path(examples))  # what is told by the file alone, before anything large is loaded
    if examples is None and labels is None:
        raise UserError(
            "nothing to learn from is named", "name a file: --labels PROGRAM.labels.jsonl, or --examples FILE"
        )
    source = program_source(program)
    chosen = settings(given, budget=BUDGET)
    if writer:
        chosen = replace(chosen, models={**chosen.models, "writer": chosen.models.get(writer, writer)})
    path = Path(program)
    require_place(path, force)
    declared = declared_contexts(source)
    data = load_all(contexts, declared, given["memory"], given["file"], source, given["engine"])
    values = {name: json_value(name, text) for name, text in pairs(params)}
    learned_from = (Path(examples) if examples else None, Path(labels) if labels else None)
    if chosen.models:
        require_learnable(source, data, values, chosen, *learned_from)
    from rlm_dsl.optimize.certify import Target
    from rlm_dsl.optimize.job import OptimizationJob
    from rlm_dsl.optimize.optimize import optimize
    from rlm_dsl.optimize.pareto import check_rule
    from rlm_dsl.optimize.record import record_path

    check_rule(pick)
    found = optimize(
        OptimizationJob(
            source,
            data,
            values,
            learned_from[0],
            chosen,
            Keys(os.environ),
            Path(out) if out else record_path(Path("runs"), path.stem),
            Bar(PULSE),
            lambda name, file, type_: load(name, file, declared=type_),
            metric,
            optimizers,
            seed,
            effort,
            demos,
            not words_only,
            Target.read(cascade, delta) if cascade else None,
            small,
            pick,
            cost,
            lambda line: note(safe(line)),
            asking(given["confirm_over"], given["yes"]),
            lambda line: confirmed(line, "search all the same?", given["yes"] or unproved, ALL_THE_SAME),
            learned_from[1],
            shlex.join(["rlm-dsl", "optimize", *click.get_current_context().meta[WORDS]]),
        )
    )
    kept = found.proved or (unproved and found.report["diff"])
    files = write_tuned(path, found.tuned) if kept else []
    report = {**found.report, "written": files}
    write(json.dumps(report, ensure_ascii=False, indent=1) if as_json else safe(optimization_text(report)))
    return 0 if found.proved or kept else 1
