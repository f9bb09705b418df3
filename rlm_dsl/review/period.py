"""The reviews of a period's run: counted and sealed, how many are missing, whether agreement has fallen.

In: a finished run, the file of labels of its program, the runs of earlier periods. Out: a value to tell. Law: a row is
missing where it is among the first that the period's draw holds and nobody reviewed it; agreement is compared by sealed
reviews alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.review.counting import counted_reviews
from rlm_dsl.review.design import Design
from rlm_dsl.review.falling import Falling, Rows, falling
from rlm_dsl.review.labels.file import Labels, read_labels
from rlm_dsl.review.opened import OpenedRun, ReviewedStep, open_run
from rlm_dsl.review.reviewed import Reviewed
from rlm_dsl.review.sampled import draw_rows, sampled
from rlm_dsl.review.sealed import NotSealed, read_sealed
from rlm_dsl.review.telling import NEEDED, replaced_note, sealed_now, statistics_installed
from rlm_dsl.trace.reader import Trace, open_trace


@dataclass(frozen=True)
class Missing:
    """Of a step how many of the `wanted` rows nobody reviewed, and the command that collects them."""

    step: str
    missing: int
    wanted: int
    command: str

    def told(self) -> str:
        rows = f"{self.missing:,} of {counted(self.wanted, 'row')}"
        return f"{self.step}: {rows} of this period are not reviewed yet: {self.command}"

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "missing": self.missing, "wanted": self.wanted, "command": self.command}


@dataclass(frozen=True)
class PeriodReviews:
    """What a report tells of a run's reviews."""

    missing: tuple[Missing, ...] = ()
    falling: tuple[Falling, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def alarms(self) -> tuple[Falling, ...]:
        return tuple(each for each in self.falling if each.alarm)

    def lines(self) -> list[str]:
        """The alarms first, then what is missing."""
        ordered = sorted(self.falling, key=lambda each: not each.alarm)
        return [*(each.told() for each in ordered), *(each.told() for each in self.missing), *self.notes]

    def as_json(self) -> dict[str, Any]:
        return {"missing": [each.as_json() for each in self.missing], "agreement": [f.as_json() for f in self.falling]}


def review_period(
    path: Path, labels: Path, given: Mapping[str, str | Context], wanted: int, earlier: Sequence[Path]
) -> PeriodReviews:
    """Count a run's reviews and seal them. `wanted` is how many rows each period is to have, `earlier` the runs of
    other periods, oldest first. Reviews that cannot be counted are a note."""
    known = read_labels(labels)
    if not wanted and not known.held:
        return PeriodReviews()
    try:
        with open_trace(path) as trace, open_run(trace, given) as run:
            lacking = [missing_of(run, step, known, wanted, labels) for step in run.steps.values()] if wanted else []
            missing = tuple(each for each in lacking if each.missing)
            if not known.held or not statistics_installed():
                return PeriodReviews(missing, notes=(NEEDED,) if known.held else ())
            reviewed = counted_reviews(run, known)
            lost = replaced_note(trace, reviewed)
            found = sealed_now(trace, reviewed)
    except UserError as problem:
        return PeriodReviews(notes=(f"reviews are not counted: {problem.message}",))
    return PeriodReviews(missing, tuple(falls(found, earlier)), (lost,) if lost else ())


def missing_of(run: OpenedRun, step: ReviewedStep, labels: Labels, wanted: int, path: Path) -> Missing:
    sample = sampled(run, step, labels)
    design = Design() if sample is None else sample.design
    drawn = {step.digests[row] for _, row in draw_rows(run, step, design).first(wanted)}
    told = {label.row for label in labels.of_question(step.question)}
    parts = ["rlm-dsl", "review", str(run.trace.place), step.name, "--rows", str(wanted), "--labels", str(path)]
    if design != Design():
        parts += ["--by", design.by, "--seed", str(design.seed)]
    return Missing(step.name, len(drawn - told), len(drawn), shlex.join(parts))


def falls(found: Reviewed, earlier: Sequence[Path]) -> list[Falling]:
    """Of each step whether its agreement has fallen; steps are the same where they ask the same."""
    before = [held for path in earlier if (held := sealed_of(path)) is not None]
    told = []
    for trials in (each for each in found.trials if each.right):
        periods: list[Rows] = [
            each.right for held in before for each in held.trials if each.question == trials.question and each.right
        ]
        if (one := falling(trials.step, [*periods, trials.right])) is not None:
            told.append(one)
    return told


def sealed_of(path: Path) -> Reviewed | None:
    try:
        return read_sealed(Trace.open(path))
    except (NotSealed, UserError):
        return None
