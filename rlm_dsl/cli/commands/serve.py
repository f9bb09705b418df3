"""`serve`: a folder of traces in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rlm_dsl.cli.output import note


@click.command("serve")
@click.argument("folder", type=click.Path(), default="runs")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another lets others on the network read them.")
@click.option("--open", "open_", is_flag=True, help="Open it in a browser.")
def command(folder: str, port: int, host: str, open_: bool) -> None:
    """Serve the traces below FOLDER (runs/ unless said), read-only: list, filter, look at one, compare two; Ctrl-C
    ends it.

    Example: rlm-dsl serve runs --open
    """
    from rlm_dsl.report import check_installed

    check_installed()
    from rlm_dsl.report.server import LOOPBACK, Serving

    with Serving(Path(folder), host, port, os.environ) as server:
        if host not in LOOPBACK:
            note(f"whoever reaches {host} can read every trace below {folder}")
        note(f"{server.url}  (Ctrl-C ends it)")
        if open_:
            click.launch(server.url)
        server.serve_forever()
