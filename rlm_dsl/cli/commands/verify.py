"""`verify`: check a trace."""

from __future__ import annotations

import os
from pathlib import Path

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.each_trace import Told, tell_each
from rlm_dsl.cli.options import CONTEXT, ENGINE, file_bytes, paths_alone
from rlm_dsl.cli.output import safe


@click.command("verify")
@click.argument("trace", type=click.Path(), nargs=-1, required=True)
@CONTEXT
@click.option("--public-key", metavar="FILE", help="Whose signature the seal must have (PEM or OpenSSH, ed25519).")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HASH",
    help="The head that was kept: the trace must be the one that has it.",
)
@click.option(
    "--heads", "kept", metavar="FILE", help="A file of heads that were kept, as `heads:` in rlm-dsl.yaml writes it."
)
@click.option("--labels", type=click.Path(), help="A file of labels that the sealed reviews must be of.")
@click.option(
    "--level",
    metavar="N|NAME",
    shell_complete=completions.levels,
    help="Stop after this level: chain, files, context, ... or 1, 2, 3, ...",
)
@ENGINE
@click.option(
    "--sample",
    metavar="N[:SEED]",
    help="Check N files drawn at random, and the rows that come of them, in place of all data.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; of several traces, a list.")
def command(
    trace: tuple[str, ...],
    contexts: tuple[str, ...],
    public_key: str | None,
    heads: tuple[str, ...],
    kept: str | None,
    labels: str | None,
    level: str | None,
    engine: str | None,
    sample: str | None,
    as_json: bool,
) -> int:
    """Check each TRACE level by level, without a model and without a network.

    Example: rlm-dsl verify traces/tickets.trace
    """
    from rlm_dsl.context.placement import Placement
    from rlm_dsl.replay.verify_sample import Sample
    from rlm_dsl.review.verified import verify_reviewed
    from rlm_dsl.trace.divergence import level_named, render_report
    from rlm_dsl.trace.heads import kept_heads, whole_head
    from rlm_dsl.trace.reader import Trace

    paths = paths_alone(contexts)
    key = file_bytes(public_key) if public_key else None
    known = {**(kept_heads(Path(kept)) if kept else {}), **dict.fromkeys(map(whole_head, heads), "")}
    file = Path(labels) if labels else None
    drawn = Sample.read(sample) if sample else None
    last, placed = level_named(level), Placement.read(engine or "local")

    def check(path: str) -> Told:
        opened = Trace.open(Path(path), unfinished=True, changed=True)
        report = verify_reviewed(opened, paths, os.environ, key, last, known, file, placed, drawn)
        return Told(report.as_json(), safe(render_report(report)), 0 if report.ok else 1)

    return tell_each(trace, check, as_json)
