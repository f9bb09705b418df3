"""`pack`: a trace as one file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rlm_dsl.cli.options import FORCE
from rlm_dsl.cli.output import safe, write
from rlm_dsl.common.own_files import ARCHIVE, require_own


@click.command("pack")
@click.argument("trace", type=click.Path())
@click.option("--to", metavar="FILE", help="The zip to write; else TRACE.zip.")
@FORCE
@click.option("--json", "as_json", is_flag=True, help="Print where it is as JSON.")
def command(trace: str, to: str | None, force: bool, as_json: bool) -> None:
    """Pack TRACE into one zip, the same bytes for the same trace; every command reads it as it reads the folder.

    Example: rlm-dsl pack traces/tickets.trace --to tickets.zip
    """
    from rlm_dsl.traces import pack

    place = Path(to) if to else Path(trace).with_name(f"{Path(trace).name}.zip")
    made = str(pack(Path(trace), require_own(place, ARCHIVE, force)))
    write(json.dumps({"path": made}, ensure_ascii=False) if as_json else safe(made))
