"""`peek`: a look at data before anything is asked of it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from rlm_dsl.cli.output import write


@click.command("peek")
@click.argument("source", metavar="[NAME=]PATH")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(source: str, as_json: bool) -> None:
    """Show how data is read: its format and why, encoding, columns, first rows.

    PATH is a file, a folder or a glob; NAME:FORMAT(OPTION=VALUE, ...)=PATH says how it is read. Of each column stand
    its type, the cell that decided it (with file, line and text), nulls and different values.

    Example: rlm-dsl peek tickets.csv
    """
    from rlm_dsl.cli.render.peek import peek_text
    from rlm_dsl.context.given import named_or_path
    from rlm_dsl.explore.peek import peek

    found = peek(named_or_path(source))
    write(json.dumps(asdict(found), ensure_ascii=False, indent=1) if as_json else peek_text(found))
