"""What a review's page is told of a row, of how far it is, and of the numbers so far.

In: values of a session. Out: values as JSON has them. Law: the model's answer is among them only where it may be seen;
control characters of texts are made visible; labels and fields are named by their places, so that nothing is read back
from what was made visible.
"""

from __future__ import annotations

import decimal as exact
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.common.diagnostics import UserError, printable, printable_lines
from rlm_dsl.common.json_ready import json_ready, json_text
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, QUOTE, TEXT, TIMESTAMP, Decimal, Enum, Nullable, Scalar, Type
from rlm_dsl.report.values import as_text
from rlm_dsl.review.corrected import Corrected, StepReview, figure, told
from rlm_dsl.review.estimates.estimate import Estimate
from rlm_dsl.review.keys import by_one_key, keys_of
from rlm_dsl.review.opened import Answer, ReviewedStep
from rlm_dsl.review.session import Answered, Item, Session

MOST_NUMBERS = 12
"""Numbers of the answer that are told beside the row."""
PLAIN = {INT: "number", FLOAT: "number", DATE: "date", TIMESTAMP: "text", TEXT: "text", QUOTE: "text"}


def form_view(step: ReviewedStep) -> dict[str, Any]:
    """How a row is answered: by labels, or by a form of fields."""
    if step.labels is None:
        return {"fields": [field_view(field.name, field.type) for field in step.result.fields]}
    keys = {label: key for key, label in keys_of(step.labels).items()} if by_one_key(step.labels) else {}
    return {"labels": [{"text": label_text(label), "key": keys.get(label, "")} for label in step.labels]}


def label_text(label: str | bool) -> str:
    return printable(label) if isinstance(label, str) else "yes" if label else "no"


def field_view(name: str, type_: Type) -> dict[str, Any]:
    inner = type_.of if isinstance(type_, Nullable) else type_
    told = {"name": printable(name), "type": str(type_), "optional": isinstance(type_, Nullable)}
    if inner == BOOL:
        return {**told, "kind": "choice", "options": ["yes", "no"]}
    if isinstance(inner, Enum):
        return {**told, "kind": "choice", "options": [printable(value) for value in inner.values]}
    if isinstance(inner, Decimal):
        return {**told, "kind": "number"}
    return {**told, "kind": PLAIN.get(inner, "json") if isinstance(inner, Scalar) else "json"}


def read_form(step: ReviewedStep, given: Mapping[str, Any]) -> Any:
    """What a page sent, as a session takes it: a label by its place, or the fields by theirs. Raises UserError."""
    if step.labels is not None:
        at = given.get("label")
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < len(step.labels):
            raise UserError("no label is chosen")
        return step.labels[at]
    values, fields = given.get("values"), step.result.fields
    if not isinstance(values, list) or len(values) != len(fields):
        raise UserError("the fields of the answer are missing")
    return {field.name: read_field(field.name, field.type, value) for field, value in zip(fields, values, strict=True)}


def read_field(name: str, type_: Type, given: Any) -> Any:
    """A field as it was typed, of a choice its place; what is left empty is null where that may be."""
    inner = type_.of if isinstance(type_, Nullable) else type_
    if given in ("", None):
        if isinstance(type_, Nullable):
            return None
        if inner in (TEXT, QUOTE):
            return ""
        raise UserError(f"`{name}` is empty", f"it is {type_}; `?` says that you cannot tell")
    if inner == BOOL or isinstance(inner, Enum):
        options = [True, False] if inner == BOOL else list(inner.values)  # type: ignore[union-attr]
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < len(options):
            raise UserError(f"nothing is chosen for `{name}`")
        return options[given]
    text = str(given)
    if isinstance(inner, Scalar) and PLAIN.get(inner) != "number":
        return text.strip() if inner in (DATE, TIMESTAMP) else text
    try:
        return json.loads(text.strip(), parse_float=exact.Decimal if isinstance(inner, Decimal) else float)
    except ValueError:
        raise UserError(f"`{name}` cannot be read: {printable(text)[:60]}", f"it is {type_}") from None


def item_view(session: Session, item: Item) -> dict[str, Any]:
    """A row as it is shown. What this reviewer said of it, and the model's answer, stand there where they are known."""
    answered = session.answered(item.row) if session.step.digests[item.row] in session.mine else None
    model = item.model if answered is None else session.step.answers[item.row]
    sides, columns = sides_view(session.step, item)
    return {
        "row": item.row,
        "number": item.number,
        "place": printable(item.place),
        "question": printable_lines(item.question),
        "text": "" if sides is not None else printable_lines(item.text),
        "sides": None if sides is None else [cells(side) for side in sides],
        "columns": cells(columns),
        "before": printable(item.before),
        "after": printable(item.after),
        "model": None if model is None else answer_text(model),
        "answered": None if answered is None else answered_view(session, answered),
    }


def sides_view(step: ReviewedStep, item: Item) -> tuple[Sequence[Mapping[str, Any]] | None, Mapping[str, Any]]:
    """What stands in columns beside each other, if it is no plain text: both rows of a pair, or all that was shown; and
    the other columns."""
    if item.pair is not None:
        return item.pair, item.columns
    shown = step.stage.shown
    if len(shown) < 2:
        return None, item.columns
    others = {name: value for name, value in item.columns.items() if name not in shown}
    return [{name: item.columns[name] for name in shown if name in item.columns}], others


def cells(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(printable(name), printable_lines(as_text(value))) for name, value in values.items() if value is not None]


def answer_text(answer: Answer | None) -> str:
    if answer is None:
        return "no valid answer"
    if len(answer) == 1:
        value = next(iter(answer.values()))
        return label_text(value) if isinstance(value, str | bool) else printable(json_text(value))
    return ", ".join(f"{printable(name)}: {printable(as_text(json_ready(value)))}" for name, value in answer.items())


def answered_view(session: Session, answered: Answered) -> dict[str, Any]:
    label = answered.label
    return {
        "said": "cannot tell" if label.answer is None else answer_text(label.answer),
        "choice": choice_of(session.step, session.step.typed(label.answer)),
        "model": answer_text(answered.model),
        "same": answered.same,
        "blind": label.blind,
    }


def choice_of(step: ReviewedStep, answer: Answer | None) -> Any:
    """An answer as the page's form has it: a label's place, or what stands in each field."""
    if answer is None:
        return None
    values = [answer[name] for name in step.fields()]
    if step.labels is not None:
        return step.labels.index(values[0])
    return [field_text(field.type, value) for field, value in zip(step.result.fields, values, strict=True)]


def field_text(type_: Type, value: Any) -> Any:
    inner = type_.of if isinstance(type_, Nullable) else type_
    if value is None:
        return ""
    if inner == BOOL or isinstance(inner, Enum):
        return (0 if value else 1) if inner == BOOL else inner.values.index(value)  # type: ignore[union-attr]
    ready = json_ready(value)
    return ready if isinstance(ready, str) else json_text(value)


def numbers_view(numbers: Sequence[Corrected], review: StepReview | None) -> list[dict[str, str]]:
    """The numbers of the answer, and how often the model is right, each with its interval so far."""
    found = []
    if review is not None:
        found.append(estimate_view("the model is right", review.agreement, share=True))
    found += [estimate_view(name_of(number), number.estimate) for number in numbers[:MOST_NUMBERS]]
    if left := len(numbers) - MOST_NUMBERS:
        found += [{"name": f"{left:,} more", "told": "rlm-dsl review --summary tells them"}] if left > 0 else []
    return found


def estimate_view(name: str, estimate: Estimate, share: bool = False) -> dict[str, str]:
    """A number in the words that it is told in anywhere; of a known one the parts."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return {"name": name, "told": told(estimate)}
    value, low, high = (
        f"{100 * each:.1f} %" if share else figure(each, estimate.whole)
        for each in (estimate.value, estimate.low, estimate.high)
    )
    model = "" if share or estimate.model is None else figure(estimate.model, estimate.whole)
    return {"name": name, "model": model, "value": value, "interval": f"{low} to {high}", "told": told(estimate)}


def name_of(number: Corrected) -> str:
    part = ".".join(number.part) or "the answer"
    group = ", ".join(f"{key} {as_text(value)}" for key, value in number.group.items())
    return printable(f"{part}{f' of {group}' if group else ''}{f' ({number.column})' if number.column else ''}")
