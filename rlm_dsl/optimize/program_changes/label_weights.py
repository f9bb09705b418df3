"""Weights of labels that are read by probability, as labelled texts say: what a model leans to counts for less.

In: the probabilities of labels for texts, the right labels. Out: a weight for each label. Law: the same numbers give
the same weights, to three figures; weights are drawn towards 1, the more so the fewer texts there are.

By maximum likelihood of the right labels, the logarithms of the weights penalised by their squares: multinomial
logistic regression with the model's own log-probabilities as offsets (vector scaling without slopes; Guo et al., 2017).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

PENALTY = 1.0
"""Of the squared logarithms of the weights, against the likelihood of all texts."""
STEPS = 200


def fitted_weights(odds: Sequence[Mapping[Any, Decimal]], right: Sequence[Any]) -> dict[str, float]:
    """The weight of each label; none where there is nothing to learn from."""
    pairs = [(each, label) for each, label in zip(odds, right, strict=True) if label in each]
    if not pairs:
        return {}
    labels = [label for label in pairs[0][0] if isinstance(label, str)]
    given = np.log(np.array([[max(float(each[label]), 1e-12) for label in labels] for each, _ in pairs]))
    wanted = np.array([[float(label == own) for label in labels] for _, own in pairs])
    found = np.zeros(len(labels))
    for _ in range(STEPS):
        shares = softmax(given + found)
        slope = (shares - wanted).sum(axis=0) + PENALTY * found
        bend = np.diag(shares.sum(axis=0)) - shares.T @ shares + PENALTY * np.eye(len(labels))
        change = np.linalg.solve(bend, slope)
        found = found - change
        if np.abs(change).max() < 1e-9:
            break
    found = found - found.mean()
    return {label: three_figures(math.exp(value)) for label, value in zip(labels, found, strict=True)}


def softmax(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def three_figures(value: float) -> float:
    return float(f"{value:.3g}")
