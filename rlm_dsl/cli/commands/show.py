"""`show`: tell a run."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_dsl.cli.output import write


@click.command("show")
@click.argument("trace", type=click.Path())
def command(trace: str) -> None:
    """Tell the run of TRACE as a person would."""
    from rlm_dsl.cli.telling import told_trace
    from rlm_dsl.trace.file import Trace

    write(told_trace(Trace.open(Path(trace), unfinished=True)))
