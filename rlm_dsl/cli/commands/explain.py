"""`explain`: what a program would do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from rlm_dsl.cli.options import (
    CONTEXT,
    ENGINE,
    TUNED,
    declared_contexts,
    json_value,
    load_all,
    pairs,
    program_source,
    tuned,
)
from rlm_dsl.cli.output import safe, write


@click.command("explain")
@click.argument("program", type=click.Path())
@click.option("--words", is_flag=True, help="Tell the program in words instead; of a trace, that is always done.")
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
@TUNED
@click.option("--prompts", is_flag=True, help="Show what the first model step says about its first rows instead.")
@ENGINE
@click.option("--json", "as_json", is_flag=True, help="Print stages, bounds and SQL as JSON.")
def command(
    program: str,
    words: bool,
    contexts: tuple[str, ...],
    params: tuple[str, ...],
    tuned_file: str | None,
    prompts: bool,
    engine: str | None,
    as_json: bool,
) -> None:
    """Show PROGRAM's canonical form, its stages, SQL and bounds of model calls; nothing is asked.

    Where PROGRAM is a trace, its program is told in words, made from it by one phrase an operator.

    Example: rlm-dsl explain program.rlm --context tickets=tickets.csv
    """
    from rlm_dsl.trace.archive import is_trace

    if words or is_trace(Path(program)):
        write(safe(words_of(program)))
        return
    from rlm_dsl.cli.render.plan import plan_json, plan_text
    from rlm_dsl.cli.render.prompts import prompts_text
    from rlm_dsl.models.settings import Settings
    from rlm_dsl.trace.secrets import Redaction

    source, _, _ = tuned(program, program_source(program), tuned_file, Settings())
    data = load_all(contexts, declared_contexts(source), program=source, engine=engine) if contexts or prompts else {}
    values = {name: json_value(name, text) for name, text in pairs(params)}
    if as_json:
        write(json.dumps(plan_json(source, data, values), ensure_ascii=False, indent=1))
    else:
        write(
            prompts_text(source, data, values, Redaction.of(os.environ).redact)
            if prompts
            else plan_text(source, data, values)
        )


def words_of(path: str) -> str:
    """A program, or that of a trace, in words."""
    from rlm_dsl.common.source import Source
    from rlm_dsl.language.reference.in_words import in_words
    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.trace.archive import is_trace
    from rlm_dsl.trace.reader import open_trace

    if not is_trace(Path(path)):
        return "\n".join(in_words(parse(program_source(path))))
    with open_trace(path) as trace:
        return "\n".join(in_words(parse(Source("program.rlm", trace.program))))
