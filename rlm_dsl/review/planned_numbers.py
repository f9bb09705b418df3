"""Which limits the answer's own numbers are to be expected to have after so many reviewed rows, before anyone begins.

In: an opened run, a step, how its rows are drawn, how often the model is taken to be right. Out: for each number that
rests on that step alone its limits by count. Law: they are those of the very estimates that reviews will give, over
seeded made-up people; what cannot be followed, or has too many answers to be tried, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlm_dsl.review.contributions import Added
from rlm_dsl.review.corrected import Corrected, Work, recorded_values, shown_group
from rlm_dsl.review.design import Draw
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.labels.file import Labels
from rlm_dsl.review.numbers import NotFollowed, numbers_of
from rlm_dsl.review.opened import OpenedRun, ReviewedStep
from rlm_dsl.review.sampled import Sampled

PEOPLE = 3
"""Made-up people whose limits are averaged."""
MOST = 6
"""Numbers that are told of, and of a table the groups."""
FEW = 20
"""Labels that are tried on every row."""


@dataclass(frozen=True, slots=True)
class PlannedNumber:
    """A number of the answer: its limits after each count of rows, None where they would not be known."""

    number: Corrected
    limits: tuple[tuple[int, float, float] | None, ...]

    def as_json(self) -> dict[str, Any]:
        told = {name: value for name, value in self.number.as_json().items() if name in ("part", "column", "group")}
        limits = [
            None if each is None else dict(zip(("rows", "low", "high"), each, strict=True)) for each in self.limits
        ]
        return {**told, "model": self.number.estimate.model, "limits": limits}


def plan_numbers(
    run: OpenedRun, step: ReviewedStep, draw: Draw, right: float, counts: Sequence[int]
) -> list[PlannedNumber]:
    """The limits of each number that rests on the step alone."""
    found: list[PlannedNumber] = []
    if step.labels is None or len(step.labels) > FEW:
        return found
    people = {count: [made_up(step, draw, right, count, person) for person in range(PEOPLE)] for count in counts}
    for number in numbers_of(run.plan):
        if number.followed is None or len(number.steps) > 1:
            continue
        try:
            work = Work(run, number.followed, Labels(()), {step.name: people[counts[0]][0]})
            if work.first.name != step.name:
                continue
            for group, value in recorded_values(run, number)[: MOST - len(found)]:
                ends = [expected(work, step, people[count], group, value) for count in counts]
                limits = tuple(
                    None if each is None else (count, *each) for count, each in zip(counts, ends, strict=True)
                )
                told = work.estimate(group, value, LEVEL)
                shown = shown_group(number, group)
                found.append(PlannedNumber(Corrected(number.part, number.column, shown, (step.name,), told), limits))
        except NotFollowed:
            continue
    return found


def made_up(step: ReviewedStep, draw: Draw, right: float, count: int, person: int) -> Sampled:
    """What a made-up person says of the first rows of a draw: as the model, or where it is wrong any other label."""
    rng = np.random.default_rng((count, person))
    reviewed = {name: draw.strata[name][:size] for name, size in draw.sizes(count).items()}
    field, labels = step.fields()[0], list(step.labels or ())
    said = {}
    for row in (row for rows in reviewed.values() for row in rows):
        answer = step.answers[row]
        others = [label for label in labels if answer is None or label != answer[field]]
        wrong = answer is None or rng.random() >= right
        said[row] = {field: others[int(rng.integers(len(others)))]} if wrong and others else answer
    return Sampled(draw.design, draw.strata, reviewed, said)


def expected(
    work: Work, step: ReviewedStep, people: Sequence[Sampled], group: Any, value: float | None
) -> tuple[float, float] | None:
    """The limits of a number, on the average over made-up people."""
    lows, highs = [], []
    for sample in people:
        work.sample = sample
        work.parts = [(model, mixed(step, sample, model, ends or []), ends) for model, ends in work.by_run()]
        estimate = work.estimate(group, value, LEVEL)
        if estimate.low is None or estimate.high is None:
            return None
        lows.append(estimate.low)
        highs.append(estimate.high)
    return float(np.mean(lows)), float(np.mean(highs))


def mixed(step: ReviewedStep, sample: Sampled, model: Added, ends: Sequence[Added]) -> Added:
    """What rows add under what a person said of them, from what they add under each answer."""
    found = {group: dict(rows) for group, rows in model.items()}
    field, labels = step.fields()[0], list(step.labels or ())
    for row, said in sample.said.items():
        if said is None or said == step.answers[row]:
            continue
        key = step.keys[row]
        for rows in found.values():
            rows.pop(key, None)
        for group, rows in ends[labels.index(said[field])].items():
            if key in rows:
                found.setdefault(group, {})[key] = rows[key]
    return found
