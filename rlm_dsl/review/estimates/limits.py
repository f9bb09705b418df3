"""Exact limits of a count from a sample, without a normal curve: they never have zero width unless all was looked at.

In: how many of a sample had something, its size, the population's. Out: limits of how many of the population have it.
Law: each side is missed with half of 1 - level at most, whatever the true count is.
"""

from __future__ import annotations

import math
from functools import lru_cache

LEVEL = 0.95


@lru_cache(maxsize=1 << 16)
def clopper_pearson(found: int, drawn: int, level: float = LEVEL) -> tuple[float, float]:
    """Limits of a share, of a population without end (Clopper and Pearson, 1934)."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if found == 0 else float(betaincinv(found, drawn - found + 1, tail))
    high = 1.0 if found == drawn else float(betaincinv(found + 1, drawn - found, 1 - tail))
    return low, high


@lru_cache(maxsize=1 << 16)
def hypergeometric(found: int, drawn: int, size: int, level: float = LEVEL, own: float = 1.0) -> tuple[int, int]:
    """Limits of how many of `size` rows have it, from `found` of `drawn` of them without replacement: the counts at
    which neither tail is too small (the test turned round; Konijn, 1973). `own` is how much of the probability of just
    what was found is in its tail: 1 for limits that hold whatever the count is, a half (mid-P) for limits that hold on
    the average, which are what sums of several counts are made of."""
    if drawn <= 0:
        return 0, size
    high = most_of(found, drawn, size, (1 - level) / 2, own)
    low = size - most_of(drawn - found, drawn, size, (1 - level) / 2, own)
    return low, high


def most_of(found: int, drawn: int, size: int, tail: float, own: float) -> int:
    """The greatest count in the population under which so few in the sample are not rarer than `tail`."""
    low, high = found, size - (drawn - found)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if at_most(found, drawn, middle, size, own) > tail else (low, middle - 1)
    return low


def at_most(found: int, drawn: int, held: int, size: int, own: float = 1.0) -> float:
    """The probability of fewer than `found` in a sample, where `held` of `size` have it, and `own` of that of `found`
    itself."""
    least = max(0, drawn - (size - held))
    term = math.exp(choose(held, found) + choose(size - held, drawn - found) - choose(size, drawn))
    total, count = -(1 - own) * term, found
    while count >= least and term > 0:
        total += term
        # the term before this one, by the ratio of the two
        top, below = count * (size - held - drawn + count), (held - count + 1) * (drawn - count + 1)
        if top <= 0 or below <= 0 or (total > 0 and term < 1e-18 * total):
            break
        term *= top / below
        count -= 1
    return min(1.0, total)


def choose(whole: int, part: int) -> float:
    """The logarithm of a binomial coefficient; minus infinity where there is none."""
    if part < 0 or part > whole:
        return -math.inf
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)


def gamma_limits(
    total: float, squares: float, first: float, second: float, level: float = LEVEL
) -> tuple[float, float]:
    """Limits of a sum of events that count differently: `total` is the weighted sum seen, `squares` that of squared
    weights; one more event that was not seen adds `first` to the one and `second` to the other (Fay and Feuer, 1997,
    where these are the greatest weight and its square). With no event seen it is the rule of three, times a weight."""
    from scipy.special import gammaincinv

    tail = (1 - level) / 2
    low = 0.0
    if total > 0 and squares > 0:
        low = float(squares / total * gammaincinv(total * total / squares, tail))
    mean, variance = total + first, squares + second
    if variance <= 0 or mean <= 0:
        return low, total
    return low, float(variance / mean * gammaincinv(mean * mean / variance, 1 - tail))
