"""`shell`: explore by hand."""

from __future__ import annotations

import os
from typing import Any

import click

from rlm_dsl.cli.options import CONTEXT, ENGINE, MEMORY, THREADS, load_all, model_options, settings, spending_options


@click.command("shell")
@CONTEXT
@model_options()
@spending_options(spent_on=" in the session", confirms=False)
@THREADS
@MEMORY
@ENGINE
def command(contexts: tuple[str, ...], **given: Any) -> int:
    """Explore the contexts by hand, statement by statement; :help tells more.

    Example: rlm-dsl shell --context tickets=tickets.csv
    """
    from rlm_dsl.cli.shell.run import run_shell

    return run_shell(
        load_all(contexts, memory=given["memory"], file=given["file"], engine=given["engine"]),
        settings(given),
        os.environ,
    )
