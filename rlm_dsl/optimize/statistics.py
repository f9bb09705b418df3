"""What scores on a sample say of all rows: intervals and bounds.

In: scores, counts. Out: intervals. Law: the same scores and seed give the same interval; bounds hold for every sample
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval."""

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        return {"mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def paired_gain(before: Sequence[float], after: Sequence[float], seed: int = 0) -> Interval:
    """How much better the same examples score afterwards: the bootstrap's percentile interval over examples, resampled
    together (Efron and Tibshirani, 1993)."""
    gains = np.array(after, dtype=float) - np.array(before, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(gains), size=(RESAMPLES, len(gains)))
    means = gains[drawn].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(gains.mean()), float(low), float(high))


def most_errors(errors: int, n: int, delta: float) -> float:
    """The upper bound of an error's probability that holds with probability 1 - delta, from so many errors in n draws
    (Clopper and Pearson, 1934; exact for every n)."""
    if errors >= n:
        return 1.0
    low, high = errors / n if n else 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(errors, n, middle) > delta else (low, middle)
    return high


def at_most(errors: int, n: int, p: float) -> float:
    """The probability of so many errors or fewer."""
    from math import exp, lgamma, log, log1p

    if p <= 0:
        return 1.0
    if p >= 1:
        return float(errors >= n)
    whole = lgamma(n + 1)
    terms = (whole - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p) for k in range(errors + 1))
    return min(1.0, sum(exp(term) for term in terms))
