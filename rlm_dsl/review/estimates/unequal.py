"""Totals and means from rows drawn with known, unequal probabilities: the Horvitz-Thompson and Hajek estimators.

In: what each drawn row contributes by the model and by a person, its probability, the model's total over all rows. Out:
an estimate. Law: each row was drawn by itself (Poisson sampling), with the probability that is given; a row that surely
was drawn adds nothing to what is unsure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.review.estimates.estimate import Estimate, added, less, unknown
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.estimates.stratum import Numbers
from rlm_dsl.review.estimates.total import HEAVIEST, MANY, finite_gamma


def estimate_unequal(
    total: float,
    rows: int,
    model: Sequence[float] | Numbers,
    truth: Sequence[float] | Numbers,
    probabilities: Sequence[float] | Numbers,
    largest: float = 1.0,
    level: float = LEVEL,
) -> Estimate:
    """The model's total over `rows`, with what the drawn rows were off, each by one over its probability. `largest` is
    the most that a row that was not drawn may be off, by its probability: by the least one where it is not known."""
    by, said, drawn = (np.asarray(each, dtype=float) for each in (model, truth, probabilities))
    if not len(drawn):
        return unknown(total, "no row of its own was reviewed", 0, rows)
    if not ((drawn > 0) & (drawn <= 1)).all():
        raise UserError("a probability of being drawn is above 0, and 1 at most")
    offs = (said - by) / drawn
    left = np.sqrt(1 - drawn)
    squares = (offs * left) ** 2
    value = total + float(offs.sum())
    many = int(np.count_nonzero(offs)) >= MANY and squares.max() <= HEAVIEST * squares.sum()
    if many:
        from scipy.special import ndtri

        reach = float(ndtri((1 + level) / 2)) * float(squares.sum()) ** 0.5
        return Estimate(total, value, value - reach, value + reach, len(drawn), rows, level, "Horvitz-Thompson, normal")
    heaviest = largest * float((left / drawn).max())
    parts = []
    for sign in (1.0, -1.0):
        own = np.maximum(0.0, sign * offs)
        added_up = float(own.sum())
        low, high = finite_gamma(added_up, float(((own * left) ** 2).sum()), heaviest, heaviest**2, level)
        part = added_up, low, high
        parts.append(part if sign > 0 else less(part))
    value, low, high = added(parts)
    method = "Horvitz-Thompson, gamma limits of weighted errors"
    return Estimate(total, value + total, low + total, high + total, len(drawn), rows, level, method)


def hajek_mean(values: Sequence[float] | Numbers, probabilities: Sequence[float] | Numbers) -> tuple[float, float]:
    """The mean of rows drawn with unequal probabilities, by the number of rows that they themselves stand for, and its
    standard error (Hajek, 1971; linearized)."""
    held, drawn = np.asarray(values, dtype=float), np.asarray(probabilities, dtype=float)
    size = float((1 / drawn).sum())
    mean = float((held / drawn).sum()) / size
    variance = float(((1 - drawn) * ((held - mean) / drawn) ** 2).sum()) / size**2
    return mean, variance**0.5
