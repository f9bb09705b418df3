"""The reviewed rows of a step that estimates may rest on: those that were drawn, without a gap, with what people said.

In: an opened run, a step, labels. Out: `Sampled`. Law: a row that was reviewed for another reason lengthens no sample;
where people differ, a row counts as one that cannot be told. Of a program that was tuned by labels, rows that it may
have learned from stand for themselves alone, and the sample is of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.review.design import ANSWER, DOUBT, SIMPLE, Design, Draw, draw, require_known
from rlm_dsl.review.doubt import doubts, stratum_of
from rlm_dsl.review.labels.file import Labels
from rlm_dsl.review.labels.label import Label, drawn_by
from rlm_dsl.review.labels.parts import example_identity, part_of
from rlm_dsl.review.opened import Answer, OpenedRun, ReviewedStep

LEARNED = "learned from"
"""The stratum of rows that a tuned program may have learned from: all of them are known."""


@dataclass(frozen=True)
class Sampled:
    """`strata` are all rows of each stratum, as places in the step's rows, `reviewed` those of them that were drawn and
    reviewed; `said` is what people said of a reviewed row, None where it cannot be told."""

    design: Design
    strata: Mapping[str, tuple[int, ...]]
    reviewed: Mapping[str, tuple[int, ...]]
    said: Mapping[int, Answer | None]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[int]:
        return [row for rows in self.reviewed.values() for row in rows]


def draw_rows(run: OpenedRun, step: ReviewedStep, design: Design) -> Draw:
    """The order in which a step's rows are drawn. Raises UserError for a column that they do not have."""
    strata = strata_of(run, step, design.by)
    contents = run.contents(step) if len(set(step.digests)) < len(step.digests) else ()
    return draw(design, step.digests, strata, contents)


def strata_of(run: OpenedRun, step: ReviewedStep, by: str) -> list[str]:
    """The stratum of each row of a step, by name."""
    require_known(by, step.stage.input.type.names)
    if by == SIMPLE:
        return [""] * len(step.keys)
    if by == ANSWER:
        return [answer_name(step, answer) for answer in step.answers]
    if by == DOUBT:
        answers = [answer_name(step, answer) for answer in step.answers]
        return [stratum_of(doubt) for doubt in step.doubts or doubts(step.texts, answers)]
    return [run.redact.redact(str(json_ready(value))) for value in run.values(step, by)]


def answer_name(step: ReviewedStep, answer: Answer | None) -> str:
    """An answer as a stratum: of a closed set by itself, of others only whether there was one."""
    if answer is None:
        return "no answer"
    if step.labels is None:
        return "an answer"
    value = answer[step.fields()[0]]
    return value if isinstance(value, str) else "yes" if value else "no"


def sampled(run: OpenedRun, step: ReviewedStep, labels: Labels) -> Sampled | None:
    """The sample of a step; None where no row of it was drawn and reviewed. Of several designs that which reaches
    furthest counts."""
    own = labels.of_question(step.question)
    designs = Counter((str(label.draw["by"]), int(label.draw["seed"])) for label in own if is_drawn(label, step))
    best: Sampled | None = None
    for by, seed in sorted(designs):
        found = of_design(run, step, labels, Design(by, seed), own)
        if best is None or len(found.rows) > len(best.rows):
            best = found
    return best if best is not None and best.rows else None


def is_drawn(label: Label, step: ReviewedStep) -> bool:
    by, seed = label.draw.get("by"), label.draw.get("seed")
    known = (SIMPLE, ANSWER, DOUBT, *step.stage.input.type.names)
    return isinstance(by, str) and by in known and isinstance(seed, int)


def of_design(run: OpenedRun, step: ReviewedStep, labels: Labels, design: Design, own: Sequence[Label]) -> Sampled:
    order = draw_rows(run, step, design)
    told_of = {label.row for label in labels.of_question(step.question)}
    drawn = {label.row for label in own if drawn_by(label, design.by, design.seed)}
    reviewed = order.sampled([d in told_of for d in step.digests], [d in drawn for d in step.digests])
    strata, counted_rows = order.strata, sum(map(len, reviewed.values()))
    learned = learned_rows(run, step, labels)
    if learned:
        strata = {name: tuple(row for row in rows if row not in learned) for name, rows in strata.items()}
        reviewed = {name: tuple(row for row in rows if row not in learned) for name, rows in reviewed.items()}
        if any(reviewed.values()):
            known = tuple(sorted(learned))
            strata, reviewed = {**strata, LEARNED: known}, {**reviewed, LEARNED: known}
    said: dict[int, Answer | None] = {}
    differ = 0
    for row in (row for rows in reviewed.values() for row in rows):
        told = labels.by_row.get((step.question, step.digests[row]), ())
        told_as, differs = agreed(told)
        said[row] = step.typed(told_as)
        differ += differs
    notes = []
    there = sum(digest in drawn for digest in step.digests)
    if unused := there - counted_rows:
        notes.append(f"{counted(unused, 'reviewed row')} not counted: rows drawn before are not reviewed yet")
    if left := len(drawn - set(step.digests)):
        notes.append(f"{counted(left, 'reviewed row')} no longer in the run")
    if differ:
        notes.append(f"reviewers differ on {counted(differ, 'row')}: these count as either")
    if learned:
        notes.append(f"{counted(len(learned), 'row')} may have been learned from: they stand for no other row")
    if any(not label.blind for label in own):
        notes.append("some rows were reviewed with the model's answer in sight")
    return Sampled(design, strata, reviewed, said, tuple(notes))


def learned_rows(run: OpenedRun, step: ReviewedStep, labels: Labels) -> set[int]:
    """The reviewed rows that a tuned program may have learned from: all but those that are for the score."""
    if not run.learned:
        return set()
    found = {}
    for (question, digest), told in labels.by_row.items():
        if question == step.question:
            learning = all(label.for_learning for label in told)
            found[digest] = part_of(example_identity(step.name, told[-1].text), learning) != "test"
    return {row for row, digest in enumerate(step.digests) if found.get(digest)}


def agreed(labels: Sequence[Label]) -> tuple[Answer | None, bool]:
    """What people said of a row, and whether they differ; None where they do, or where nobody could tell."""
    told: list[Any] = []
    for label in labels:
        if label.answer is not None and label.answer not in told:
            told.append(label.answer)
    return (told[0], False) if len(told) == 1 else (None, len(told) > 1)
