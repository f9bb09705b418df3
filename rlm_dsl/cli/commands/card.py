"""`card`: the operator card."""

from __future__ import annotations

from typing import Any

import click

from rlm_dsl.cli.output import write


@click.command("card")
@click.option(
    "--size",
    type=click.Choice(["small", "medium", "full"]),
    default="medium",
    show_default=True,
    help="A line an operator, what the root model reads, or the manual too.",
)
def command(size: Any) -> None:
    """Print the operator card: what a model needs to know of the language.

    Example: rlm-dsl card --size full
    """
    from rlm_dsl.language.reference.card import card as whole

    write(whole(size))
