"""`load`: keep a context on disk."""

from __future__ import annotations

import json

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.options import MEMORY
from rlm_dsl.cli.output import safe, write
from rlm_dsl.common.diagnostics import UserError


class WithFormats(click.Command):
    """A command whose help lists the formats there are."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from rlm_dsl.context.format_list import format_rows

        with formatter.section("Formats"):
            formatter.write_dl(format_rows())


@click.command("load", cls=WithFormats)
@click.argument("sources", nargs=-1, required=True, metavar="NAME=PATH...", shell_complete=completions.named_paths)
@click.option("--to", metavar="FOLDER", help="Where the loaded context goes; else NAME.rlmctx here.")
@click.option("--index", is_flag=True, help="Make the index of trigrams now; else it is made when it has been earned.")
@click.option("--json", "as_json", is_flag=True, help="Print what was loaded as JSON, a line each.")
@MEMORY
def command(sources: tuple[str, ...], to: str | None, index: bool, as_json: bool, memory: str | None) -> None:
    """Load data once and keep it: later runs open NAME.rlmctx at once.

    NAME:FORMAT=PATH says the format where the ending does not, - is standard input. An argument that is a .rlmctx
    folder is brought up to its sources: only what was appended is read where nothing else changed.

    Example: rlm-dsl load tickets=tickets.csv
    """
    from rlm_dsl.cli.stored_contexts import load_context

    if to and len(sources) > 1:
        raise UserError("--to names one folder, and there are several sources", "load them one by one")
    for given in sources:
        told = load_context(given, to, memory, index)
        write(json.dumps({"source": given, "told": told.split("\n")}, ensure_ascii=False) if as_json else safe(told))
