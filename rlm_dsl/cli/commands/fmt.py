"""`fmt`: canonical form."""

from __future__ import annotations

from pathlib import Path

import click

from rlm_dsl.cli.options import program_source
from rlm_dsl.cli.output import note, write
from rlm_dsl.common.atomic_write import write_named


@click.command("fmt")
@click.argument("program", type=click.Path())
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit 1 if the form is not canonical.")
@click.option("--write", "in_place", is_flag=True, help="Write the canonical form back into the file.")
def command(program: str, only_check: bool, in_place: bool) -> int:
    """Print PROGRAM in its canonical form.

    Example: rlm-dsl fmt program.rlm --write
    """
    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.language.syntax.show import show as canonical

    source = program_source(program)
    text = canonical(parse(source))
    if only_check:
        if text != source.text:
            note(f"{program} is not in canonical form")
        return int(text != source.text)
    if in_place and program != "-":
        if text != source.text:
            write_named(Path(program), text)
    else:
        write(text, end="")
    return 0
