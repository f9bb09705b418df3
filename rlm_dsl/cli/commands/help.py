"""`help`: what a command does."""

from __future__ import annotations

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.output import write


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=completions.commands)
def command(words: tuple[str, ...]) -> None:
    """Print what COMMAND does and takes, as COMMAND --help does.

    Example: rlm-dsl help cache gc
    """
    from rlm_dsl.cli.commands import group
    from rlm_dsl.common.diagnostics import UserError, did_you_mean

    held: click.Command = group
    context = click.Context(group, info_name="rlm-dsl", **group.context_settings)
    for word in words:
        below = held.commands if isinstance(held, click.Group) else {}
        if word not in below:
            name = " ".join(words[: words.index(word) + 1])
            hints = did_you_mean(word, sorted(below), what="commands", most=60) or (
                "leave out what follows the command",
            )
            raise UserError(f"there is no command `{name}`", *hints)
        held = below[word]
        context = click.Context(held, parent=context, info_name=word)
    write(held.get_help(context))
