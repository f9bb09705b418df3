"""What a run has before it asks anything: answers of the run that it goes on with, or of an earlier one.

In: nothing. Out: `KnownAnswers`. Law: an answer that is known before is never asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
    given: Mapping[str, str] = field(default_factory=dict)
    """Of a run that goes on, the steps in which it was given answers by servers, by key."""
    sizes: Mapping[str, int | None] = field(default_factory=dict)
    """Of a run that goes on, how many rows were known to go together, by the key of a round's first row."""
    respelled: bool = False
    """Whether the run was recorded when addresses and numbers were spelled in more than one way."""
    versions: Mapping[str, int] | None = None
    """The versions of operators that the earlier run had, and this one has again; None for today's."""

    turns: tuple[int, ...] = ()
    """Of an exploration that goes on, how many turns it was allowed since, beyond those at first."""

    goes_on: bool = False
    """Whether they are those of an exploration that this one goes on from: none of them is a call of its own."""

    @property
    def resumed(self) -> bool:
        return bool(self.header)

    def origin(self, key: str) -> str:
        return self.origins.get(key, "trace")

    def given_in(self, step: str, key: str, answer: str) -> bool:
        """Whether a row's answer was given to this run in a step, alone or in a pack."""
        return self.given.get(key) == step or self.given.get(pack_named(answer)) == step

    def size_of_packs(self, rows: Iterable[str]) -> int | None:
        """How many went together in the largest pack that any of these rows' answers was taken from."""
        named = (pack_named(self.answers[key]) for key in rows if key in self.answers) if self.packs else ()
        return max((len(self.packs[key].request.rows) for key in named if key in self.packs), default=None)


def pack_named(answer: str) -> str:
    """The key of the pack that an answer, as JSON, was taken from; "" for none."""
    return str(json.loads(answer).get("pack", "")) if '"pack": ' in answer else ""


NONE_KNOWN = KnownAnswers()
