"""What scores on a sample say of all rows: intervals and bounds that hold for every sample size.

In: scores, counts. Out: intervals, p-values, bounds. Law: nothing here is an approximation for large samples; what is
said with a certainty of 95 % is false at most 5 times in 100, whatever the program, for ten examples as for a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import betainc, gammaln, xlog1py, xlogy
from scipy.stats import beta, binom

ALPHA = 0.05
"""How often an interval may miss: half of it on each side."""
NUISANCE = 0.001
"""Of each side's share, what goes into how often two programs differ at all (Berger and Boos, 1994)."""
RARE = 1e-9
"""What is so improbable is counted as seen, and not computed."""
GRID = 80
"""Into so many parts that range is cut; each is bounded as a whole."""
STAKES = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
"""What is staked of the capital in a graded bound: each a part of the whole."""


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


@dataclass(frozen=True, slots=True)
class Pairs:
    """How many of `n` examples came out better and worse than before."""

    n: int
    better: int
    worse: int


def compared(before: Sequence[float], after: Sequence[float]) -> Pairs:
    both = list(zip(before, after, strict=True))
    return Pairs(len(both), sum(a > b for b, a in both), sum(a < b for b, a in both))


def paired_gain(before: Sequence[float], after: Sequence[float], *, graded: bool = False) -> Interval:
    """How much better the same examples score afterwards. Of scores that are 0 or 1 the interval is exact; `graded`
    ones, anything from 0 to 1, have the interval of bets."""
    if graded:
        return betting_interval([a - b for b, a in zip(before, after, strict=True)])
    pairs = compared(before, after)
    return exact_interval(pairs.n, pairs.better, pairs.worse)


def gain_above(before: Sequence[float], after: Sequence[float], least: float, *, graded: bool = False) -> bool:
    """Whether a gain above `least` is proved: with a certainty of 97.5 %, as that is the share of an interval's one
    end. More than one of these may be asked of the same scores: none is true while one below it is false."""
    if graded:
        return bets_win(np.array(after, dtype=float) - np.array(before, dtype=float), least)
    pairs = compared(before, after)
    return proves(pairs.n, pairs.better, pairs.worse, least)


# ---- 0 or 1 ----


@lru_cache(maxsize=65_536)
def proves(n: int, better: int, worse: int, least: float) -> bool:
    """Whether such a sample proves a difference above `least`: above zero, only where McNemar's exact test rejects
    too."""
    if least >= 0 and chance_of_lead(better, worse) > ALPHA / 2:
        return False
    return chance_at_most(n, better, worse, least) <= ALPHA / 2


def chance_of_lead(better: int, worse: int) -> float:
    """How probable it is that chance alone makes so many of the examples that differ come out better (McNemar's exact
    test, one-sided: each of them is as likely to come out either way)."""
    return float(binom.sf(better - 1, better + worse, 0.5)) if better else 1.0


@lru_cache(maxsize=4096)
def exact_interval(n: int, better: int, worse: int) -> Interval:
    """The interval of the difference between two proportions of the same `n` examples: every difference that an exact
    test does not reject. Above zero it is only where McNemar's exact test rejects too."""
    return Interval((better - worse) / n, lower_limit(n, better, worse), -lower_limit(n, worse, better))


def lower_limit(n: int, better: int, worse: int) -> float:
    """The least difference that is not rejected, from below, to a ten-thousandth."""
    low, high = -1.0, (better - worse) / n
    if low < 0 < high:
        low, high = (0.0, high) if proves(n, better, worse, 0.0) else (low, 0.0)
    return last_rejected(lambda gain: chance_at_most(n, better, worse, gain) <= ALPHA / 2, low, high)


def last_rejected(rejected: Callable[[float], bool], low: float, high: float) -> float:
    """By halving, from below: what is rejected lies below what is not."""
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def chance_at_most(n: int, better: int, worse: int, gain: float) -> float:
    """The probability, at most, of what was seen or what speaks even more for a gain, where the true one is `gain`:
    the greatest over how often the two differ at all. Samples are put in order by Tango's score statistic (1998).

    It is an upper bound and no maximum over a grid: within each part of the grid, as many as there may be anywhere in
    it come out better, and as few as anywhere in it worse, and all that comes of that is a greater probability, as the
    samples counted are such that one more better, or one less worse, is counted too.
    """
    if gain <= -1:
        return 0.0
    differ = better + worse
    seldom, high = share_limits(differ, n)
    low = max(abs(gain), seldom)
    if low >= high:
        return NUISANCE
    edges = np.linspace(low, high, GRID + 1)
    won = np.clip((edges[1:] + gain) / 2, 0, 1)[:, None]
    lost = np.clip((edges[:-1] - gain) / 2, 0, 1)[:, None]
    rest = np.clip(np.divide(won, 1 - lost, out=np.ones_like(won), where=lost < 1), 0, 1)
    counts = np.arange(int(binom.isf(RARE, n, lost.max())) + 1)
    least = least_better(n, better, worse, gain)[: len(counts)]
    combinations = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    exactly = np.exp(combinations + xlogy(counts, lost) + xlog1py(n - counts, -lost))
    left = n - counts - least + 1
    inside = (least > 0) & (left > 0)
    more = betainc(np.where(inside, least, 1), np.where(inside, left, 1), rest)  # of the rest, so many come out better
    chances = (exactly * np.where(inside, more, (least <= 0) * 1.0)).sum(axis=1)
    return float(chances.max()) + RARE + NUISANCE


@lru_cache(maxsize=4096)
def share_limits(count: int, n: int) -> tuple[float, float]:
    """Between what a share lies, but for `NUISANCE`."""
    low = float(beta.ppf(NUISANCE / 2, count, n - count + 1)) if count else 0.0
    return low, float(beta.ppf(1 - NUISANCE / 2, count + 1, n - count)) if count < n else 1.0


def least_better(n: int, better: int, worse: int, gain: float) -> np.ndarray[Any, Any]:
    """By how many came out worse, the least number of better ones that speaks as much for a gain as what was seen."""
    counts = np.arange(n + 1)
    seen = tango_score(n, np.array([better]), np.array([worse]), gain)[0] - 1e-9
    low, high = np.zeros(n + 1, dtype=int), n - counts + 1
    while (low < high).any():
        middle = (low + high) // 2
        enough = tango_score(n, middle, counts, gain) >= seen
        high = np.where(enough, middle, high)
        low = np.where(enough, low, np.minimum(middle + 1, high))
    possible = np.where(high <= n - counts, high, n + 1)
    return np.minimum.accumulate(possible[::-1])[::-1]


def tango_score(n: int, better: Any, worse: Any, gain: float) -> np.ndarray[Any, Any]:
    """How far what was seen lies from a gain, in standard errors under it."""
    b, c = np.asarray(better, dtype=float), np.asarray(worse, dtype=float)
    linear = -b - c + (2 * n - b + c) * gain
    root = np.sqrt(np.maximum(linear**2 + 8 * n * c * gain * (1 - gain), 0))
    lost = (root - linear) / (4 * n)
    variance = np.maximum(n * (2 * lost + gain * (1 - gain)), 0)
    above = b - c - n * gain
    with np.errstate(divide="ignore", invalid="ignore"):
        found = above / np.sqrt(variance)
    certain = np.where(above > 1e-9, np.inf, np.where(above < -1e-9, -np.inf, 0.0))
    return np.where(variance > 1e-12, found, certain)


# ---- graded ----


def betting_interval(gains: Sequence[float]) -> Interval:
    """The interval of a mean of values from -1 to 1 by bets against each smaller mean (Waudby-Smith and Ramdas, 2024):
    a bet that is fair wins forty times its stake once in forty times at most. Of all bounds that need nothing but the
    range, it is the one that is narrow where most values are 0, as they are of two programs that seldom differ."""
    held = np.array(gains, dtype=float)
    return Interval(float(held.mean()), betting_limit(held), -betting_limit(-held))


def betting_limit(gains: np.ndarray[Any, Any]) -> float:
    return last_rejected(lambda mean: bets_win(gains, mean), -1 + 1e-9, float(gains.mean()))


def bets_win(gains: np.ndarray[Any, Any], mean: float) -> bool:
    """Whether bets against a mean of at most so much come to forty times what was staked."""
    stakes = np.array(STAKES)[:, None]
    with np.errstate(divide="ignore"):
        capital = np.log1p(stakes * ((gains + 1) / (mean + 1) - 1)).sum(axis=1)
    return bool(np.logaddexp.reduce(capital) - np.log(len(STAKES)) >= np.log(2 / ALPHA))


# ---- errors ----


def most_errors(errors: int, n: int, delta: float) -> float:
    """The upper bound of an error's probability that holds with probability 1 - delta, from so many errors in n draws
    (Clopper and Pearson, 1934; exact for every n)."""
    return 1.0 if errors >= n else float(beta.ppf(1 - delta, errors + 1, n - errors))
