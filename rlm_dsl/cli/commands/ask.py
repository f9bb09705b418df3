"""`ask`: explore until a question is answered."""

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
    load_all,
    model_options,
    named_paths,
    new_trace,
    settings,
    spending_options,
)
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.progress import Bar
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError


@click.command("ask")
@click.argument("question")
@CONTEXT
@click.option("--continue", "parent", metavar="TRACE", help="Go on with what a finished run bound and was answered.")
@model_options()
@spending_options()
@click.option("--returns", metavar="TYPE", default="", help="The type that the answer must have, such as int.")
@click.option(
    "--mode",
    type=click.Choice(["explore", "auto", "direct", "compare"]),
    default="explore",
    show_default=True,
    help="direct shows a model the whole context; auto does that where it is short; compare does both.",
)
@click.option(
    "--depth",
    type=click.IntRange(0),
    show_default="4",
    help="0 asks no model about rows, 1 does, each more lets sub-runs explore long texts one level deeper.",
)
@click.option("--n", "times", type=click.IntRange(1), default=1, show_default=True, help="Explore so often and agree.")
@click.option("--verify-answer", "judged", is_flag=True, help="Let a model look at the evidence before it is taken.")
@click.option(
    "--prompt-tokens",
    type=click.IntRange(3_500),
    default=8_000,
    show_default=True,
    help="The most estimated tokens of a root prompt.",
)
@click.option(
    "--card",
    type=click.Choice(["small", "medium", "full"]),
    show_default="small for small models, else medium",
    help="How much of the language the root model is told; small has worked exchanges over the tables.",
)
@click.option(
    "--constrain",
    type=click.Choice(["on", "off"]),
    show_default="off",
    help="Keep the root's replies to a grammar, where the server can: mends their form, not their sense.",
)
@click.option("--turns", type=click.IntRange(1), default=20, show_default=True, help="Turns of the root model.")
@click.option("--trace", "--to", "trace", metavar="FOLDER", help="Where the trace goes; else runs/TIME.trace.")
@click.option("--no-trace", is_flag=True, help="Leave no trace.")
@click.option("--explain", "explained", is_flag=True, help="Tell the program in words too; no model is asked for it.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON alone.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked first, and what it may cost; ask nothing.")
@THREADS
@MEMORY
@ENGINE
def command(
    question: str,
    contexts: tuple[str, ...],
    turns: int,
    mode: str,
    parent: str | None,
    trace: str | None,
    no_trace: bool,
    explained: bool,
    as_json: bool,
    dry_run: bool,
    **given: Any,
) -> None:
    """Explore the contexts until QUESTION is answered.

    With --continue, over what an earlier run found: its data and models, unless others are named.

    Example: rlm-dsl ask "Which user was charged most often?" --context tickets=tickets.csv --model gpt-5-mini
    """
    from rlm_dsl.cli.approval import DryRun, asking, dry
    from rlm_dsl.cli.render.asked import asked_text
    from rlm_dsl.cli.render.estimate import estimate_text
    from rlm_dsl.cli.render.turn import turn_text
    from rlm_dsl.explore.ask import ExploreOptions
    from rlm_dsl.explore.follow_up import follow_up
    from rlm_dsl.explore.modes import answer_by_mode
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.models.settings import named_models
    from rlm_dsl.models.settings_file import found_settings
    from rlm_dsl.trace.reader import open_trace

    folder = None if no_trace or dry_run else Path(trace) if trace else new_trace()
    chosen = settings(given, turns=turns)
    constrain = given["constrain"] == "on" if given["constrain"] else found_settings(given["file"]).constrain
    asked_for = given["returns"], given["depth"], given["judged"], given["times"], given["prompt_tokens"]
    wishes = ExploreOptions(*asked_for, constrain=constrain)
    common: dict[str, Any] = {
        "keys": Keys(os.environ),
        "progress": Bar(),
        "shown": lambda told: note(turn_text(told)),
        "approve": dry if dry_run else asking(given["confirm_over"], given["yes"]),
    }
    try:
        if parent is None:
            data = load_all(contexts, memory=given["memory"], file=given["file"], engine=given["engine"])
            results = answer_by_mode(mode, question, data, chosen, wishes, trace=folder, **common)
        else:
            if mode != "explore":
                raise UserError("what goes on from a run explores", "leave --mode out")
            with open_trace(parent) as earlier:
                common |= {"models": named_models(given["models"]), "base_url": given["base_url"] or ""}
                common |= {"given": named_paths(contexts), "noted": lambda told: note(f"note: {safe(told)}")}
                results = {mode: follow_up(earlier, question, chosen, wishes, to=folder, **common)}
    except DryRun as ended:
        limits = chosen.limits
        write(f"first turn of at most {turns}: {estimate_text(ended.estimate)}")
        write(
            f"the whole exploration: at most {counted(limits.calls, 'call')} and "
            f"{counted(limits.tokens, 'token')}, which --budget says"
        )
        return
    if as_json:
        values = {way: result.value for way, result in results.items()}
        write(json.dumps(values if len(values) > 1 else next(iter(values.values())), ensure_ascii=False))
        return
    for way, result in results.items():
        if len(results) > 1:
            write(f"=== {way}")
        write(asked_text(result, explained=explained))
