"""A session of reviewing: row after row, each shown with what stands around it, answered, kept, taken back.

In: a trace, a step, how rows are drawn. Out: `Session`. Law: an answer is on the disk before the next row is shown, so
that leaving, by whatever, and coming back loses nothing; what the model said is told after the answer, unless it is
asked for before, and then the label says so.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.json_ready import json_ready, json_text
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.round import model_step
from rlm_dsl.language.answer_schema import NotOfType, read_answer
from rlm_dsl.language.types import BOOL, Table
from rlm_dsl.review.corrected import Corrected, Kept, StepReview, corrected, reviews_of
from rlm_dsl.review.design import Design, Draw
from rlm_dsl.review.helpful import Helpful, helpful_rows
from rlm_dsl.review.labels.exchange import Exchanged, form_of, taken_in, written
from rlm_dsl.review.labels.file import Labels, add_labels, labels_beside, read_labels, undo_label
from rlm_dsl.review.labels.label import Label, drawn_by
from rlm_dsl.review.opened import Answer, OpenedRun, ReviewedStep, open_run, row_digest
from rlm_dsl.review.planned_numbers import PlannedNumber, plan_numbers
from rlm_dsl.review.planning import ASSUMED, COUNTS, Planned, plan_rows
from rlm_dsl.review.sampled import draw_rows, sampled
from rlm_dsl.review.sealed import NotSealed, read_sealed
from rlm_dsl.trace.reader import Trace, open_trace

ROWS = 60
OVERLAP = 20
"""Rows at the beginning of a draw that every reviewer sees."""
PILOT = 20
"""Reviewed rows from which on a plan goes by them."""
RANK = "candidate_rank"
"""The column of a pair that is neither row's."""
NEIGHBOUR = 200
"""Characters of the rows before and after that are shown."""
AHEAD = 20
"""Rows that are looked up with the one that is shown: the engine takes as long for one as for many."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row to be answered: its number in the draw, from 1, what it shows, its other columns, the rows beside it, and
    where it stands. `model` is what the model said, None while that is not to be seen."""

    number: int
    row: int
    text: str
    columns: Mapping[str, Any]
    before: str
    after: str
    place: str
    question: str
    labels: tuple[str | bool, ...] | None
    fields: Mapping[str, str]
    model: Answer | None = None
    pair: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    """Of a pair of rows: what each of the two holds."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of an answer: the label that was kept, what the model had said, and whether it said the same; None
    where it cannot be told."""

    label: Label
    model: Answer | None
    same: bool | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the rows of a draw are reviewed, by this reviewer; `asked` counts what is still to be asked."""

    done: int
    rows: int
    asked: int

    def as_json(self) -> dict[str, int]:
        return {"done": self.done, "rows": self.rows, "left": self.asked}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Session:
    """Owns an opened run while its rows are reviewed. Use it in a `with`, or close it."""

    def __init__(
        self,
        run: OpenedRun,
        step: ReviewedStep,
        labels: Path,
        design: Design,
        rows: int = ROWS,
        reviewer: str = "",
        blind: bool = True,
        overlap: int = OVERLAP,
        clock: Callable[[], str] = now,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
        learning: tuple[Helpful, ...] | None = None,
        sealed: tuple[Label, ...] = (),
    ) -> None:
        self.run, self.step, self.path, self.design = run, step, labels, design
        self.reviewer, self.blind, self.overlap = reviewer, blind, overlap
        self.clock, self.new_id, self.sealed = clock, new_id, sealed
        self.closing = ExitStack()
        self.kept: Kept = {}
        self.looked_up: dict[int, tuple[Mapping[str, Any], str]] = {}
        """What is held in the columns of the row that is shown and of those after it, and where they stand."""
        self.draw: Draw = draw_rows(run, step, design)
        self.reasons = {row.row: row.reason for row in learning or ()}
        self.draw_first(rows)
        if learning is not None:
            self.order = [("", row.row) for row in learning]
            self.rank, self.overlap = dict[int, tuple[int, str]](), 0
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.closing.close()

    def draw_first(self, rows: int) -> None:
        """Draw so many rows in all: what was drawn before is among them, or they among it."""
        self.rows = rows
        self.order = self.draw.first(rows)
        self.sizes = self.draw.sizes(rows)
        self.rank = {row: (number, stratum) for number, (stratum, row) in enumerate(self.order, 1)}

    @property
    def pairs(self) -> bool:
        """Whether its rows are pairs."""
        return model_step(self.step.stage).rows is not None

    def row_of(self, label: Label) -> int | None:
        """The row of the draw that a label is of."""
        return next((row for _, row in self.order if self.step.digests[row] == label.row), None)

    def own(self) -> list[Label]:
        """This reviewer's labels of the step, the oldest first."""
        held = (label for label in self.labels.of_question(self.step.question) if label.reviewer == self.reviewer)
        return list(held)

    def refresh(self) -> None:
        """Take in what others wrote meanwhile. `seen` are the rows of which this reviewer was told what the model said:
        who answers such a row again does not answer it blind."""
        self.labels: Labels = Labels(tuple(begun)) if (begun := self.to_begin_with()) else read_labels(self.path)
        self.mine: dict[str, Label] = {label.row: label for label in self.own()}
        before = (label for label in self.labels.taken_back if label.question == self.step.question)
        self.seen = {*self.mine, *(label.row for label in before if label.reviewer == self.reviewer)}

    def to_begin_with(self) -> list[Label]:
        """The labels that were sealed with the trace, while there is no file of labels: it begins with them."""
        return [] if not self.sealed or os.path.lexists(self.path) else list(self.sealed)

    def note(self) -> str:
        """What is to be known of the labels: what is damaged, or that they are the sealed ones."""
        if begun := self.to_begin_with():
            return f"there is no file {self.path}: the {counted(len(begun), 'label')} sealed with the trace are taken"
        return self.labels.note()

    @property
    def progress(self) -> Progress:
        open_rows = self.open_rows()
        return Progress(len(self.order) - len(open_rows), len(self.order), len(open_rows))

    def open_rows(self) -> list[int]:
        """The rows that this reviewer is still to see: those that everyone sees, and of the rest those that nobody
        reviewed."""
        told = {label.row for label in self.labels.of_question(self.step.question)}
        found = []
        seen: set[str] = set()
        for number, (_, row) in enumerate(self.order, 1):
            digest = self.step.digests[row]
            known = self.mine if number <= self.overlap else told
            if digest not in known and digest not in self.mine and digest not in seen:
                found.append(row)
                seen.add(digest)
        return found

    def next(self) -> Item | None:
        """The next row to answer; None where all are."""
        rows = self.open_rows()
        return self.item(rows[0]) if rows else None

    def item(self, row: int) -> Item:
        """A row as it is shown, by its place in the step's rows."""
        step, redact = self.step, self.run.redact
        held, place = self.held(row)
        shown = set(step.stage.shown)
        values = {name: redact.redact_json(json_ready(value)) for name, value in held.items()}
        pair = sides_of(step, values)
        inside = set().union(*pair) if pair is not None else shown if len(shown) == 1 else set()
        columns = {name: value for name, value in values.items() if name not in inside}
        number = self.rank[row][0] if row in self.rank else 0
        return Item(
            number,
            row,
            step.texts[row],
            columns,
            "" if pair is not None else self.beside(row - 1),
            "" if pair is not None else self.beside(row + 1),
            place,
            step.words,
            None if step.labels is None else tuple(step.labels),
            {field.name: str(field.type) for field in step.result.fields},
            None if self.blind else step.answers[row],
            pair,
        )

    def held(self, row: int) -> tuple[Mapping[str, Any], str]:
        """What a row holds, and where it stands; looked up with the rows that come next."""
        if row not in self.looked_up:
            keys = {self.step.keys[each]: each for each in (*self.open_rows()[:AHEAD], row)}
            names, held = self.run.columns(self.step, [*keys])
            places = self.run.places(self.step, [*keys])
            self.looked_up = {
                each: (dict(zip(names, held[key], strict=True)), places.get(key, "")) for key, each in keys.items()
            }
        return self.looked_up[row]

    def beside(self, row: int) -> str:
        return self.step.texts[row][:NEIGHBOUR] if 0 <= row < len(self.step.texts) else ""

    def answer(self, item: Item, said: Any, id: str = "") -> Answered:
        """Keep an answer: a label, a truth value, or the fields of an answer by name. What is said again under an `id`
        that is kept already, as after a lost reply, is kept once. Raises UserError for what is no answer."""
        return self.keep(item, read_said(self.step, said), id)

    def cannot_tell(self, item: Item, id: str = "") -> Answered:
        return self.keep(item, None, id)

    def keep(self, item: Item, answer: Answer | None, id: str = "") -> Answered:
        if id and any(label.id == id for label in (*self.labels.held, *self.labels.taken_back)):
            return self.answered(item.row)
        label = self.label(item.row, answer, place=item.place, id=id)
        add_labels(self.path, [*self.to_begin_with(), label])
        self.refresh()
        return self.answered(item.row)

    def answered(self, row: int) -> Answered:
        """What this reviewer said of a row, beside what the model did. Raises UserError where it is not reviewed."""
        label = self.mine.get(self.step.digests[row])
        if label is None:
            raise UserError("this row is not reviewed")
        said, model = self.step.typed(label.answer), self.step.answers[row]
        return Answered(label, model, None if said is None else said == model)

    def label(self, row: int, answer: Answer | None, id: str = "", **more: Any) -> Label:
        number, stratum = self.rank.get(row, (0, ""))
        size = len(self.draw.strata.get(stratum, ()))
        drawn = {
            **self.design.as_json(),
            "stratum": stratum,
            "rows": size,
            "drawn": self.sizes.get(stratum, 0),
            "probability": round(self.sizes.get(stratum, 0) / size, 9) if size else 0.0,
        }
        return Label(
            id or self.new_id(),
            self.step.name,
            self.step.question,
            self.step.digests[row],
            self.step.texts[row],
            answer,
            self.clock(),
            self.blind and self.step.digests[row] not in self.seen,
            self.reviewer,
            draw=drawn if number else {},
            model=self.step.answers[row],
            **({"reason": self.reasons[row]} if row in self.reasons else {}),
            **more,
        )

    def undo(self) -> Label | None:
        """Take this reviewer's last label of the step back; None where there is none."""
        self.refresh()
        own = self.own()
        if not own:
            return None
        if begun := self.to_begin_with():
            add_labels(self.path, begun)
        undo_label(self.path, own[-1], self.clock())
        self.refresh()
        return own[-1]

    def corrected(self) -> list[Corrected]:
        """Every number of the answer that rests on a model step, as reviews have it now."""
        return corrected(self.run, self.labels, kept=self.kept)

    def reviews(self) -> list[StepReview]:
        return reviews_of(self.run, self.labels)

    def plan(self, right: float | None = None, counts: tuple[int, ...] = COUNTS) -> tuple[float, bool, list[Planned]]:
        """How often the model is taken to be right, whether reviewed rows say so, and the widths to be expected."""
        pilot = sampled(self.run, self.step, self.labels)
        known = None
        if right is None and pilot is not None and len(pilot.rows) >= PILOT:
            own = next(each for each in self.reviews() if each.step == self.step.name)
            known = own.agreement.value
        used = right if right is not None else known if known is not None else ASSUMED
        return used, right is None and known is not None, plan_rows(self.step, self.draw, used, counts)

    def plan_numbers(self, right: float, counts: tuple[int, ...]) -> list[PlannedNumber]:
        """Which limits the answer's own numbers are to be expected to have after so many rows."""
        return plan_numbers(self.run, self.step, self.draw, right, counts)

    def export(self, form: str, *, every: bool = False) -> str:
        """The drawn rows in a form, with what was said of them; with `every` all labels of the step."""
        return written(self.exported(every=every), form, self.step.fields())

    def exported(self, *, every: bool = False) -> list[Exchanged]:
        """What goes out: for a named reviewer their own labels, and the rows that they are still to see."""
        held = self.own() if self.reviewer else self.labels.of_question(self.step.question)
        asked = set(self.open_rows()) if self.reviewer else {row for _, row in self.order}
        rows: list[Exchanged] = []
        done = set()
        for label in held:
            if every or drawn_by(label, self.design.by, self.design.seed):
                done.add(label.row)
                rows.append(exchanged(label))
        for _, row in self.order:
            if row in asked and self.step.digests[row] not in done:
                done.add(self.step.digests[row])
                digest, text, model = self.step.digests[row], self.step.texts[row], self.step.answers[row]
                hidden = None if self.blind else model
                rows.append(Exchanged(digest, text, None, False, hidden, self.step.question))
        return rows

    def take_in(self, text: str, form: str) -> tuple[int, int, list[str]]:
        """Labels of another tool: how many were kept, how many were known already, and what is wrong with the others.
        Who answered where the model's answer stood did not answer blind, unless the file says so of a label."""
        by_digest = {digest: row for row, digest in reversed([*enumerate(self.step.digests)])}
        kept: list[Label] = []
        problems, known = [], 0
        last = {(each.row, each.reviewer): each for each in self.labels.of_question(self.step.question)}
        for at, given in taken_in(text, form, self.step.fields()):
            if given.question and given.question != self.step.question:
                problems.append(f"{at}: it answers another question than `{self.step.name}` asks")
                continue
            row = by_digest.get(given.row) if given.row else by_digest.get(row_digest(given.text))
            if row is None:
                problems.append(f"{at}: no row of `{self.step.name}` shows this")
                continue
            try:
                answer = None if given.answer is None else read_said(self.step, given.answer)
            except UserError as problem:
                problems.append(f"{at}: {problem.message}")
                continue
            label = self.label(
                row, answer, **({} if row in self.rank or row in self.reasons else {"reason": "brought in"})
            )
            reviewer = given.reviewer or self.reviewer
            before = last.get((label.row, reviewer))
            if before is not None and same_said(self.step, before.answer, answer):
                known += 1
                continue
            # what the file says is of the answer that went out: not of one that was changed with the model's in sight
            said = given.blind if before is None or not given.shown else False
            blind = (self.blind and not given.shown) if said is None else said
            label = replace(label, reviewer=reviewer, when=given.when or label.when, place=given.place, blind=blind)
            kept.append(label)
            last[label.row, reviewer] = label
        if kept:
            add_labels(self.path, [*self.to_begin_with(), *kept])
            self.refresh()
        return len(kept), known, problems


def sides_of(step: ReviewedStep, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """What each row of a pair holds, where the step asks about pairs: the piped table's columns, then the other's."""
    if model_step(step.stage).rows is None:
        return None
    left = step.stage.step.inputs[0].type
    assert isinstance(left, Table)
    own = {name: value for name, value in values.items() if name in left.names}
    extra = {RANK} if RANK not in left.names else set()
    return own, {name: value for name, value in values.items() if name not in own and name not in extra}


def exchanged(label: Label) -> Exchanged:
    said = (label.row, label.text, label.answer, True, label.model, label.question, label.reviewer, label.when)
    return Exchanged(*said, label.place, label.blind)


def same_said(step: ReviewedStep, one: Answer | None, other: Answer | None) -> bool:
    """Whether two answers of people are the same."""
    return (one is None) == (other is None) and step.typed(one) == step.typed(other)


def read_said(step: ReviewedStep, said: Any) -> Answer:
    """What a person said as the step's answer: `yes` and `no` for truth values, a label in any case. Raises
    UserError."""
    fields = step.result.fields
    given = dict(said) if isinstance(said, Mapping) else {fields[0].name: said}
    if unknown := next((name for name in given if name not in step.fields()), None):
        raise UserError(
            f"the answer has no field `{unknown}`", *did_you_mean(str(unknown), step.fields(), what="fields")[:1]
        )
    for field in fields:
        value = given.get(field.name)
        if field.type == BOOL and isinstance(value, str):
            spelled = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
            given[field.name] = spelled.get(value.strip().casefold(), value)
    if step.labels is not None and isinstance(value := given.get(fields[0].name), str):
        alike = [label for label in step.labels if isinstance(label, str) and label.casefold() == value.casefold()]
        given[fields[0].name] = value if value in step.labels else alike[0] if len(alike) == 1 else value
    try:
        return read_answer(json_text(given), step.result)
    except NotOfType as problem:
        hint = ", ".join(map(str, step.labels)) if step.labels else ", ".join(f"{f.name}: {f.type}" for f in fields)
        raise UserError(f"this is no answer of `{step.name}`: {problem}", f"answers: {hint}") from None


def open_session(
    trace: str | os.PathLike[str],
    step: str = "",
    *,
    contexts: Mapping[str, str | Context] | None = None,
    labels: str | os.PathLike[str] | None = None,
    by: str = "simple",
    seed: int = 0,
    rows: int = ROWS,
    reviewer: str = "",
    blind: bool = True,
    overlap: int = OVERLAP,
    clock: Callable[[], str] = now,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    learning: bool = False,
    disagreements: Mapping[str, int] | None = None,
    whole: bool = False,
) -> Session:
    """A session over a sealed trace. `step` is needed where several steps ask a model about rows; `labels` is the file
    of labels, beside the trace where it is not named. Where it is for `learning`, the rows are those that help most to
    make the program better, which no estimate rests on; `disagreements` says in how many ways candidates of an
    optimization answered a text. Where `whole` is told, no step needs to be named: it is the first. Where no labels lie
    beside the trace, those that are sealed with it are taken."""
    with ExitStack() as opened:
        held = opened.enter_context(open_trace(trace))
        run = opened.enter_context(open_run(held, contexts or {}))
        path = Path(labels) if labels is not None else labels_beside(Path(trace))
        chosen = next(iter(run.steps.values())) if whole and not step and run.steps else run.step(step)
        design = Design(by, seed)
        sealed = sealed_labels(held) if path.absolute() == labels_beside(Path(trace)).absolute() else ()
        helpful = helpful_rows(run, chosen, read_labels(path), rows, disagreements or {}) if learning else None
        session = Session(run, chosen, path, design, rows, reviewer, blind, overlap, clock, new_id, helpful, sealed)
        session.closing = opened.pop_all()
        return session


def sealed_labels(trace: Trace) -> tuple[Label, ...]:
    """The labels that are sealed with a trace; none where they are not as they were sealed."""
    try:
        found = read_sealed(trace)
    except NotSealed:
        return ()
    return () if found is None else found.labels


def read_reviews(
    trace: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    contexts: Mapping[str, str | Context] | None = None,
) -> tuple[list[Corrected], list[StepReview]]:
    """Every number of a trace that rests on a model, corrected by a file of labels, and how well its steps hold."""
    known: Labels = read_labels(Path(labels))
    with open_trace(trace) as held, open_run(held, contexts or {}) as run:
        return corrected(run, known), reviews_of(run, known)


__all__ = ["Answered", "Item", "Progress", "Session", "form_of", "open_session", "read_reviews", "read_said"]
