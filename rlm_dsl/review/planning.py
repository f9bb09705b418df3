"""How many rows to review: which width each number has after so many, before anyone begins.

In: an opened step, how its rows would be drawn, how often the model is taken to be right. Out: a line for each count of
rows. Law: the widths are those of the very estimates that reviews will give, over seeded made-up people who agree with
the model so often; where rows were reviewed, as often as these say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlm_dsl.review.design import Draw
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.estimates.stratum import Stratum
from rlm_dsl.review.estimates.total import estimate_total
from rlm_dsl.review.opened import ReviewedStep
from rlm_dsl.review.sampled import answer_name

COUNTS = (20, 40, 60, 100, 200, 400, 800)
PEOPLE = 12
"""Made-up people whose widths are averaged."""
MOST = 6
"""Labels that are told of, the most frequent first."""
ASSUMED = 0.9
"""How often a model is taken to be right where nothing is known."""


@dataclass(frozen=True, slots=True)
class Width:
    """Of one label: how many rows the model gives it, and the limits that are to be expected."""

    label: str
    model: int
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    def as_json(self) -> dict[str, Any]:
        return {"label": self.label, "model": self.model, "low": round(self.low, 1), "high": round(self.high, 1)}


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be expected after so many rows. `agreement` is how wide the share of right answers is known."""

    rows: int
    agreement: float
    widths: tuple[Width, ...]

    def as_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "agreement": round(self.agreement, 4), "counts": [w.as_json() for w in self.widths]}


def plan_rows(
    step: ReviewedStep, draw: Draw, right: float = ASSUMED, counts: Sequence[int] = COUNTS, level: float = LEVEL
) -> list[Planned]:
    """The widths after each count of rows, up to all of them."""
    model = [answer_name(step, answer) for answer in step.answers]
    held = Counter(model)
    labels = sorted(held, key=lambda label: (-held[label], label))[:MOST] if step.labels is not None else []
    others = sorted({answer_name(step, {step.fields()[0]: label}) for label in step.labels or ()})
    wanted = sorted({min(count, draw.rows) for count in counts})
    return [planned(draw, model, labels, others, right, count, level) for count in wanted if count]


def planned(
    draw: Draw,
    model: Sequence[str],
    labels: Sequence[str],
    others: Sequence[str],
    right: float,
    count: int,
    level: float,
) -> Planned:
    rng = np.random.default_rng(count)
    sizes = draw.sizes(count)
    held = np.array(model)
    shares, limits = [], dict.fromkeys(labels, (0.0, 0.0))
    for _ in range(PEOPLE):
        wrong = {name: rng.random(size) >= right for name, size in sizes.items()}
        said = {name: people(held, draw.strata[name][:size], wrong[name], others, rng) for name, size in sizes.items()}
        agreed = [
            Stratum.of(np.ones(len(rows)), np.arange(sizes[name]), ~wrong[name]) for name, rows in draw.strata.items()
        ]
        shares.append(estimate_total(agreed, level).width / draw.rows)
        for label in labels:
            cells = [
                Stratum.of(held[list(rows)] == label, np.arange(sizes[name]), said[name] == label)
                for name, rows in draw.strata.items()
            ]
            found = estimate_total(cells, level)
            low, high = limits[label]
            limits[label] = low + (found.low or 0.0) / PEOPLE, high + (found.high or 0.0) / PEOPLE
    widths = tuple(Width(label, int((held == label).sum()), *limits[label]) for label in labels)
    return Planned(count, float(np.mean(shares)), widths)


def people(held: Any, rows: Sequence[int], wrong: Any, others: Sequence[str], rng: np.random.Generator) -> Any:
    """What made-up people say: the model's answer, or where it is wrong any other."""
    said = held[list(rows)].astype(object)
    for at in np.flatnonzero(wrong):
        rest = [label for label in others if label != said[at]]
        said[at] = rest[int(rng.integers(len(rest)))] if rest else ""
    return said
