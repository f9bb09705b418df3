"""Reviews counted: what labels say of every number and step of an opened run.

In: an opened run, labels. Out: `Reviewed`. Law: it rests on the labels of the questions that the run asks, and holds
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.review.corrected import Kept, corrected, reviews_of
from rlm_dsl.review.design import SIMPLE
from rlm_dsl.review.labels.file import Labels
from rlm_dsl.review.labels.label import Label
from rlm_dsl.review.opened import OpenedRun, ReviewedStep
from rlm_dsl.review.resting import resting_parts
from rlm_dsl.review.reviewed import WIDE, Reviewed, Trials
from rlm_dsl.review.sampled import Sampled, sampled


def counted_reviews(run: OpenedRun, labels: Labels) -> Reviewed:
    """What labels say of an opened run."""
    questions = tuple(sorted({step.question for step in run.steps.values()}))
    own = tuple(label for label in labels.held if label.question in questions)
    held = Labels(own)
    kept: Kept = {}
    numbers = tuple(corrected(run, held, kept=kept))
    known = any(number.estimate.known for number in numbers)
    wide = (
        tuple(limits(number.estimate) for number in corrected(run, held, WIDE, kept))
        if known
        else (None,) * len(numbers)
    )
    trials = [trials_of(step, sampled(run, step, held), held) for step in run.steps.values()]
    return Reviewed(
        run.trace.head,
        numbers,
        tuple(reviews_of(run, held)),
        wide,
        tuple(each for each in trials if each is not None),
        own,
        questions,
        resting_parts(run.plan),
        trace=str(run.trace.place),
        notes=tuple(
            filter(None, [labels.note(), labels.others_note(questions), *map(odd_note(own), run.steps.values())])
        ),
    )


def odd_note(labels: Sequence[Label]) -> Callable[[ReviewedStep], str]:
    """How many labels of a step are no answer of it, as a person is told; nothing where all are."""

    def told(step: ReviewedStep) -> str:
        own = [label.answer for label in labels if label.question == step.question and label.answer is not None]
        odd = sum(step.typed(answer) is None for answer in own)
        return f"{counted(odd, 'label')} no answer of `{step.name}`: counted as rows that cannot be told" if odd else ""

    return told


def limits(estimate: Any) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def trials_of(step: ReviewedStep, sample: Sampled | None, labels: Labels) -> Trials | None:
    """Which rows of a step were reviewed; of a sample that every row was as likely to come into, with whether the model
    was right."""
    there = set(step.digests)
    held = {label.row for label in labels.of_question(step.question) if label.row in there}
    if not held:
        return None
    right: dict[str, bool] = {}
    if sample is not None and sample.design.by == SIMPLE:
        right = {step.digests[row]: step.answers[row] == said for row, said in sample.said.items() if said is not None}
    return Trials(step.name, step.question, right, tuple(sorted(held - right.keys())))
