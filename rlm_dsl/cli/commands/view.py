"""`view`: a trace or an optimization as a page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import CONTEXT, FORCE, LABELS, paths_alone
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.common.own_files import PAGE, require_own


@click.command("view")
@click.argument("trace", type=click.Path())
@CONTEXT
@LABELS
@click.option("--out", "--to", "out", metavar="FILE", help="The page; else TRACE.html.")
@click.option("--no-verify", is_flag=True, help="Leave out the check, which reads the sources whole.")
@click.option("--open", "open_", is_flag=True, help="Open it in a browser.")
@FORCE
@click.option("--json", "as_json", is_flag=True, help="Print where the page is and its size as JSON.")
def command(
    trace: str,
    contexts: tuple[str, ...],
    labels: str | None,
    out: str | None,
    no_verify: bool,
    open_: bool,
    force: bool,
    as_json: bool,
) -> int:
    """One HTML page of TRACE (or of the record of an optimization), which opens from disk and loads nothing. The exit
    code is 1 if the run does not verify.

    Example: rlm-dsl view runs/20261101-120000.trace --open
    """
    from rlm_dsl.report import check_installed

    check_installed()
    from rlm_dsl.cli.html_page import page_of, put

    place = require_own(Path(out) if out else Path(f"{Path(trace).name.removesuffix('.zip')}.html"), PAGE, force)
    file = Path(labels) if labels else None
    made = page_of(Path(trace), contexts_given(contexts), os.environ, verified=not no_verify, labels=file)
    path = put(place, made.html)
    write(json.dumps({"page": str(path), "bytes": path.stat().st_size}) if as_json else str(path))
    if open_ and click.launch(str(path)) != 0:
        note("no browser could be started")
    if made.failed:
        note(safe(f"does not verify: {made.failed}; see: rlm-dsl verify"))
    if made.unchecked:
        note(safe(f"not verified: {made.unchecked}"))
    return 1 if made.failed else 0


def contexts_given(contexts: tuple[str, ...]) -> dict[str, Any]:
    return paths_alone(contexts)
