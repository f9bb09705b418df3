"""How rows went together, in words, for whoever tells of a step.

In: a step's counts as traces hold them. Out: a few words; "" where each row went alone. Law: agreement is told with the
interval in which it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.common.intervals import wilson


def packed_words(asked: Mapping[str, Any]) -> str:
    """How many rows went together, and whether they were answered as they are alone."""
    if not asked.get("packed"):
        return ""
    size = f"packed {round(asked['packed'] / asked['packs'])} a request"
    if not asked.get("compared"):
        return f"{size}; none was asked alone to compare with"
    share = asked["alike"] / asked["compared"]
    low, high = wilson(share, asked["compared"])
    return f"{size}; agreement with single answers {share:.0%} ({100 * low:.0f} to {100 * high:.0f})"
