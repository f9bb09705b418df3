"""A turn of an exploration as it happens: what the root model wrote, and what came of it.

In: a turn. Out: text. Law: all of it passes through `safe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_dsl.cli.output import indent, safe
from rlm_dsl.explore.view import cut

if TYPE_CHECKING:
    from rlm_dsl.explore.loop import Told


def turn_text(told: Told) -> str:
    """One turn as it happens: what the root model wrote and what came of it."""
    program = told.program or "(no statement in the reply)"
    note = f"note: {told.note}\n" if told.note else ""
    observation = indent(cut(told.observation, 2_000), "    ")
    return safe(f"{note}turn {told.number}\n{indent(program, '  > ')}\n{observation}\n")
