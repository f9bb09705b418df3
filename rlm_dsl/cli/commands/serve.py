"""`serve`: a folder of traces in a browser."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from rlm_dsl.cli.options import CONTEXT, paths_alone
from rlm_dsl.cli.output import note


@click.command("serve")
@click.argument("folder", type=click.Path(), default="runs")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Another lets others on the network read them.")
@click.option("--open", "open_", is_flag=True, help="Open it in a browser.")
@click.option("--review", "reviews", is_flag=True, help="Let rows be reviewed; labels are kept beside the traces.")
@CONTEXT
@click.option("--rows", type=click.IntRange(1), help="For --review: rows to be drawn in all. [default: 60]")
@click.option("--seed", type=int, default=0, show_default=True, help="For --review: draws other rows.")
@click.option("--reviewer", default="", help="For --review: a name for the labels, which name nobody without it.")
@click.option("--seen", is_flag=True, help="For --review: show the model's answer before yours; labels say so.")
def command(
    folder: str,
    port: int,
    host: str,
    open_: bool,
    reviews: bool,
    contexts: tuple[str, ...],
    rows: int | None,
    seed: int,
    reviewer: str,
    seen: bool,
) -> None:
    """Serve the traces below FOLDER (runs/ unless said), read-only: list, filter, look at one, compare two; with
    --review also look at rows of a model step and say what is right. Ctrl-C ends it.

    Example: rlm-dsl serve runs --open
    """
    from rlm_dsl.report import check_installed

    check_installed()
    from rlm_dsl.report.server import LOOPBACK, Serving

    desk = None
    if reviews:
        from rlm_dsl.report.reviewing.desk import Desk, Reviewing

        how = Reviewing(paths_alone(contexts), seed=seed, reviewer=reviewer, blind=not seen)
        desk = Desk(how if rows is None else replace(how, rows=rows))
    with Serving(Path(folder), host, port, os.environ, desk) as server:
        if server.host not in LOOPBACK:
            note(f"whoever reaches {host} can read every trace below {folder}")
        note(f"{server.url}  (Ctrl-C ends it)")
        if open_:
            click.launch(server.url)
        server.serve_forever()
