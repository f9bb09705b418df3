"""Warnings of conditions that leave out rows whose value is null.

In: a checked condition. Out: warnings. Law: what the condition itself rules out is not warned of.
"""

from __future__ import annotations

from rlm_dsl.common.source import Span
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.operators.core.nullability import surprising
from rlm_dsl.language.program import Column, Node
from rlm_dsl.language.types import quoted_name


def warn_of_nulls(names: Names, condition: Node, span: Span) -> None:
    """Warn where a negation leaves out rows whose value is null, as if they were meant."""
    for node in surprising(condition):
        column = isinstance(node, Column)
        shown = quoted_name(node.name) if isinstance(node, Column) else "x"
        names.warn(
            "W01",
            f"{f'`{shown}`' if column else 'a value of this condition'} may be null, and then the row is left out",
            span,
            f"to count such rows in: {shown} is null or ...",
            f"to leave them out on purpose: {shown} is not null and ...",
        )
