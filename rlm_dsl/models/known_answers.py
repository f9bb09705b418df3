"""What a run has before it asks anything: answers of the run that it goes on with, or of an earlier one.

In: nothing. Out: `KnownAnswers`. Law: an answer that is known before is never asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.models.budget import Amount
from rlm_dsl.models.recording import Call


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """Known answers, as JSON texts by key, and where each came from. A run that goes on also has what it has spent, and
    how many calls it was `allowed_first`: its root model is told of those, so that its turns are found again."""

    answers: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    spent: Amount = field(default_factory=Amount)
    allowed_first: int | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    packs: Mapping[str, Call] = field(default_factory=dict)
    """The recorded packs among them, by key."""
    respelled: bool = False
    """Whether the run was recorded when addresses and numbers were spelled in more than one way."""

    @property
    def resumed(self) -> bool:
        return bool(self.header)

    def origin(self, key: str) -> str:
        return self.origins.get(key, "trace")


NONE_KNOWN = KnownAnswers()
