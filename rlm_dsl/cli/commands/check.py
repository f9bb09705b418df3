"""`check`: report problems."""

from __future__ import annotations

import click

from rlm_dsl.cli.options import CONTEXT, json_value, load_all, pairs, program_source
from rlm_dsl.cli.output import note, write


@click.command("check")
@click.argument("programs", type=click.Path(), nargs=-1, required=True, metavar="PROGRAM...")
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
@click.option("--github", is_flag=True, help="Print the problems as annotations of a GitHub workflow.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings alone.")
def command(
    programs: tuple[str, ...],
    contexts: tuple[str, ...],
    params: tuple[str, ...],
    as_json: bool,
    github: bool,
    strict: bool,
) -> int:
    """Report every problem of each PROGRAM, against its data if named, else against its `context` lines.

    Example: rlm-dsl check program.rlm --context tickets=tickets.csv
    """
    from rlm_dsl.cli.render.problems import check_source, problems_text

    values = {name: json_value(name, text) for name, text in pairs(params)}
    found = [check_source(program_source(program), contexts, values, load_all) for program in programs]
    form = "json" if as_json else "github" if github else "text"
    problems = [problem for one in found for problem in one.problems]
    failed = any(problem.severity == "error" for problem in problems)
    text = problems_text(found, form)
    (write if form != "text" else note)(text) if text else None
    return 2 if failed else int(strict and bool(problems))
