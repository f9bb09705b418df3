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
from rlm_dsl.review.estimates.stratum import Numbers, Stratum

MANY = 50
"""Reviewed rows that differ, from which on a normal approximation is used."""
HEAVIEST = 0.1
"""The greatest share of the variance that one row may have for it."""
OWN = 0.5
"""Limits of the two kinds of error are mid-P limits: they are added as squares."""
ALIKE = 1e-9
"""How near sampling fractions are that count as one."""
TIE = 1e-6


def estimate_total(strata: Sequence[Stratum], level: float = LEVEL) -> Estimate:
    """The total over all rows of what each contributes. Rows that cannot be told count as the least and as the most
    that they may contribute, so that the interval holds whatever they are."""
    model = float(sum(float(stratum.model.sum()) for stratum in strata))
    rows, reviewed = sum(s.size for s in strata), sum(s.told for s in strata)
    free = [stratum.changing() for stratum in strata]
    if not reviewed and any(s.size for s in free):
        return unknown(model, "no row of its own was reviewed", 0, rows)
    untold = sum(len(s.reviewed) - s.told for s in free)
    whole = all(map(is_count, free))
    if untold and not all(map(is_bounded, free)):
        why = "some rows could not be told, and nothing bounds what they may hold"
        return unknown(model, why, reviewed, rows)
    answered = limits(free, [s.answered() for s in free], level, model, whole)
    if answered is None:
        why = f"too few reviewed rows differ from the model's answers, of {reviewed}, and nothing bounds the others"
        return unknown(model, why, reviewed, rows)
    (value, low, high), method = answered
    if untold:
        for bound in ("least", "most"):
            filled = limits(free, [s.filled(bound) for s in free], level, model, whole)
            assert filled is not None
            low, high = min(low, filled[0][1]), max(high, filled[0][2])
    if whole and all(map(is_whole, strata)):
        low, high = floor(low + TIE), ceil(high - TIE)
        value = min(max(value, low), high)
    notes = (f"{untold} could not be told: they count as either",) if untold else ()
    return Estimate(model, value, low, high, reviewed, rows, level, method, notes, whole=whole)


def limits(
    free: Sequence[Stratum], known: Sequence[Stratum], level: float, model: float, whole: bool
) -> tuple[Part, str] | None:
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


def within(part: Part, strata: Sequence[Stratum], model: float) -> Part:
    """Limits as far as what was reviewed and what rows may contribute at all allow."""
    seen_least = seen_most = model
    for stratum in strata:
        seen = np.zeros(stratum.size, dtype=bool)
        seen[stratum.reviewed] = True
        fixed = float((stratum.truth - stratum.model[stratum.reviewed]).sum())
        seen_least += fixed + float((stratum.least - stratum.model)[~seen].sum())
        seen_most += fixed + float((stratum.most - stratum.model)[~seen].sum())
    value, low, high = part
    value = min(max(value, seen_least), seen_most)
    return value, min(max(low, seen_least), value), max(min(high, seen_most), value)


def is_count(stratum: Stratum) -> bool:
    """Whether each row that depends on the answer is in or not."""
    return bool((stratum.least == 0).all() and (stratum.most == 1).all() and np.isin(stratum.model, (0, 1)).all())


def is_bounded(stratum: Stratum) -> bool:
    return bool(np.isfinite(stratum.least).all() and np.isfinite(stratum.most).all())


def is_whole(stratum: Stratum) -> bool:
    return bool((stratum.model == np.rint(stratum.model)).all())


Errors = tuple[int, int, int]
"""Of rows that the model answers alike: how many there are, were drawn, and were wrong."""


def counted(strata: Sequence[Stratum], level: float) -> Part:
    """What is to be added to the model's count: what it wrongly leaves out, less what it wrongly counts."""
    wrong, missed = errors_of(strata, 1.0), errors_of(strata, 0.0)
    fractions = [len(s.reviewed) / s.size for s in strata if s.size]
    alike = not fractions or max(fractions) - min(fractions) < ALIKE
    own = OWN if wrong and missed else 1.0
    value, low, high = added([less(errors(wrong, alike, level, own)), errors(missed, alike, level, own)])
    unseen = [sum(size for size, drawn, _ in side if not drawn) for side in (wrong, missed)]
    return value, low - unseen[0], high + unseen[1]


def errors_of(strata: Sequence[Stratum], side: float) -> list[Errors]:
    """A stratum's rows that the model counts (1) or not (0)."""
    found = []
    for stratum in strata:
        drawn = stratum.model[stratum.reviewed] == side
        wrong = int(np.count_nonzero(stratum.truth[drawn] != side))
        size = int(np.count_nonzero(stratum.model == side))
        if size:
            found.append((size, int(np.count_nonzero(drawn)), wrong))
    return found


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


def weighted(strata: Sequence[Stratum], level: float) -> Part | None:
    """What is to be added to the model's total, from few rows that differ. Rows that can only gain, and those that can
    only lose, are looked at apart in each stratum: of both it is known how many there are."""
    cells = [cell for stratum in strata for cell in by_direction(stratum)]
    seen = [cell for cell in cells if len(cell.reviewed)]
    parts: list[Part] = []
    for sign in (1.0, -1.0):
        total, squares, first, second = 0.0, 0.0, 0.0, 0.0
        for cell in seen:
            bound = (cell.most - cell.model) if sign > 0 else (cell.model - cell.least)
            if not np.isfinite(bound).all():
                return None
            weight = cell.size / len(cell.reviewed)
            left = (1 - 1 / weight) ** 0.5
            off = np.maximum(0.0, sign * (cell.truth - cell.model[cell.reviewed]))
            total += weight * float(off.sum())
            squares += (weight * left) ** 2 * float((off**2).sum())
            if bound.any():
                usual = usual_event(bound[bound > 0])
                unseen = max(1.0, weight * left) if left else 0.0  # one row at the least
                first, second = max(first, unseen * usual[0]), max(second, unseen**2 * usual[1])
        limits = finite_gamma(total, squares, first, second, level)
        parts.append((total, *limits) if sign > 0 else less((total, *limits)))
    value, low, high = added(parts)
    for cell in cells:
        if not len(cell.reviewed):
            low += float((cell.least - cell.model).sum())
            high += float((cell.most - cell.model).sum())
    return (value, low, high) if np.isfinite(high - low) else None


def usual_event(bound: Numbers) -> tuple[float, float]:
    """What one error that was not seen would add, and its square: of a row that is met the more often the more it adds,
    so that a few rows that add much are reckoned with."""
    first, second, third = (float((bound**power).mean()) for power in (1, 2, 3))
    return second / first, third / first


def by_direction(stratum: Stratum) -> list[Stratum]:
    """The rows that can only gain, only lose, and both, as strata of their own."""
    kinds = np.where(stratum.model == stratum.least, 0, np.where(stratum.model == stratum.most, 1, 2))
    return [stratum.only(kinds == kind) for kind in range(3) if (kinds == kind).any()]


def normal(strata: Sequence[Stratum], level: float) -> Part | None:
    """What is to be added to the model's total, by the normal approximation; None where too few rows differ for it."""
    held = [s for s in strata if s.size]
    if any(len(s.reviewed) < min(2, s.size) for s in held):
        return None
    offs = [s.truth - s.model[s.reviewed] for s in held]
    if sum(int(np.count_nonzero(off)) for off in offs) < MANY:
        return None
    part = power(held)
    value, variance, heaviest, freedom = 0.0, 0.0, 0.0, 0
    for stratum in held:
        drawn, size = len(stratum.reviewed), stratum.size
        rest = stratum.truth - part * stratum.model[stratum.reviewed]
        value += size * float(rest.mean()) - (1 - part) * float(stratum.model.sum())
        if drawn > 1:
            spread = size**2 * (1 - drawn / size) / drawn / (drawn - 1)
            centred = (rest - rest.mean()) ** 2
            variance += spread * float(centred.sum())
            heaviest = max(heaviest, spread * float(centred.max()))
            freedom += drawn - 1
    if variance > 0 and heaviest > HEAVIEST * variance:
        return None
    from scipy.special import stdtrit

    reach = float(stdtrit(freedom, (1 + level) / 2)) * variance**0.5
    return value, value - reach, value + reach


def power(strata: Sequence[Stratum]) -> float:
    """How much of the model's answers to use (PPI++'s tuned lambda): their covariance with the truth by their variance,
    over the strata, each as it weighs in the variance of the total."""
    together = own = 0.0
    for stratum in strata:
        drawn, size = len(stratum.reviewed), stratum.size
        if drawn < 2:
            continue
        model: Numbers = stratum.model[stratum.reviewed]
        spread = size**2 * (1 - drawn / size) / drawn / (drawn - 1)
        together += spread * float(((model - model.mean()) * (stratum.truth - stratum.truth.mean())).sum())
        own += spread * float(((model - model.mean()) ** 2).sum())
    return min(1.0, max(0.0, together / own)) if own > 0 else 1.0
