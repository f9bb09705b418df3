"""All strata of a number beside each other, so that what is done to each of them is done once.

In: strata. Out: `Strata`, arrays over the rows of all. Law: the reviewed rows of each stratum are a simple random
sample of it; sums by stratum are those of its rows alone, however many strata there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from rlm_dsl.review.estimates.stratum import Numbers, Places, Stratum

Chosen = np.ndarray[Any, np.dtype[np.bool_]]
Errors = tuple[int, int, int]
"""Of rows that the model answers alike: how many there are, were drawn, and were wrong."""


@dataclass(frozen=True)
class Strata:
    """As a `Stratum` has it, of the rows of all strata; `of` is the number of each row's stratum, of `count`."""

    model: Numbers
    least: Numbers
    most: Numbers
    of: Places
    count: int
    reviewed: Places
    truth: Numbers

    @staticmethod
    def beside(strata: Sequence[Stratum] | Strata) -> Strata:
        if isinstance(strata, Strata):
            return strata
        if len(strata) == 1:
            only = strata[0]
            none = np.zeros(only.size, dtype=np.int64)
            return Strata(only.model, only.least, only.most, none, 1, only.reviewed, only.truth)
        sizes = [stratum.size for stratum in strata]
        before = np.cumsum([0, *sizes])

        def together(parts: Sequence[Any], kind: Any = float) -> Any:
            return np.concatenate([np.zeros(0, dtype=kind), *parts])

        return Strata(
            together([s.model for s in strata]),
            together([s.least for s in strata]),
            together([s.most for s in strata]),
            np.repeat(np.arange(len(strata)), sizes),
            len(strata),
            together([s.reviewed + at for s, at in zip(strata, before, strict=False)], np.int64),
            together([s.truth for s in strata]),
        )

    @cached_property
    def sizes(self) -> Numbers:
        return np.bincount(self.of, minlength=self.count).astype(float)

    @cached_property
    def drawn(self) -> Numbers:
        """How many rows of each stratum were reviewed."""
        return np.bincount(self.of[self.reviewed], minlength=self.count).astype(float)

    @cached_property
    def told(self) -> int:
        """How many of the reviewed rows could be told."""
        return int(np.count_nonzero(~np.isnan(self.truth)))

    @property
    def said(self) -> Numbers:
        """What the model said of the reviewed rows."""
        return self.model[self.reviewed]

    def by_stratum(self, values: Numbers) -> Numbers:
        """The sum over the reviewed rows of each stratum."""
        return np.bincount(self.of[self.reviewed], values, self.count).astype(float)

    def answered(self) -> Strata:
        """Without the rows that could not be told."""
        known = ~np.isnan(self.truth)
        return self if known.all() else replace(self, reviewed=self.reviewed[known], truth=self.truth[known])

    def filled(self, bound: str) -> Strata:
        """As if each row that cannot be told contributed its least, or its most."""
        other = getattr(self, bound)[self.reviewed]
        return replace(self, truth=np.where(np.isnan(self.truth), other, self.truth))

    def changing(self) -> Strata:
        """The rows whose contribution depends on the answer."""
        return self.only(self.least < self.most)

    def only(self, chosen: Chosen) -> Strata:
        """Some of the rows, chosen by what is known of all; those reviewed among them are a random sample of them."""
        if chosen.all():
            return self
        place = np.cumsum(chosen) - 1
        kept = chosen[self.reviewed]
        model, least, most = (bound[chosen] for bound in (self.model, self.least, self.most))
        return Strata(model, least, most, self.of[chosen], self.count, place[self.reviewed[kept]], self.truth[kept])

    def by_direction(self) -> Strata:
        """The rows that can only gain, only lose, and both, as strata of their own."""
        kinds = np.where(self.model == self.least, 0, np.where(self.model == self.most, 1, 2))
        return replace(self, of=3 * self.of + kinds, count=3 * self.count)

    def is_count(self) -> bool:
        """Whether each row that depends on the answer is in or not."""
        simple = (self.least == 0).all() and (self.most == 1).all()
        return bool(simple and ((self.model == 0) | (self.model == 1)).all())

    def is_bounded(self) -> bool:
        return bool(np.isfinite(self.least).all() and np.isfinite(self.most).all())

    def is_whole(self) -> bool:
        return bool((self.model == np.rint(self.model)).all())

    def alike(self) -> bool:
        """Whether all strata were drawn at one rate."""
        fractions = self.drawn[self.sizes > 0] / self.sizes[self.sizes > 0]
        return not len(fractions) or float(fractions.max() - fractions.min()) < ALIKE

    def errors_of(self, side: float) -> list[Errors]:
        """Of each stratum the rows that the model counts (1) or not (0)."""
        sizes = np.bincount(self.of[self.model == side], minlength=self.count)
        drawn = self.said == side
        of = self.of[self.reviewed]
        seen = np.bincount(of[drawn], minlength=self.count)
        wrong = np.bincount(of[drawn & (self.truth != side)], minlength=self.count)
        held = sizes > 0
        return list(zip(sizes[held].tolist(), seen[held].tolist(), wrong[held].tolist(), strict=True))

    def less(self, other: Strata, factor: float, together: bool = False) -> Strata:
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
        return replace(self, model=model, least=least, most=most, truth=truth)


ALIKE = 1e-9
"""How near sampling fractions are that count as one."""
