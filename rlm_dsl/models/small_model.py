"""A smaller model that stands in for a larger one on the rows where it is sure: by how probable it holds its answers.

In: its answers with their probabilities. Out: those that count, none where it is not sure. Law: what it is sure of is
said by thresholds certified on rows that they were not chosen on; whole numbers alone decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.models.proxy_model import refuted

SCHEMA = "rlm-small-model/1"
WHOLE = 10_000
"""A probability of 1, as thresholds count them."""


@dataclass(frozen=True)
class SmallModel:
    """`using` is the model's alias; it is asked in so many `orders` of the labels, calibrated by texts without content
    where `content_free`. `thresholds` are the least probabilities, in ten-thousandths, at which a label is decided
    (None: never); `target`, `delta`, `recheck` and `certificate` are those of any proxy."""

    labels: tuple[str | bool, ...]
    using: str
    orders: int
    content_free: bool
    thresholds: tuple[int | None, ...]
    target: str
    delta: str
    recheck: int
    certificate: Mapping[str, Any]

    def decide(self, label: Any, probability: float | None) -> str | bool | None:
        """The label that it gave, where it is sure."""
        if probability is None or label not in self.labels:
            return None
        least = self.thresholds[self.labels.index(label)]
        return None if least is None or sureness(label, probability) < least else self.labels[self.labels.index(label)]

    def refuted(self, rechecked: int, wrong: int, share: Fraction) -> bool:
        return refuted(self.target, self.delta, rechecked, wrong, share)

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "using": self.using,
            "orders": self.orders,
            "content_free": self.content_free,
            "thresholds": list(self.thresholds),
            "target": self.target,
            "delta": self.delta,
            "recheck": self.recheck,
            "certificate": dict(self.certificate),
        }

    @cached_property
    def digest(self) -> str:
        """What decides: the name by which a program calls it. The certificate's figures are no part of it."""
        told = {name: value for name, value in self.as_json().items() if name != "certificate"}
        return identity("small-model-v1", told)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> SmallModel:
        """Raises UserError for what is none."""
        try:
            names = ("using", "orders", "content_free", "target", "delta", "recheck", "certificate")
            held = {name: value[name] for name in names}
            labels, least = tuple(value["labels"]), tuple(value["thresholds"])
            found = SmallModel(labels, thresholds=least, **held)
            whole = all(level is None or type(level) is int for level in least)
            if value["schema"] != SCHEMA or len(labels) < 2 or len(least) != len(labels) or not whole:
                raise ValueError
            if not isinstance(found.using, str) or type(found.orders) is not int or not 1 <= found.orders <= 8:
                raise ValueError
            Fraction(found.target), Fraction(found.delta)
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            raise UserError("this is no proxy", "make one with rlm-dsl optimize --cascade", code="proxy") from None
        return found


def sureness(label: Any, probability: float) -> int:
    """How sure an answer is, in ten-thousandths: of yes or no the probability that is told is that of yes."""
    return round(WHOLE * (1 - probability if label is False else probability))
