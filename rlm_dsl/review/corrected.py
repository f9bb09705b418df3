"""Corrected numbers: each number of an answer that rests on model answers, with its interval by the reviewed rows.

In: an opened run and its labels. Out: `Corrected` for each number, `StepReview` for each step. Law: where a number
cannot be followed, or no row of its step was drawn and reviewed, it is said that no error is known, and why; a number
that does not come out as the run had it is not corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rlm_dsl.common.counted import counted
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.review.contributions import Added, Group, Measured
from rlm_dsl.review.estimates.agreement import cohens_kappa, krippendorffs_alpha
from rlm_dsl.review.estimates.estimate import UNTOLD, Estimate, unknown
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.estimates.ratio import estimate_precision, estimate_ratio, estimate_recall, scaled
from rlm_dsl.review.estimates.stratum import Numbers, Stratum
from rlm_dsl.review.estimates.total import estimate_total
from rlm_dsl.review.labels.file import Labels
from rlm_dsl.review.numbers import (
    PROBABLE_TOLD,
    Followed,
    NotFollowed,
    Number,
    Sum,
    numbers_of,
    path_to,
    reads_probability,
)
from rlm_dsl.review.opened import Answer, OpenedRun, ReviewedStep
from rlm_dsl.review.sampled import Sampled, answer_name, sampled

NOT_FOUND = "not in the answer: the model gave it no row, reviewed rows belong to it"
NEAR = 1e-9
"""How near, of its size, a number comes to the one that the run had."""


@dataclass(frozen=True)
class Corrected:
    """One number of an answer: its part, of a table its column and the row's group, the model steps that it rests on,
    and the estimate."""

    part: tuple[str, ...]
    column: str
    group: Mapping[str, Any]
    steps: tuple[str, ...]
    estimate: Estimate

    def told(self) -> str:
        """As a person reads it: `16 by the model; 17 (15 to 19, 95 %) by 60 reviewed rows`."""
        return told(self.estimate)

    def as_json(self) -> dict[str, Any]:
        where = {"column": self.column, "group": dict(self.group)} if self.column else {}
        return {"part": list(self.part), **where, "steps": list(self.steps), **self.estimate.as_json()}


@dataclass(frozen=True)
class StepReview:
    """How well a step's answers hold: `agreement` is the share of its rows of which the model says what people say;
    `precision` and `recall` are by label, of `keep` and `match` of the rows that are taken. Of rows that several people
    saw: `kappa` of two, `alpha` of any number, over `together` rows."""

    step: str
    operator: str
    reviewed: int
    rows: int
    agreement: Estimate
    precision: Mapping[str, Estimate] = field(default_factory=dict)
    recall: Mapping[str, Estimate] = field(default_factory=dict)
    kappa: float | None = None
    alpha: float | None = None
    together: int = 0
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        people = {"together": self.together, "kappa": self.kappa, "alpha": self.alpha} if self.together else {}
        return {
            "step": self.step,
            "operator": self.operator,
            "reviewed": self.reviewed,
            "rows": self.rows,
            "agreement": self.agreement.as_json(),
            "precision": {label: estimate.as_json() for label, estimate in self.precision.items()},
            "recall": {label: estimate.as_json() for label, estimate in self.recall.items()},
            **people,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def told(estimate: Estimate) -> str:
    model = "" if estimate.model is None else f"{figure(estimate.model, estimate.whole)} by the model; "
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return f"{model}no error is known: {estimate.why}"
    value, low, high = (figure(each, estimate.whole) for each in (estimate.value, estimate.low, estimate.high))
    return f"{model}{value} ({low} to {high}, {100 * estimate.level:g} %) {basis(estimate)}"


def basis(estimate: Estimate) -> str:
    """The rows that a number rests on."""
    if estimate.reviewed == estimate.rows:
        return f"of {counted(estimate.rows, 'row')}, all reviewed"
    return f"by {counted(estimate.reviewed, 'reviewed row')}"


def figure(number: float, whole: bool) -> str:
    """A number with as many digits as it bears."""
    if whole or (number == round(number) and abs(number) < 1e15):
        return f"{round(number):,}"
    return f"{number:,.1f}" if abs(number) >= 1000 else f"{number:.4g}"


Kept = dict[tuple[tuple[str, ...], str], list[tuple[Added, list[Added] | None]]]
"""Of numbers what follows from the run alone: what its rows add under the model's answers, and at the most."""


def corrected(run: OpenedRun, labels: Labels, level: float = LEVEL, kept: Kept | None = None) -> list[Corrected]:
    """Every number of the answer that rests on a model step. What follows from the run alone is taken from `kept`, and
    left there."""
    samples: dict[str, Sampled | None] = {}
    found: list[Corrected] = []
    for number in numbers_of(run.plan):
        found += numbers_corrected(run, number, labels, samples, level, {} if kept is None else kept)
    return found


def numbers_corrected(
    run: OpenedRun, number: Number, labels: Labels, samples: dict[str, Sampled | None], level: float, kept: Kept
) -> Iterator[Corrected]:
    """A number, or each group's."""
    rests_on = tuple(dict.fromkeys(name_of(run, step) for step in number.steps))
    recorded = recorded_values(run, number)
    try:
        if number.followed is None:
            raise NotFollowed(number.why)
        work = Work(run, number.followed, labels, samples)
        work.fixed = kept.setdefault((number.part, number.column), [])
        sample = work.sample
        if sample is None:
            raise NotFollowed("no drawn row is reviewed")
        for group, value in recorded:
            yield Corrected(
                number.part, number.column, shown_group(number, group), rests_on, work.estimate(group, value, level)
            )
        for group in work.unfound({group for group, _ in recorded}):
            found = work.estimate(group, None if number.followed.lower is not None else 0.0, level)
            if found.known:
                found = replace(found, notes=(*found.notes, NOT_FOUND))
            shown = {key: redacted(run, value) for key, value in shown_group(number, group).items()}
            yield Corrected(number.part, number.column, shown, rests_on, found)
    except NotFollowed as reason:
        for group, value in recorded:
            why = unknown(value, str(reason))
            yield Corrected(number.part, number.column, shown_group(number, group), rests_on, why)


def redacted(run: OpenedRun, value: Any) -> Any:
    return run.redact.redact(value) if isinstance(value, str) else value


def shown_group(number: Number, group: Group) -> Mapping[str, Any]:
    keys = number.followed.shown if number.followed is not None else ()
    return dict(zip(keys, group, strict=False))


def name_of(run: OpenedRun, step: Any) -> str:
    for stage in run.plan.steps:
        if stage.step.span == step.span and stage.operator == step.operator:
            return stage.name
    return str(step.operator)


def recorded_values(run: OpenedRun, number: Number) -> list[tuple[Group, float | None]]:
    """The number as the run had it; of a table, by group."""
    for part in run.trace.answer["parts"]:
        path = tuple(part["part"])
        if number.part[: len(path)] != path:
            continue
        value = part["value"]
        if "columns" in part:
            if number.followed is None or not number.column:
                return [((), None)]
            at = part["columns"].index(number.column)
            keys = [part["columns"].index(key) for key in number.followed.shown]
            return [(tuple(row[key] for key in keys), as_number(row[at])) for row in value]
        for name in number.part[len(path) :]:
            value = value[name]
        return [((), as_number(value))]
    return []


def as_number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


class Work:
    """A number's tables of answers, run once for all its groups."""

    def __init__(self, run: OpenedRun, followed: Followed, labels: Labels, samples: dict[str, Sampled | None]) -> None:
        self.run, self.followed, self.labels = run, followed, labels
        steps, table = path_to(followed.table)
        self.steps = tuple(reviewed_of(run, step) for step in steps)
        self.constant: float | None = None
        lower_sums = (followed.lower,) if followed.lower is not None else ()
        lower_table = table
        if followed.lower_table is not None:
            below, lower_table = path_to(followed.lower_table)
            if not below:
                self.constant = sum_of(run, lower_table, followed.lower)
                lower_sums = ()
            elif not steps or below[0].span != steps[0].span:
                raise NotFollowed("it is a ratio of what rests on two model steps")
            lower_steps = tuple(reviewed_of(run, step) for step in below)
        else:
            lower_steps = self.steps
        if not self.steps:
            raise NotFollowed("its upper number rests on no model step")
        values = [
            each.value for each in (followed.upper, followed.lower) if each is not None and each.value is not None
        ]
        if reads_probability([*values, *(node for _, node in followed.keys)], list(steps)):
            raise NotFollowed(PROBABLE_TOLD)
        self.first = self.steps[0]
        if not all(step.complete for step in self.steps):
            raise NotFollowed("the model was not asked about every row")
        if self.first.name not in samples:
            samples[self.first.name] = sampled(run, self.first, labels)
        self.sample = samples[self.first.name]
        self.measures = [Measured(run, table, self.steps, (followed.upper,), followed.keys)]
        if lower_sums:
            self.measures.append(Measured(run, lower_table, lower_steps, lower_sums, followed.keys))
        self.places = {key: place for place, key in enumerate(self.first.keys)}
        self.missing: set[int] = set()
        self.fixed: list[tuple[Added, list[Added] | None]] = []
        self.parts: list[tuple[Added, Added, list[Added] | None]] | None = None

    def measured(self) -> list[tuple[Added, Added, list[Added] | None]]:
        """For each sum: under the model's answers, under people's, and at the most."""
        if self.parts is None:
            self.parts = [
                (model, by_json(measure.under(self.said)), ends)
                for measure, (model, ends) in zip(self.measures, self.by_run(), strict=True)
            ]
        return self.parts

    def by_run(self) -> list[tuple[Added, list[Added] | None]]:
        """For each sum: under the model's answers, and under each that there is."""
        if not self.fixed:
            for measure in self.measures:
                ends = measure.at_most()
                most = None if ends is None else [by_json(each) for each in ends]
                self.fixed.append((by_json(measure.by_model()), most))
        return self.fixed

    def said(self, step: ReviewedStep, stage: Any, rows: list[tuple[int, str]]) -> Mapping[int, Answer | None]:
        """What people said of the reviewed rows; those of a later step by what they show there."""
        assert self.sample is not None
        if step.name == self.first.name:
            own = {self.first.keys[row]: said for row, said in self.sample.said.items()}
            return {key: said for key, said in own.items() if said is not None}
        from rlm_dsl.review.opened import row_digest
        from rlm_dsl.review.sampled import agreed

        found = {}
        for key, text in rows:
            told_as, _ = agreed(self.labels.by_row.get((step.question, row_digest(text)), ()))
            said = step.typed(told_as)
            if said is None:
                self.missing.add(key)
            else:
                found[key] = said
        return found

    def estimate(self, group: Group, value: float | None, level: float) -> Estimate:
        sums = [self.strata(part, group) for part in self.measured()]
        if self.constant is not None:
            if not self.constant:
                return unknown(value, "it is a share of nothing")
            found = scaled(estimate_total(sums[0], level), self.followed.factor / self.constant)
        elif len(sums) == 2:
            found = scaled(estimate_ratio(sums[0], sums[1], level, self.followed.together), self.followed.factor)
        elif self.followed.factor != 1:
            found = scaled(estimate_total(sums[0], level), self.followed.factor)
        else:
            found = estimate_total(sums[0], level)
        if not same(found.model, value):
            return unknown(value, "it does not come out row by row as the run had it")
        assert self.sample is not None
        free, told = bearing(sums)
        if why := untold(sums):
            return unknown(value, why, told, free)
        notes = [*found.notes, *self.sample.notes]
        if len(self.steps) > 1 and self.missing:
            later = ", ".join(step.name for step in self.steps[1:])
            notes.append(f"{counted(len(self.missing), 'row')} not reviewed for {later}: these count as either")
        return replace(found, model=value, notes=tuple(notes), reviewed=told, rows=free)

    def unfound(self, there: set[Group]) -> list[Group]:
        """The groups that the model gave no row, and that reviewed rows belong to. Of an answer that holds only some
        groups it is not known whether it would hold them."""
        if self.followed.cut or not self.followed.keys or self.sample is None:
            return []
        told = {row for row, said in self.sample.said.items() if said is not None}
        told -= {self.places[key] for key in self.missing if key in self.places}
        model, said, _ = self.measured()[0]
        found = {
            group
            for group, rows in said.items()
            if group not in model and group not in there and any(self.places.get(key) in told for key in rows)
        }
        return sorted(found, key=str)

    def strata(self, part: tuple[Added, Added, list[Added] | None], group: Group) -> list[Stratum]:
        """A group's rows in the strata that they were drawn in, and those that were not asked about."""
        model, said, ends = part
        count = len(self.first.keys)
        by_model, rest = self.array(model.get(group, {}), count)
        truth, _ = self.array(said.get(group, {}), count)
        if ends is None:
            counts = self.counts
            least = np.zeros(count) if counts else np.full(count, -np.inf)
            most = np.ones(count) if counts else np.full(count, np.inf)
            least, most = np.minimum(least, by_model), np.maximum(most, by_model)
        else:
            least, most = by_model.copy(), by_model.copy()
            for end in ends:
                other, _ = self.array(end.get(group, {}), count)
                least, most = np.minimum(least, other), np.maximum(most, other)
            if any(answer is None for answer in self.first.answers):
                least, most = np.minimum(least, 0), np.maximum(most, 0)
        assert self.sample is not None
        unsaid = {row for row, said in self.sample.said.items() if said is None}
        unsaid |= {self.places[key] for key in self.missing if key in self.places}
        truth[sorted(unsaid)] = np.nan
        found = []
        for name, rows in self.sample.strata.items():
            reviewed = self.sample.reviewed[name]
            all_rows = np.array(rows, dtype=np.int64)
            drawn = np.arange(len(reviewed), dtype=np.int64)  # the first of each stratum were drawn
            said_of = truth[all_rows[: len(reviewed)]]
            found.append(Stratum(by_model[all_rows], least[all_rows], most[all_rows], drawn, said_of))
        if rest:
            fixed = np.array([rest])
            found.append(Stratum(fixed, fixed, fixed, np.array([], dtype=np.int64), np.array([])))
        return found

    @property
    def counts(self) -> bool:
        sums = [self.followed.upper, *((self.followed.lower,) if self.followed.lower is not None else ())]
        return all(each.value is None or each.condition for each in sums)

    def array(self, added: Mapping[int, tuple[float, ...]], count: int) -> tuple[Numbers, float]:
        """What each row of the step adds, and what rows add of which it asked nothing."""
        found, rest = np.zeros(count), 0.0
        for key, values in added.items():
            place = self.places.get(key)
            if place is None:
                rest += values[0]
            else:
                found[place] = values[0]
        return found, rest


def same(model: float | None, value: float | None) -> bool:
    if model is None or value is None:
        return model is value
    return abs(model - value) <= NEAR * max(1.0, abs(value))


def bearing(sums: Sequence[Sequence[Stratum]]) -> tuple[int, int]:
    """How many rows bear on a number, as their answer changes one of its sums, and how many of them are reviewed."""
    free = told = 0
    for beside in zip(*sums, strict=False):
        chosen = np.zeros(beside[0].size, dtype=bool)
        for stratum in beside:
            if stratum.size == len(chosen):
                chosen |= stratum.least < stratum.most
        free += int(chosen.sum())
        told += int(chosen[beside[0].reviewed].sum())
    return free, told


def untold(sums: Sequence[Sequence[Stratum]]) -> str:
    """Why nothing is to be told yet of a number; nothing where reviewed rows tell of all strata that bear on it."""
    held = [bearing([(stratum,) for stratum in beside]) for beside in zip(*sums, strict=False)]
    unseen = sum(free for free, told in held if not told)
    free = sum(free for free, _ in held)
    if free and not any(map(tells, zip(*sums, strict=False))):
        return UNTOLD
    if not unseen:
        return ""
    return f"no reviewed row tells yet of {unseen:,} of the {counted(free, 'row')} that it rests on"


def tells(beside: Sequence[Stratum]) -> bool:
    """Whether a reviewed row that bears on a number could be told."""
    rows = beside[0].reviewed
    chosen = np.zeros(len(rows), dtype=bool)
    for stratum in beside:
        known = ~np.isnan(stratum.truth)
        chosen |= known & (stratum.least[rows] < stratum.most[rows])
    return bool(chosen.any())


def unless_untold(found: Estimate, strata: Sequence[Stratum]) -> Estimate:
    why = untold([strata])
    return unknown(found.model, why, found.reviewed, found.rows) if why else found


def by_json(added: Added) -> Added:
    """Groups by their keys as the answer has them."""
    return {hashable(json_ready(list(group))): rows for group, rows in added.items()}


def hashable(value: Any) -> Any:
    return tuple(map(hashable, value)) if isinstance(value, list | tuple) else value


def reviewed_of(run: OpenedRun, step: Any) -> ReviewedStep:
    """The opened step that is this one of the program."""
    for own in run.steps.values():
        if own.stage.step.span == step.span and own.operator == step.operator:
            return own
    raise NotFollowed(f"`{step.operator}` is not reviewed row by row")


def sum_of(run: OpenedRun, table: Any, one: Sum | None) -> float:
    """A sum that rests on no model step."""
    assert one is not None
    measured = Measured(run, table, (), (one,))
    return sum(values[0] for rows in measured.by_model().values() for values in rows.values())


def reviews_of(run: OpenedRun, labels: Labels, level: float = LEVEL) -> list[StepReview]:
    """Each model step that rows were reviewed of."""
    found = []
    for step in run.steps.values():
        sample = sampled(run, step, labels)
        if sample is not None:
            found.append(review_of(step, sample, labels, level))
    return found


def review_of(step: ReviewedStep, sample: Sampled, labels: Labels, level: float) -> StepReview:
    right = [answer is not None for answer in step.answers]
    agrees = strata_by(sample, [float(each) for each in right], lambda row, said: float(step.answers[row] == said))
    whole = unless_untold(scaled(estimate_total(agrees, level), 1 / max(1, len(step.keys))), agrees)
    names = [answer_name(step, {step.fields()[0]: label}) for label in step.labels or ()]
    if step.labels and set(step.labels) == {True, False}:
        names = ["yes"]
    precision, recall = {}, {}
    for label in names:
        cells = strata_by(
            sample,
            [float(answer_name(step, answer) == label) for answer in step.answers],
            lambda row, said, label=label: float(answer_name(step, said) == label),
        )
        taken = [stratum for stratum in cells if stratum.model.any()]
        precision[label] = unless_untold(estimate_precision(cells, level), taken)
        recall[label] = unless_untold(estimate_recall(cells, level), cells)
    kappa, alpha, together = between_people(step, labels)
    return StepReview(
        step.name,
        step.operator,
        len(sample.rows),
        len(step.keys),
        whole,
        precision,
        recall,
        kappa,
        alpha,
        together,
        sample.notes,
    )


def strata_by(sample: Sampled, model: Sequence[float], truth: Any) -> list[Stratum]:
    """Strata of a number that is 0 or 1 of each row, as the model and as people say it."""
    held = np.array(model)
    found = []
    for name, rows in sample.strata.items():
        reviewed = sample.reviewed[name]
        said = [np.nan if sample.said[row] is None else truth(row, sample.said[row]) for row in reviewed]
        found.append(Stratum.of(held[list(rows)], np.arange(len(reviewed)), said))
    return found


def between_people(step: ReviewedStep, labels: Labels) -> tuple[float | None, float | None, int]:
    """Kappa of two people, alpha of all, and over how many rows that several saw."""
    own = [held for (question, _), held in labels.by_row.items() if question == step.question and len(held) > 1]
    people = sorted({label.reviewer for held in own for label in held})
    units = [[said_as(step, label.answer) for label in held] for held in own]
    measure = "interval" if all(isinstance(v, int | float) for u in units for v in u if v is not None) else "nominal"
    if step.labels is not None:
        measure = "nominal"
    pairs = []
    for held in own:
        by = {label.reviewer: said_as(step, label.answer) for label in held}
        if len(people) == 2 and set(by) == set(people) and None not in by.values():
            pairs.append((by[people[0]], by[people[1]]))
    kappa = cohens_kappa(pairs) if len(people) == 2 else None
    return kappa, krippendorffs_alpha(units, measure), len(own)


def said_as(step: ReviewedStep, answer: Answer | None) -> Any:
    if answer is None:
        return None
    if len(answer) == 1:
        value = next(iter(answer.values()))
        return value if isinstance(value, str | int | float | bool) else str(value)
    return str(sorted(answer.items()))
