"""Prediction-powered inference for a mean of a population without end (Angelopoulos et al., 2023; PPI++, 2023).

In: a person's and the model's numbers for the same rows, and the model's for many others. Out: mean and limits. Law:
the interval is right whatever the model is worth, and with the tuned power never wider than that from the labels alone,
in large samples.

For rows of a table, which are a population with an end, see `estimate_total`: it has the same idea with strata.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlm_dsl.review.estimates.estimate import Part
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.estimates.stratum import Numbers

Values = Sequence[float] | Numbers


def tuned_power(labels: Values, model: Values, others: Values) -> float:
    """PPI++'s lambda for a mean: from 0, the labels alone, to 1."""
    truth, own, rest = (np.asarray(each, dtype=float) for each in (labels, model, others))
    spread = float(np.var(np.concatenate([own, rest]), ddof=1))
    if spread == 0 or len(truth) < 2:
        return 0.0
    together = float(np.cov(truth, own, ddof=0)[0, 1])
    return min(1.0, max(0.0, together / ((1 + len(truth) / len(rest)) * spread)))


def prediction_powered_mean(
    labels: Values, model: Values, others: Values, power: float | None = 1.0, level: float = LEVEL
) -> Part:
    """The mean with its limits; `power` None tunes it."""
    from scipy.special import ndtri

    truth, own, rest = (np.asarray(each, dtype=float) for each in (labels, model, others))
    part = tuned_power(truth, own, rest) if power is None else power
    off = truth - part * own
    value = part * float(rest.mean()) + float(off.mean())
    error = (part**2 * float(rest.var()) / len(rest) + float(off.var()) / len(truth)) ** 0.5
    reach = float(ndtri((1 + level) / 2)) * error
    return value, value - reach, value + reach
