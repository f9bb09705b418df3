"""What reviews say of a run: its numbers with their intervals, told with the answer.

In: corrected numbers, how well the steps hold, the labels that both rest on. Out: lines for people, JSON, and back.
Law: where numbers rest on a model and nothing is known of their error, that is said once for the whole answer; what is
told of many groups is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.review.estimates.estimate import Estimate
from rlm_dsl.review.estimates.limits import LEVEL
from rlm_dsl.review.labels.label import Label

if TYPE_CHECKING:  # what counts reviews is read where there are some
    from rlm_dsl.review.corrected import Corrected, StepReview

LINES = 20
"""Numbers that are told in a terminal; JSON has all."""
WIDE = 1 - (1 - LEVEL) / 2
"""The level of a second interval: two of these hold together as often as one of the other, whatever they share."""

Key = tuple[tuple[str, ...], str, tuple[tuple[str, str], ...]]
"""A number's part, column and group."""


@dataclass(frozen=True)
class Trials:
    """Of a step the reviewed rows that were drawn simply, by their digests, each with whether the model said what
    people say; `others` are the run's other reviewed rows."""

    step: str
    question: str
    right: Mapping[str, bool]
    others: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        right, others = dict(self.right), list(self.others)
        return {"step": self.step, "question": self.question, "right": right, "others": others}


@dataclass(frozen=True)
class Reviewed:
    """`head` is of the trace whose numbers these are; `resting` the parts of its answer that rest on a model. `wide`
    are the limits of each number at `WIDE`. `sealed` is the digest under which all of it lies beside the trace; `trace`
    is what a person calls it by; `notes` are what is to be known besides."""

    head: str = ""
    numbers: tuple[Corrected, ...] = ()
    steps: tuple[StepReview, ...] = ()
    wide: tuple[tuple[float, float] | None, ...] = ()
    trials: tuple[Trials, ...] = ()
    labels: tuple[Label, ...] = ()
    questions: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    sealed: str = ""
    trace: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def known(self) -> bool:
        """Whether the error of any number is known."""
        return any(number.estimate.known for number in self.numbers)

    def of(self, part: Sequence[str]) -> tuple[Corrected, ...]:
        """The numbers of a part of the answer."""
        return tuple(number for number in self.numbers if number.part == tuple(part))

    def by_key(self) -> dict[Key, tuple[Corrected, tuple[float, float] | None]]:
        wide = self.wide or (None,) * len(self.numbers)
        return {key_of(number): (number, limits) for number, limits in zip(self.numbers, wide, strict=True)}

    def lines(self) -> list[str]:
        """As people read it, under the answer; nothing where no number rests on a model."""
        notes = list(self.notes)
        if not self.steps:
            return [*([unknown_line(self.resting, self.trace)] if self.resting else []), *notes]
        told = [f"  {name_of(number)}: {number.told()}" for number in self.numbers if number.estimate.known]
        more = [f"  ... {len(told) - LINES:,} more: --json has all"] if len(told) > LINES else []
        whys = dict.fromkeys(
            f"  {where_of(number)}: no error is known: {number.estimate.why}"
            for number in self.numbers
            if not number.estimate.known
        )
        return [*(["reviewed"] if told or whys else []), *told[:LINES], *more, *whys, *notes]

    def as_json(self) -> dict[str, Any]:
        """For programs: the numbers and the steps, without the labels."""
        found: dict[str, Any] = {
            "numbers": [number.as_json() for number in self.numbers],
            "steps": [step.as_json() for step in self.steps],
            "sealed": self.sealed or None,
        }
        if not self.known:
            found["unknown"] = list(self.resting)
        return found | ({"notes": list(self.notes)} if self.notes else {})

    def content(self) -> dict[str, Any]:
        """All that is sealed."""
        return {
            "head": self.head,
            "questions": list(self.questions),
            "numbers": [
                {**number.as_json(), "wide": None if limits is None else list(limits)}
                for number, limits in zip(self.numbers, self.wide, strict=True)
            ],
            "steps": [step.as_json() for step in self.steps],
            "trials": [each.as_json() for each in self.trials],
            "labels_sha256": labels_digest(self.labels),
            "labels": [label.as_json() for label in self.labels],
        }

    def _repr_html_(self) -> str:
        from rlm_dsl.common.html import escaped

        return "".join(f"<div>{escaped(line)}</div>" for line in self.lines())


def unknown_line(resting: Sequence[str], trace: str) -> str:
    """Said once of an answer whose numbers rest on a model and of whose error nothing is known."""
    named = ", ".join(name or "the answer" for name in resting[:4]) + (", ..." if len(resting) > 4 else "")
    return f"no error is known of {named}; reviewed rows tell it: rlm-dsl review {trace or 'TRACE'}"


def labels_digest(labels: Sequence[Label]) -> str:
    return identity("labels-v1", without_floats([label.as_json() for label in labels]))


def key_of(number: Corrected) -> Key:
    return number.part, number.column, tuple((name, str(value)) for name, value in number.group.items())


def where_of(number: Corrected) -> str:
    """A number's part, and of a table its column."""
    part = ".".join(number.part) or "answer"
    return f"{part}, {number.column}" if number.column else part


def name_of(number: Corrected) -> str:
    """A number by its part, of a table also the group and the column."""
    part = ".".join(number.part) or "answer"
    group = ", ".join(str(value) for value in number.group.values())
    return f"{part}{f' {group}' if group else ''}{f' ({number.column})' if number.column else ''}"


def short(estimate: Estimate) -> str:
    """An estimate without what the model says: `17 (15 to 19)`; nothing where none is known."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return ""
    from rlm_dsl.review.corrected import figure

    value, low, high = (figure(each, estimate.whole) for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def beside(estimate: Estimate) -> str:
    """What stands behind a figure in a text: `17 by 60 reviewed rows, 15 to 19`."""
    from rlm_dsl.review.corrected import basis

    value, _, limits = short(estimate).removesuffix(")").partition(" (")
    return f"{value} {basis(estimate)}, {limits}" if limits else ""


def corrected_of(value: Mapping[str, Any]) -> Corrected:
    """A number as it was sealed. Raises what reading another form raises."""
    from rlm_dsl.review.corrected import Corrected

    part, steps = tuple(map(str, value["part"])), tuple(map(str, value["steps"]))
    return Corrected(part, str(value.get("column", "")), dict(value.get("group", {})), steps, estimate_of(value))


def estimate_of(value: Mapping[str, Any]) -> Estimate:
    held = {name: number(value.get(name)) for name in ("model", "value", "low", "high")}
    return Estimate(
        held["model"],
        held["value"],
        held["low"],
        held["high"],
        int(value["reviewed"]),
        int(value["rows"]),
        float(value.get("level", LEVEL)),
        str(value.get("method", "")),
        tuple(map(str, value.get("notes", ()))),
        str(value.get("why", "")),
        bool(value.get("whole", False)),
    )


def number(value: Any) -> float | None:
    return None if value is None else float(value)


def step_of(value: Mapping[str, Any]) -> StepReview:
    """A step as it was sealed."""
    from rlm_dsl.review.corrected import StepReview

    return StepReview(
        str(value["step"]),
        str(value["operator"]),
        int(value["reviewed"]),
        int(value["rows"]),
        estimate_of(value["agreement"]),
        {str(label): estimate_of(each) for label, each in value["precision"].items()},
        {str(label): estimate_of(each) for label, each in value["recall"].items()},
        number(value.get("kappa")),
        number(value.get("alpha")),
        int(value.get("together", 0)),
        tuple(map(str, value.get("notes", ()))),
    )


def reviewed_of(content: Mapping[str, Any]) -> Reviewed:
    """What was sealed, as a value. Raises ODD_FORM's errors for another form."""
    labels = tuple(Label.from_json(each) for each in content["labels"])
    if None in labels:
        raise ValueError("a label is not of its form")
    return Reviewed(
        str(content["head"]),
        tuple(map(corrected_of, content["numbers"])),
        tuple(map(step_of, content["steps"])),
        tuple(limits_of(each["wide"]) for each in content["numbers"]),
        tuple(
            Trials(
                str(each["step"]),
                str(each["question"]),
                {str(row): bool(right) for row, right in each["right"].items()},
                tuple(map(str, each["others"])),
            )
            for each in content["trials"]
        ),
        tuple(label for label in labels if label is not None),
        tuple(map(str, content["questions"])),
    )


def limits_of(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value
    return float(low), float(high)
