"""Before money is spent: a question to a person, or only what would be asked.

In: what a round may cost. Out: leave to go, or a refusal. Law: where no one can be asked, what would need a question is
refused; a dry run asks no model.
"""

from __future__ import annotations

import sys

import click

from rlm_dsl.cli.events import estimated
from rlm_dsl.cli.output import note
from rlm_dsl.cli.render.estimate import estimate_text
from rlm_dsl.common.counted import money
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.budget import Estimate
from rlm_dsl.models.stack import Approve


class DryRun(Exception):
    """Raised in a model call's stead; holds what would have been asked."""

    def __init__(self, estimate: Estimate) -> None:
        self.estimate = estimate
        super().__init__(estimate.step)


def dry(estimate: Estimate) -> None:
    """Let nothing go that costs anything."""
    if estimate.new:
        raise DryRun(estimate)


def asking(over: float | None, yes: bool) -> Approve:
    """Ask before a step that may cost more than so many dollars."""
    if over is None or yes:
        return estimated

    def approve(estimate: Estimate) -> None:
        estimated(estimate)
        if estimate.most_usd is None and estimate.new:
            told = f"{estimate.step} asks a model whose price is not known"
        elif (estimate.most_usd or 0.0) > over:
            told = estimate_text(estimate)
        elif (estimate.limit_usd or 0.0) > over:
            told = (
                f"{estimate_text(estimate)}, {money(estimate.limit_usd or 0.0)} if the model thinks before it answers"
            )
        else:
            return
        if not sys.stdin.isatty():
            dear = f"{told}; that may be over {money(over)}"
            raise UserError(dear, "say --yes to spend it", exit_code=3, code="confirm")
        note(told)
        click.confirm("ask?", abort=True, err=True)

    return approve


def confirmed(told: str, question: str, yes: bool, otherwise: str) -> None:
    """Ask a person before what cannot be undone or is for nothing; where no one can be asked, refuse it and say
    what to do otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError(told, otherwise, exit_code=3, code="confirm")
    note(told)
    click.confirm(question, abort=True, err=True)
