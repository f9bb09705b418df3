"""Which part of all labelled rows one is in: to learn from, to choose by, or for the score.

In: what a row shows of which step, or a whole run. Out: the part. Law: it follows from what is shown alone, so that a
text is in one part however often it stands there, today and next month, whoever labelled it and in whatever file; what
has the part `test` is never learned from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.common.hashing import identity, without_floats

PARTS = (("train", 40), ("validation", 30), ("test", 30))
"""Per cent of all examples, by the hash of what each shows."""


def example_identity(step: str, text: str, contexts: Mapping[str, str] = {}, params: Mapping[str, Any] = {}) -> str:
    """Of what an example shows: its answer is no part of it."""
    return identity("example-v1", without_floats([step, text, dict(contexts), dict(params)]))


def part_of(example: str, learning: bool = False) -> str:
    """The part of an example by its identity. Rows that were drawn for learning, which stand for nothing but
    themselves, are never for the score: they are shared among the other two."""
    at = int(identity("split-v1", example)[:8], 16)
    shares = PARTS[:-1] if learning else PARTS
    left = at % sum(share for _, share in shares)
    for name, share in shares:
        if left < share:
            return name
        left -= share
    return shares[-1][0]
