"""`unpack`: a packed trace as a folder again."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rlm_dsl.cli.output import safe, write


@click.command("unpack")
@click.argument("file", type=click.Path())
@click.option("--to", metavar="FOLDER", help="The folder to make; else FILE without .zip.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is as JSON.")
def command(file: str, to: str | None, as_json: bool) -> None:
    """Unpack FILE, a packed trace; nothing is written outside the folder.

    Example: rlm-dsl unpack tickets.zip --to tickets.trace
    """
    from rlm_dsl.traces import unpack

    made = str(unpack(Path(file), to))
    write(json.dumps({"path": made}, ensure_ascii=False) if as_json else safe(made))
