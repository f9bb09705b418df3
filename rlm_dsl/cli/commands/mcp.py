"""`mcp`: serve any agent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import MEMORY, THREADS, model_options, settings, spending_options
from rlm_dsl.common.diagnostics import UserError


@click.command("mcp")
@click.option("--allow", multiple=True, metavar="FOLDER", help="A folder that may be read; none but those are.")
@click.option("--traces", metavar="FOLDER", help="Where answers leave their traces; none without it.")
@model_options()
@spending_options(spent_on=" for as long as it serves", confirms=False)
@THREADS
@MEMORY
def command(allow: tuple[str, ...], traces: str | None, **given: Any) -> None:
    """Serve an agent over standard input and output (MCP): load, look, run, answer, verify, manual.

    Example: rlm-dsl mcp --allow data --model gpt-5-mini
    """
    if not allow:
        raise UserError("no folder may be read", "name some: rlm-dsl mcp --allow FOLDER")
    try:
        from rlm_dsl.integrations.mcp.server import serve
    except ModuleNotFoundError as failure:
        if (failure.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise UserError("the MCP server is not installed; get it with: pip install 'rlm-dsl[mcp]'") from None
    from rlm_dsl.integrations.mcp.workspace import Workspace
    from rlm_dsl.models.server.servers import Keys

    folders = [Path(folder) for folder in allow]
    with Workspace(folders, settings(given), Keys(os.environ), Path(traces) if traces else None) as workspace:
        serve(workspace)
