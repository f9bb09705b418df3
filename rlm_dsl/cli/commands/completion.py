"""`completion`: what a shell reads to complete commands, options and files."""

from __future__ import annotations

import click

from rlm_dsl.cli.output import write


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL, to be read by it.

    Example: eval "$(rlm-dsl completion bash)"
    """
    from click.shell_completion import get_completion_class

    from rlm_dsl.cli.commands import group
    from rlm_dsl.cli.completions import Bash

    found = Bash if shell == "bash" else get_completion_class(shell)
    assert found is not None
    write(found(group, {}, "rlm-dsl", "_RLM_DSL_COMPLETE").source())
