"""A stratum: rows that were drawn alike, what the model's answers make each contribute, and what people's do.

In: arrays of one stratum. Out: a value. Law: the reviewed rows are a simple random sample of the stratum's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    def answered(self) -> Stratum:
        """Without the rows that could not be told."""
        known = ~np.isnan(self.truth)
        return replace(self, reviewed=self.reviewed[known], truth=self.truth[known])

    def filled(self, bound: str) -> Stratum:
        """As if each row that cannot be told contributed its least, or its most."""
        other = getattr(self, bound)[self.reviewed]
        return replace(self, truth=np.where(np.isnan(self.truth), other, self.truth))

    def changing(self) -> Stratum:
        """The rows whose contribution depends on the answer."""
        return self.only(self.least < self.most)

    def only(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Stratum:
        """Some of the rows, chosen by what is known of all; those reviewed among them are a random sample of them."""
        if chosen.all():
            return self
        place = np.cumsum(chosen) - 1
        kept = chosen[self.reviewed]
        model, least, most = (bound[chosen] for bound in (self.model, self.least, self.most))
        return Stratum(model, least, most, place[self.reviewed[kept]], self.truth[kept])

    def less(self, other: Stratum, factor: float, together: bool = False) -> Stratum:
        """This number less `factor` times another of the same rows: what a ratio of `factor` would make nothing. Where
        they go `together`, a row adds to both or to neither."""
        if together:
            own = np.where(np.abs(self.most) >= np.abs(self.least), self.most, self.least) - factor * other.most
            own = np.where(other.least < other.most, own, 0.0)
            fixed = np.where(other.least < other.most, 0.0, self.most - factor * other.most)
            least, most = fixed + np.minimum(0.0, own), fixed + np.maximum(0.0, own)
        else:
            ends = (other.most, other.least) if factor >= 0 else (other.least, other.most)
            least, most = self.least - factor * ends[0], self.most - factor * ends[1]
        model, truth = self.model - factor * other.model, self.truth - factor * other.truth
        return Stratum(model, least, most, self.reviewed, truth)
