"""`unpack`: a packed trace as a folder again."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_dsl.cli.output import safe, write


@click.command("unpack")
@click.argument("file", type=click.Path())
@click.option("--to", metavar="FOLDER", help="The folder to make; else FILE without .zip.")
def command(file: str, to: str | None) -> None:
    """Unpack FILE, a packed trace; nothing is written outside the folder."""
    from rlm_dsl.traces import unpack

    write(safe(str(unpack(Path(file), to))))
