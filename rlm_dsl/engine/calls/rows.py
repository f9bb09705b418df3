"""A round's rows, and what it came to.

In: nothing. Out: values. Law: every key has exactly one outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.models.typed_retry import Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """What one key shows a model: the message, or for a tree its texts in order."""

    key: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoundResult:
    """A round's outcomes by key (None: nothing to show, so nothing asked), how many requests it took, how many rows
    it did not need, and of trees how many requests each level took. Of a cascade: how many rows its proxy answered, how
    many of its decisions the model was asked about too, how many of those were wrong, and whether it was withdrawn. Of
    rows that went together: see `with_packs`."""

    outcomes: Mapping[int, Outcome[dict[str, Any]] | None]
    requests: int
    not_needed: int = 0
    levels: tuple[int, ...] = ()
    by_proxy: int = 0
    rechecked: int = 0
    rechecked_wrong: int = 0
    withdrawn: bool = False
    packed: Mapping[str, int] = field(default_factory=dict)
    mostly: Mapping[str, Any] | None = None
    """The one answer that nearly all texts were given, where there is one."""
    unscored: int = 0
    """Rows whose answers have no probability, though it was asked for."""

    def count(self, status: str) -> int:
        return sum(1 for outcome in self.outcomes.values() if outcome is not None and outcome.status == status)
