"""`list`: the runs of a folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rlm_dsl.cli.output import note, safe, write


@click.command("list")
@click.argument("folder", type=click.Path(), default="runs")
@click.option("-k", "only", metavar="TEXT", default="", help="Only runs that have this in their name or question.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, an object each.")
def command(folder: str, only: str, as_json: bool) -> None:
    """List the runs in FOLDER (runs/ unless said) and below, newest first: question, answer, state, cost.

    Those that were stopped, or are not as they were sealed, are among them.

    Example: rlm-dsl list traces
    """
    from rlm_dsl.cli.listed_runs import runs_text
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.trace.listed import list_runs

    if not Path(folder).exists():
        raise UserError(f"there is no folder {folder}", "name the one that your traces lie in: rlm-dsl list FOLDER")
    found = [each for each in list_runs(Path(folder)) if only.lower() in f"{each.path} {each.question}".lower()]
    if as_json:
        write(json.dumps([each.as_json() for each in found], ensure_ascii=False, indent=1))
    elif found:
        write(safe(runs_text(found)))
    else:
        note(f"no run in {folder}" + (f" has {only!r} in its name or question" if only else ""))
