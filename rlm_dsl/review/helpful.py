"""Rows that would help most to make a program better: those that it doubts, and on which candidates differ.

In: an opened run, a step, labels, an optimization's record. Out: rows with the reason of each. Law: they are chosen,
not drawn: no estimate or score rests on them; none is chosen that a label is there for already, nor
one whose text is kept for the score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.review.design import random_number
from rlm_dsl.review.doubt import doubts
from rlm_dsl.review.labels.file import Labels
from rlm_dsl.review.labels.label import LEARNING
from rlm_dsl.review.labels.parts import example_identity, part_of
from rlm_dsl.review.opened import OpenedRun, ReviewedStep
from rlm_dsl.review.sampled import answer_name
from rlm_dsl.trace.reader import ODD_FORM, Trace


@dataclass(frozen=True, slots=True)
class Helpful:
    """A row, by its place in the step's rows, and why it would help."""

    row: int
    reason: str


def helpful_rows(
    run: OpenedRun, step: ReviewedStep, labels: Labels, count: int, differing: Mapping[str, int]
) -> tuple[Helpful, ...]:
    """So many rows: those on which candidates differ first, then those in most doubt; of equals by their content. Rows
    that were reviewed for learning before keep their place."""
    answers = [answer_name(step, answer) for answer in step.answers]
    doubt = step.doubts or doubts(step.texts, answers)
    told = {label.row: label for label in labels.of_question(step.question)}
    ranked = sorted(
        range(len(step.keys)),
        key=lambda row: (
            -differing.get(step.texts[row], 0),
            -round(doubt[row], 6),
            random_number(0, step.digests[row], 0),
        ),
    )
    found: dict[str, Helpful] = {}
    for row in ranked:
        digest, text = step.digests[row], step.texts[row]
        label = told.get(digest)
        if digest in found or (label is not None and not label.for_learning):
            continue
        if part_of(example_identity(step.name, text)) == "test":
            continue
        ways = differing.get(text, 0)
        why = f"candidates answer it in {ways} ways" if ways > 1 else f"doubt {doubt[row]:.2f}"
        found[digest] = Helpful(row, f"{LEARNING}: {why}")
        if len(found) >= count:
            break
    return tuple(found.values())


def disagreements(record: Path, *, lenient: bool = False) -> dict[str, int]:
    """In how many ways a text was answered in an optimization, where it was in more than one. Raises UserError for what
    is no record, unless it is read `lenient`."""
    said: dict[str, set[str]] = {}
    try:
        table = Trace.open(record, changed=True).table("calls", ("request", "answer"))
        for request, answer in zip(*(table.column(name).to_pylist() for name in ("request", "answer")), strict=True):
            asked = json.loads(request)
            if not asked.get("rows") and asked.get("schema") is not None:
                said.setdefault(asked["messages"][-1]["content"], set()).add(json.loads(answer)["text"].strip())
    except (UserError, *ODD_FORM) as failure:
        if lenient:
            return {}
        raise UserError(f"{record} is no record of an optimization: {failure}", "name it: runs/NAME.optimize") from None
    return {text: len(ways) for text, ways in said.items() if len(ways) > 1}
