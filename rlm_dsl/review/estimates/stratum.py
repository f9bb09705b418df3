"""A stratum: rows that were drawn alike, what the model's answers make each contribute, and what people's do.

In: arrays of one stratum. Out: a value. Law: the reviewed rows are a simple random sample of the stratum's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
AnyArray: TypeAlias = np.ndarray[Any, Any]
Places: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Stratum:
    """`model` holds what each row contributes by the model's answer, `least` and `most` what it may under any answer.
    `reviewed` are the places of the rows that were drawn and looked at; `truth` what these contribute by the person's
    answer, not a number where that cannot be told."""

    model: Numbers
    least: Numbers
    most: Numbers
    reviewed: Places
    truth: Numbers

    @staticmethod
    def of(
        model: Sequence[float] | AnyArray,
        reviewed: Sequence[int] | AnyArray,
        truth: Sequence[float] | AnyArray,
        least: float | Numbers = 0.0,
        most: float | Numbers = 1.0,
    ) -> Stratum:
        """Rows as lists, each of which may contribute from `least` to `most`."""
        held = np.asarray(model, dtype=float)
        low, high = (np.broadcast_to(np.asarray(bound, dtype=float), held.shape) for bound in (least, most))
        return Stratum(held, low, high, np.asarray(reviewed, dtype=np.int64), np.asarray(truth, dtype=float))

    @property
    def size(self) -> int:
        return len(self.model)

    @property
    def told(self) -> int:
        """How many of the reviewed rows could be told."""
        return int(np.count_nonzero(~np.isnan(self.truth)))
