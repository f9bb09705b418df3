"""Totals over all rows, corrected by the rows that were reviewed: the difference estimator of survey sampling.

In: strata. Out: an estimate with its interval. Law: in each stratum the sum of the model's answers is set right by what
the reviewed rows were off, times the rows that one of them stands for; where all rows were reviewed, nothing is unsure.

How the interval is made follows from what was drawn, never from how it comes out:

- counts (each row is in or not): of the rows that the model counts and those that it does not, how many it is wrong
  about, each with exact limits; the two are then added as squares of their distances (MOVER).
- other sums where few reviewed rows differ: what is to be added and what to be taken away, each as a weighted count of
  events with gamma limits (Fay and Feuer), which have a width where nothing was found.
- other sums where many differ: the normal approximation, with the part of the model's answers that is worth most
  (PPI++; the regression estimator).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

import numpy as np

from rlm_dsl.review.estimates.estimate import Estimate, Part, added, less, unknown
from rlm_dsl.review.estimates.limits import LEVEL, gamma_limits, hypergeometric
from rlm_dsl.review.estimates.strata import Chosen, Errors, Strata
from rlm_dsl.review.estimates.stratum import Numbers, Stratum

MANY = 50
"""Reviewed rows that differ, from which on a normal approximation is used."""
HEAVIEST = 0.1
"""The greatest share of the variance that one row may have for it."""
OWN = 0.5
"""Limits of the two kinds of error are mid-P limits: they are added as squares."""
TIE = 1e-6


def estimate_total(strata: Sequence[Stratum] | Strata, level: float = LEVEL) -> Estimate:
    """The total over all rows of what each contributes. Rows that cannot be told count as the least and as the most
    that they may contribute, so that the interval holds whatever they are."""
    strata = Strata.beside(strata)
    model = float(strata.model.sum())
    rows, reviewed = len(strata.model), strata.told
    free = strata.changing()
    if not reviewed and len(free.model):
        return unknown(model, "no row of its own was reviewed", 0, rows)
    untold = len(free.reviewed) - free.told
    whole = free.is_count()
    if untold and not free.is_bounded():
        why = "some rows could not be told, and nothing bounds what they may hold"
        return unknown(model, why, reviewed, rows)
    answered = limits(free.answered(), level, model, whole)
    if answered is None:
        why = f"too few reviewed rows differ from the model's answers, of {reviewed}, and nothing bounds the others"
        return unknown(model, why, reviewed, rows)
    (value, low, high), method = answered
    if untold:
        for bound in ("least", "most"):
            filled = limits(free.filled(bound), level, model, whole)
            assert filled is not None
            low, high = min(low, filled[0][1]), max(high, filled[0][2])
    if whole and strata.is_whole():
        low, high = floor(low + TIE), ceil(high - TIE)
        value = min(max(value, low), high)
    notes = (f"{untold} could not be told: they count as either",) if untold else ()
    return Estimate(model, value, low, high, reviewed, rows, level, method, notes, whole=whole)


def limits(known: Strata, level: float, model: float, whole: bool) -> tuple[Part, str] | None:
    """The corrected total with limits, and how they were made; None where they cannot be."""
    if whole:
        part = shifted(counted(known, level), model)
        return within(part, known, model), "exact limits of the model's errors, added as squares"
    if (found := normal(known, level)) is not None:
        return within(shifted(found, model), known, model), "normal approximation, PPI++"
    found = weighted(known, level)
    return found and (within(shifted(found, model), known, model), "gamma limits of weighted errors")


def shifted(part: Part, by: float) -> Part:
    value, low, high = part
    return value + by, low + by, high + by


def within(part: Part, strata: Strata, model: float) -> Part:
    """Limits as far as what was reviewed and what rows may contribute at all allow."""
    unseen = np.ones(len(strata.model), dtype=bool)
    unseen[strata.reviewed] = False
    own, fixed = strata.model[unseen], model + float((strata.truth - strata.said).sum())
    seen_least = fixed + float((strata.least[unseen] - own).sum())
    seen_most = fixed + float((strata.most[unseen] - own).sum())
    value, low, high = part
    value = min(max(value, seen_least), seen_most)
    return value, min(max(low, seen_least), value), max(min(high, seen_most), value)


def counted(strata: Strata, level: float) -> Part:
    """What is to be added to the model's count: what it wrongly leaves out, less what it wrongly counts."""
    wrong, missed = strata.errors_of(1.0), strata.errors_of(0.0)
    alike = strata.alike()
    own = OWN if wrong and missed else 1.0
    value, low, high = added([less(errors(wrong, alike, level, own)), errors(missed, alike, level, own)])
    unseen = [sum(size for size, drawn, _ in side if not drawn) for side in (wrong, missed)]
    return value, low - unseen[0], high + unseen[1]


def errors(cells: Sequence[Errors], alike: bool, level: float, own: float = 1.0) -> Part:
    """How many errors all these rows hold. Where every stratum was drawn at one rate they are one sample; cells of
    which no row was drawn are left to the caller."""
    seen = [cell for cell in cells if cell[1]]
    if not seen:
        return 0.0, 0.0, 0.0
    if alike or len(seen) == 1:
        size, drawn, wrong = (sum(cell[part] for cell in seen) for part in range(3))
        return size * wrong / drawn, *hypergeometric(wrong, drawn, size, level, own)
    weights = np.array([size / drawn for size, drawn, _ in seen])
    wrong_of = np.array([wrong for *_, wrong in seen], dtype=float)
    left = np.sqrt(1 - 1 / weights)
    errors_all = float((weights * wrong_of).sum())
    squares = float(((weights * left) ** 2 * wrong_of).sum())
    largest = max(1.0, float((weights * left).max())) if left.any() else 0.0
    low, high = finite_gamma(errors_all, squares, largest, largest**2, level)
    most = errors_all + sum(size - drawn for size, drawn, _ in seen)
    return errors_all, max(low, float(wrong_of.sum())), min(high, most)


def finite_gamma(total: float, squares: float, first: float, second: float, level: float) -> tuple[float, float]:
    """Gamma limits around a total, which may be known for sure where all rows were drawn. One event more, unseen, would
    add `first` on the average, and `second` to the squares."""
    low, high = gamma_limits(total, squares, first, second, level)
    return min(low, total) if squares > 0 else total, max(high, total)


def weighted(strata: Strata, level: float) -> Part | None:
    """What is to be added to the model's total, from few rows that differ. Rows that can only gain, and those that can
    only lose, are looked at apart in each stratum: of both it is known how many there are."""
    cells = strata.by_direction()
    seen = cells.drawn > 0
    weight = np.where(seen, cells.sizes / np.maximum(cells.drawn, 1), 1.0)
    left = np.sqrt(1 - 1 / weight)
    unseen = np.where(left > 0, np.maximum(1.0, weight * left), 0.0)  # one row at the least
    off = cells.truth - cells.said
    parts: list[Part] = []
    for sign in (1.0, -1.0):
        bound = (cells.most - cells.model) if sign > 0 else (cells.model - cells.least)
        bound = np.where((left > 0)[cells.of], bound, 0.0)  # where all rows are known, none is unseen
        if not np.isfinite(bound).all():
            return None
        own = np.maximum(0.0, sign * off)
        total = float((weight * cells.by_stratum(own)).sum())
        squares = float(((weight * left) ** 2 * cells.by_stratum(own**2)).sum())
        usual = usual_events(cells, bound, seen)
        first, second = (float(np.max(event, initial=0.0)) for event in (unseen * usual[0], unseen**2 * usual[1]))
        limits = finite_gamma(total, squares, first, second, level)
        parts.append((total, *limits) if sign > 0 else less((total, *limits)))
    value, low, high = added(parts)
    if not seen.all():
        hidden = ~seen[cells.of]
        low += float((cells.least - cells.model)[hidden].sum())
        high += float((cells.most - cells.model)[hidden].sum())
    return (value, low, high) if np.isfinite(high - low) else None


def usual_events(cells: Strata, bound: Numbers, seen: Chosen) -> tuple[Numbers, Numbers]:
    """What one error that was not seen would add in each cell, and its square: of a row that is met the more often the
    more it adds, so that a few rows that add much are reckoned with. Nothing in cells of which no row was drawn."""
    own = np.where(seen[cells.of] & (bound > 0), bound, 0.0)
    first, second, third = (np.bincount(cells.of, event, cells.count) for event in (own, own * own, own * own * own))
    some = np.where(first > 0, first, 1.0)
    return second / some, third / some


def normal(strata: Strata, level: float) -> Part | None:
    """What is to be added to the model's total, by the normal approximation; None where too few rows differ for it."""
    sizes, drawn = strata.sizes, strata.drawn
    if (drawn < np.minimum(2, sizes)).any() or int(np.count_nonzero(strata.truth - strata.said)) < MANY:
        return None
    of = strata.of[strata.reviewed]
    part = power(strata)
    rest = strata.truth - part * strata.said
    mean = strata.by_stratum(rest) / np.maximum(drawn, 1)
    value = float((sizes * mean).sum()) - (1 - part) * float(strata.model.sum())
    each = spread_of(strata)[of] * (rest - mean[of]) ** 2
    variance, freedom = float(each.sum()), int(np.maximum(drawn - 1, 0).sum())
    if variance > 0 and float(each.max()) > HEAVIEST * variance:
        return None
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, (1 + level) / 2)) * variance**0.5
    return value, value - reach, value + reach


def spread_of(strata: Strata) -> Numbers:
    """By stratum, how much the squares of its reviewed rows weigh in the variance of a total."""
    sizes, drawn = strata.sizes, strata.drawn
    some = np.maximum(drawn, 2)
    return np.where(drawn > 1, sizes**2 * (1 - drawn / np.maximum(sizes, 1)) / some / (some - 1), 0.0)


def power(strata: Strata) -> float:
    """How much of the model's answers to use (PPI++'s tuned lambda): their covariance with the truth by their variance,
    over the strata, each as it weighs in the variance of the total."""
    of, drawn = strata.of[strata.reviewed], np.maximum(strata.drawn, 1)
    spread, model, truth = spread_of(strata)[of], strata.said, strata.truth
    model, truth = (values - (strata.by_stratum(values) / drawn)[of] for values in (model, truth))
    together, own = float((spread * model * truth).sum()), float((spread * model**2).sum())
    return min(1.0, max(0.0, together / own)) if own > 0 else 1.0
