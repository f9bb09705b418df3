"""`export`: a trace for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_dsl.cli.options import FORCE
from rlm_dsl.cli.output import note, write
from rlm_dsl.common.atomic_write import write_named
from rlm_dsl.common.own_files import SPANS, require_own


@click.command("export")
@click.argument("trace", type=click.Path())
@click.option("--otlp", "form", flag_value="otlp", help="OpenTelemetry's conventions for generative AI, as OTLP JSON.")
@click.option("--openinference", "form", flag_value="openinference", help="OpenInference's spans, as OTLP JSON.")
@click.option("--openlineage", "form", flag_value="openlineage", help="OpenLineage's events, a line of JSON each.")
@click.option("--content", is_flag=True, help="With what was asked and answered.")
@click.option("--to", metavar="FILE", help="Write it there; else to standard output.")
@FORCE
def command(trace: str, form: str | None, content: bool, to: str | None, force: bool) -> None:
    """Export TRACE in a form that other tools read; the same trace gives the same bytes.

    Example: rlm-dsl export traces/tickets.trace --otlp --to spans.json
    """
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.traces import export

    if form is None:
        raise UserError("say in which form", "--otlp, --openinference or --openlineage")
    text = export(trace, form, content=content)
    if to is None:
        write(text.rstrip("\n"))
    else:
        write_named(require_own(Path(to), SPANS, force), text)
        note(f"written to {to}")
