"""`pack`: a trace as one file."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_dsl.cli.output import safe, write


@click.command("pack")
@click.argument("trace", type=click.Path())
@click.option("--to", metavar="FILE", help="The zip to write; else TRACE.zip.")
def command(trace: str, to: str | None) -> None:
    """Pack TRACE into one zip, the same bytes for the same trace; every command reads it as it reads the folder."""
    from rlm_dsl.traces import pack

    write(safe(str(pack(Path(trace), to))))
