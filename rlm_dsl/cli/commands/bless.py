"""`bless`: accept an answer."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from rlm_dsl.cli.options import CONTEXT, paths_alone
from rlm_dsl.cli.output import safe, write


@click.command("bless")
@click.argument("trace", type=click.Path())
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="Print what changed as JSON.")
def command(trace: str, contexts: tuple[str, ...], as_json: bool) -> None:
    """Accept the answer of TRACE, on the data of today, as the one that `test` holds it to.

    It is written into blessed.yaml beside the trace, to be read in a diff.

    Example: rlm-dsl bless traces/tickets.trace
    """
    from rlm_dsl.cli.render.diff import part_lines
    from rlm_dsl.compare.regression import bless

    given = paths_alone(contexts)
    file, changed = bless(Path(trace), given, os.environ)
    if as_json:
        told = {"file": str(file), "changed": [part.as_json() for part in changed]}
        write(json.dumps(told, ensure_ascii=False, default=str))
        return
    for part in changed:
        for line in part_lines(part):
            write(safe(line))
    write(f"blessed in {file}" + ("" if changed else ": the answer is the one it was"))
