"""An estimate: what the model says, what the reviewed rows make of it, and how far off that may be.

In: nothing. Out: values. Law: the interval holds the estimate; where none is known, the reason is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import hypot, inf
from typing import Any

from rlm_dsl.review.estimates.limits import LEVEL

UNTOLD = "no reviewed row tells of it yet"


@dataclass(frozen=True, slots=True)
class Estimate:
    """`model` is the number as the model's answers give it, `value` the corrected one, `low` and `high` its limits at
    `level`, from `reviewed` rows of the `rows` that bear on it. `method` names what the limits rest on; `notes` say
    what a reader should know. Where nothing is known of the error, `value` is None and `why` says why."""

    model: float | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reviewed: int = 0
    rows: int = 0
    level: float = LEVEL
    method: str = ""
    notes: tuple[str, ...] = ()
    why: str = ""
    whole: bool = field(default=False)
    """Whether it is a count, told without decimals."""

    @property
    def known(self) -> bool:
        return self.value is not None

    @property
    def width(self) -> float:
        return inf if self.low is None or self.high is None else self.high - self.low

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"model": self.model, "reviewed": self.reviewed, "rows": self.rows}
        if not self.known:
            return {**told, "why": self.why}
        return {
            **told,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "method": self.method,
            **({"whole": True} if self.whole else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def unknown(model: float | None, why: str, reviewed: int = 0, rows: int = 0) -> Estimate:
    return Estimate(model, reviewed=reviewed, rows=rows, why=why)


Part = tuple[float, float, float]
"""A value with its lower and upper limit."""


def added(parts: Iterable[Part]) -> Part:
    """Limits of a sum of independent parts: the distances to each part's own limits, added as squares (MOVER; Zou and
    Donner, 2008). What each side keeps of exact limits, such as a width where nothing was found, stays."""
    value, below, above = 0.0, 0.0, 0.0
    for middle, low, high in parts:
        value, below, above = value + middle, hypot(below, middle - low), hypot(above, high - middle)
    return value, value - below, value + above


def less(part: Part) -> Part:
    """The part taken away."""
    value, low, high = part
    return -value, -high, -low
