"""Reviews counted: what labels say of every number and step of an opened run.

In: an opened run, labels. Out: `Reviewed`. Law: it rests on the labels of the questions that the run asks, and holds
all of them.
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.review.corrected import corrected, reviews_of
from rlm_dsl.review.design import SIMPLE
from rlm_dsl.review.labels.file import Labels
from rlm_dsl.review.opened import OpenedRun, ReviewedStep
from rlm_dsl.review.resting import resting_parts
from rlm_dsl.review.reviewed import WIDE, Reviewed, Trials
from rlm_dsl.review.sampled import Sampled, sampled


def counted_reviews(run: OpenedRun, labels: Labels) -> Reviewed:
    """What labels say of an opened run."""
    questions = tuple(sorted({step.question for step in run.steps.values()}))
    own = tuple(label for label in labels.held if label.question in questions)
    held = Labels(own)
    numbers = tuple(corrected(run, held))
    known = any(number.estimate.known for number in numbers)
    wide = tuple(limits(number.estimate) for number in corrected(run, held, WIDE)) if known else (None,) * len(numbers)
    trials = [trials_of(step, sampled(run, step, held)) for step in run.steps.values()]
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
        notes=tuple(filter(None, [labels.note()])),
    )


def limits(estimate: Any) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def trials_of(step: ReviewedStep, sample: Sampled | None) -> Trials | None:
    """Whether the model was right about each row of a sample that every row was as likely to come into."""
    if sample is None or sample.design.by != SIMPLE:
        return None
    right = {step.digests[row]: step.answers[row] == said for row, said in sample.said.items() if said is not None}
    return Trials(step.name, step.question, right)
