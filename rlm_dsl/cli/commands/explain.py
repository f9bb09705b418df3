"""`explain`: what a program would do."""

from __future__ import annotations

import click

from rlm_dsl.cli.options import CONTEXT, declared, json_value, load_all, pairs, program_source
from rlm_dsl.cli.output import write


@click.command("explain")
@click.argument("program", type=click.Path())
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
def command(program: str, contexts: tuple[str, ...], params: tuple[str, ...]) -> None:
    """Show PROGRAM's canonical form, its stages, SQL and bounds of model calls; nothing is run."""
    from rlm_dsl.cli.telling import told_plan

    source = program_source(program)
    data = load_all(contexts, declared(source)) if contexts else {}
    write(told_plan(source, data, {name: json_value(name, text) for name, text in pairs(params)}))
