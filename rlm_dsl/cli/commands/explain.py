"""`explain`: what a program would do."""

from __future__ import annotations

import click

from rlm_dsl.cli.options import CONTEXT, TUNED, declared, json_value, load_all, pairs, program_source, tuned
from rlm_dsl.cli.output import write


@click.command("explain")
@click.argument("program", type=click.Path())
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
@TUNED
@click.option("--prompts", is_flag=True, help="Show what the first model step says about its first rows instead.")
def command(
    program: str, contexts: tuple[str, ...], params: tuple[str, ...], tuned_file: str | None, prompts: bool
) -> None:
    """Show PROGRAM's canonical form, its stages, SQL and bounds of model calls; nothing is asked."""
    from rlm_dsl.cli.telling import told_plan, told_prompts
    from rlm_dsl.runtime.settings import Settings

    source, _, _ = tuned(program, program_source(program), tuned_file, Settings())
    data = load_all(contexts, declared(source)) if contexts or prompts else {}
    values = {name: json_value(name, text) for name, text in pairs(params)}
    write(told_prompts(source, data, values) if prompts else told_plan(source, data, values))
