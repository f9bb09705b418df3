"""Confidence intervals of shares.

In: a share of so many. Out: its bounds at 95 %. Law: the bounds are between 0 and 1, and hold the share.
"""

from __future__ import annotations

import math

Z = 1.959963984540054
"""The normal distribution's point of 97.5 %."""


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's score interval of a share of `count`, which is more than 0 (Wilson 1927)."""
    middle = share + Z * Z / (2 * count)
    reach = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    below, above = ((middle + sign * reach) / (1 + Z * Z / count) for sign in (-1, 1))
    return max(0.0, below), min(1.0, above)
