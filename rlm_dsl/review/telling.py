"""What to tell of a run's numbers: the sealed reviews, or those that lie beside the trace, counted now.

In: a trace or a result, where labels lie. Out: `Reviewed`, and its seal. Law: what is told is of this trace, by its
head or because its answers were opened again; reviews that cannot be used are told as a note, and stop nothing; where
there are none, nothing is opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.review.labels.file import Labels, labels_beside, read_labels
from rlm_dsl.review.resting import resting_of, resting_parts
from rlm_dsl.review.reviewed import Reviewed
from rlm_dsl.review.sealed import NotSealed, read_sealed, reviews_beside, seal_reviews
from rlm_dsl.trace.reader import Trace, open_trace

if TYPE_CHECKING:
    from rlm_dsl.context.context import Context
    from rlm_dsl.engine.result import Result

    Given = Mapping[str, str | Context]

NEEDED = "the reviews beside this are not counted: pip install 'rlm-dsl[review]'"
NOT_YET = "these reviews are not sealed with the trace yet: rlm-dsl review {trace} --seal"


def statistics_installed() -> bool:
    return find_spec("scipy") is not None


def told_reviews(
    trace: Trace, labels: Path | None = None, given: Given | None = None, *, resting: bool = True
) -> Reviewed:
    """What is told of a trace's numbers. `labels` is a file of them; without it, what is sealed with the trace, or lies
    beside it. Where there are none, `resting` says whether it is told which numbers rest on a model."""
    if not trace.finished:
        return Reviewed()
    notes: list[str] = []
    sealed = None
    try:
        sealed = read_sealed(trace)
    except NotSealed as problem:
        notes.append(f"{problem.message}, and is not shown; see: rlm-dsl verify {trace.place}")
    path = labels if labels is not None else labels_beside(trace.place)
    there = labels is not None or os.path.lexists(path)
    if labels is not None and not os.path.lexists(labels):
        notes.append(f"there is no file of labels {labels}")
    found = told_by(trace, path, sealed, given or {}, notes) if there else sealed
    if found is None:
        parts = resting_of(trace) if resting else ()
        found = Reviewed(trace.head, resting=parts, trace=str(trace.place))
    return replace(found, notes=(*found.notes, *notes))


def told_by(trace: Trace, path: Path, sealed: Reviewed | None, given: Given, notes: list[str]) -> Reviewed | None:
    """What a file of labels says: as it was sealed, where these are the labels that were."""
    from rlm_dsl.review.counting import counted_reviews
    from rlm_dsl.review.opened import open_run

    try:
        known = read_labels(path)
        if sealed is not None and sealed.labels == of_questions(known, sealed.questions):
            notes.extend(filter(None, [known.note(), known.others_note(sealed.questions)]))
            return sealed
        if not known.held:
            notes.extend(filter(None, [known.note()]))
            return sealed
        if not statistics_installed():
            raise UserError(NEEDED)
        with open_run(trace, given) as run:
            found = counted_reviews(run, known)
    except UserError as problem:
        notes.append(problem.message if problem.message == NEEDED else f"reviews are not counted: {problem.message}")
        return sealed
    if not found.steps:
        return found if sealed is None else replace(sealed, notes=(*sealed.notes, *found.notes))
    return replace(found, notes=(*found.notes, NOT_YET.format(trace=trace.place)))


def of_questions(labels: Labels, questions: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(label for label in labels.held if label.question in questions)


def with_reviews(
    result: Result, labels: Path | None = None, given: Given | None = None, *, seal: bool = True
) -> Result:
    """A result with what reviews say of its numbers, sealed with its trace. `labels` that are no file are none."""
    resting = resting_parts(result.execution.plan)
    plain = Reviewed(result.head or "", resting=resting, trace=str(result.trace or ""))
    if result.trace is None or not resting:
        return replace(result, reviewed=plain)
    with open_trace(result.trace) as trace:
        beside = labels if labels is not None and labels.is_file() else None
        found = told_reviews(trace, beside, given)
        if seal and found.steps and not found.sealed:
            found = sealed_now(trace, found)
    return replace(result, reviewed=found)


def sealed_now(trace: Trace, reviewed: Reviewed) -> Reviewed:
    """Reviews, sealed; where that is refused, with a note."""
    not_yet = NOT_YET.format(trace=trace.place)
    notes = tuple(note for note in reviewed.notes if note != not_yet)
    before = replaced_note(trace, reviewed)
    try:
        made = seal_reviews(trace, replace(reviewed, notes=()))
    except UserError as problem:
        return replace(reviewed, notes=(*notes, f"the reviews are not sealed: {problem.message}"))
    if made is None:
        return reviewed
    path, digest = made
    told = (*filter(None, [before]), f"reviews  {path}  sealed, digest {digest}")
    return replace(reviewed, sealed=digest, notes=(*notes, *told))


def replaced_note(trace: Trace, reviewed: Reviewed) -> str:
    """What is lost of the reviews that were sealed before; nothing where all their labels stand among the new ones."""
    path = reviews_beside(trace.place)
    try:
        before = read_sealed(trace)
    except NotSealed as problem:
        return f"replaced: {problem.message}"
    now = {label.id: label for label in reviewed.labels}
    gone = sum(label.id not in now for label in before.labels) if before else 0
    other = sum(now.get(label.id, label) != label for label in before.labels) if before else 0
    if before is None or not (gone or other):
        return ""
    told = [f"{counted(gone, 'sealed label')} left out"] * bool(gone)
    told += [f"{counted(other, 'sealed label')} changed"] * bool(other)
    told += [f"{len(before.labels):,} sealed before, {len(now):,} now"]
    return f"{path.name} is replaced: {', '.join(told)}"
