"""How much of the language a root model is told, where nobody says it.

In: settings, a window where a server tells one. Out: a size of the card; how long a prompt may be. Law: without a sign
that a model is small, it is told what it always was; what was chosen stands in the trace, and a run goes on with it.
"""

from __future__ import annotations

import re
from typing import cast

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.explore.prompt import LIMIT
from rlm_dsl.language.reference.card import Size
from rlm_dsl.language.reference.root_card import root_card
from rlm_dsl.models.request import estimated_tokens
from rlm_dsl.models.settings import Settings

MEDIUM: Size = "medium"
SMALL_PARAMETERS = 4e9
SMALL_BYTES = 2_600_000_000
"""What that many parameters take, at some five bits each."""
LEAST = 1_500
"""Estimated tokens of a prompt in which a question can be explored."""
PARAMETERS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(b|m)(?![a-z0-9])", re.IGNORECASE)
"""The size of a model, as its name tells it: `0.5B`, `135M`; of a mixture's `8x7b` nothing is read."""


def chosen_card(settings: Settings, window: int | None) -> Size:
    """The size that was said; else small where the root's window, weights or name are small."""
    if settings.card:
        return cast(Size, settings.card)
    root = settings.chosen("root")
    serving = settings.local.get(root.base_url or settings.base_url)
    small = serving.weights.size <= SMALL_BYTES if serving is not None else is_small(root.model)
    return "small" if small or (window is not None and window < LIMIT) else MEDIUM


def is_small(model: str) -> bool:
    """Whether a model's name tells a small size."""
    found = [float(number) * (1e9 if unit in "bB" else 1e6) for number, unit in PARAMETERS.findall(model)]
    return bool(found) and max(found) <= SMALL_PARAMETERS


def card_of(settings: Settings) -> Size:
    return cast(Size, settings.card or MEDIUM)


def prompt_limit(limit: int, card: Size, window: int | None) -> int:
    """The most tokens of a prompt: what a longer card takes more, and never more than the window. Raises UserError."""
    more = estimated_tokens(root_card({}, size=card)) - estimated_tokens(root_card({})) if card == "full" else 0
    limit += more
    if window is None or window >= limit:
        return limit
    if window < LEAST + more:
        raise UserError(
            f"the root model's window leaves {window:,} tokens for a prompt, and the card alone is too long for that",
            "take a smaller card, --card small, or serve the model with a longer context",
        )
    return window
