"""A table type from its spelling, as headers of traces and descriptions of contexts hold it."""

from __future__ import annotations

from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check.scope import Environment
from rlm_dsl.language.check.statements import check
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import Table


def spelled_table(text: str) -> Table | None:
    """The table type that a text spells, None for any other text."""
    try:
        return check(parse(Source("type", f"context held: {text}")), Environment()).environment.contexts.get("held")
    except ProgramError:
        return None
