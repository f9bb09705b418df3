"""Reviews as text: a row with what stands around it, a plan, what reviewed rows tell.

In: values of a session. Out: lines. Law: the model's answer stands in them only after the reviewer's, or where it was
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.cli.render.table import table_text
from rlm_dsl.common.counted import counted
from rlm_dsl.review.corrected import Corrected, StepReview, figure, told
from rlm_dsl.review.keys import keys_of
from rlm_dsl.review.planned_numbers import PlannedNumber
from rlm_dsl.review.planning import Planned
from rlm_dsl.review.session import Answered, Item, Session

LONGEST = 4_000
"""Characters of a row's text that are shown."""


def item_text(session: Session, item: Item) -> str:
    progress = session.progress
    lines = [f"── row {progress.done + 1} of {progress.rows}, {item.place} ──"]
    if item.before:
        lines.append(f"  before: {one_line(item.before)}")
    lines += ["", *(f"  {line}" for line in shown_lines(item)), ""]
    if item.after:
        lines.append(f"  after: {one_line(item.after)}")
    lines += [f"  {name}: {one_line(shown(value))}" for name, value in item.columns.items()]
    lines += ["", item.question]
    if item.model is not None:
        lines.append(f"the model says: {answer_text(item.model)}")
    return "\n".join((*lines, choices(item)))


def shown_lines(item: Item) -> list[str]:
    """What the model was shown; of a pair, what each of its rows holds."""
    if item.pair is not None:
        left, right = ([f"{name}: {one_line(shown(value))}" for name, value in side.items()] for side in item.pair)
        return [*left, "and", *right]
    text = item.text if len(item.text) <= LONGEST else f"{item.text[:LONGEST]}... (+{len(item.text) - LONGEST:,})"
    return text.split("\n")


def choices(item: Item) -> str:
    if item.labels is None:
        fields = ", ".join(f"{name}: {type_}" for name, type_ in item.fields.items())
        return f"{fields}, as JSON or the one value   [?] cannot tell  [u] undo  [q] leave"
    named = [f"[{key}] {label_text(label)}" for key, label in keys_of(item.labels).items()]
    return "  ".join((*named, "[?] cannot tell", "[u] undo", "[q] leave"))


def label_text(label: str | bool) -> str:
    return label if isinstance(label, str) else "yes" if label else "no"


def shown(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else f"{flat[:160]}..."


def answer_text(answer: Mapping[str, Any]) -> str:
    if len(answer) == 1:
        value = next(iter(answer.values()))
        return label_text(value) if isinstance(value, str | bool) else str(value)
    return ", ".join(f"{name}: {value}" for name, value in answer.items())


def answered_text(session: Session, answered: Answered) -> str:
    model = "gave no valid answer" if answered.model is None else f"said {answer_text(answered.model)}"
    said = "cannot tell" if answered.label.answer is None else answer_text(answered.label.answer)
    mark = "" if answered.same is None else " =" if answered.same else " ≠"
    return f"kept: {said}{mark} the model {model}\n"


def plan_text(
    session: Session, right: float, known: bool, planned: Sequence[Planned], own: Sequence[PlannedNumber] = ()
) -> str:
    basis = "by the rows reviewed so far" if known else "assumed"
    lines = [
        f"{session.step.name}: {counted(len(session.step.keys), 'row')}, drawn by {session.design.by}; "
        f"the model is right in {100 * right:.0f} % of them ({basis})",
        "",
    ]
    labels = [width.label for width in planned[0].widths] if planned else []
    header = ("rows", "agreement", *labels)
    model = ("", "", *(f"{w.model:,} by the model" for w in planned[0].widths)) if planned else ()
    rows = [
        (f"{each.rows:,}", f"± {50 * each.agreement:.1f} %", *(f"{w.low:,.0f} to {w.high:,.0f}" for w in each.widths))
        for each in planned
    ]
    told = table_text(header, [list(row) for row in ([model, *rows] if model else rows)])
    for number in own:
        whole = number.number.estimate.whole
        limits = (
            f"{figure(e[1], whole)} to {figure(e[2], whole)} by {counted(e[0], 'row')}" for e in number.limits if e
        )
        told += f"\n{name_of(number.number)}: {', '.join(limits) or 'not known'}"
    return "\n".join((*lines, told))


def summary_text(session: Session, numbers: Sequence[Corrected], reviews: Sequence[StepReview]) -> str:
    progress = session.progress
    of = f" of {session.step.name}" if len(session.run.steps) > 1 else ""
    lines = [f"{progress.done:,} of {counted(progress.rows, 'row')}{of} reviewed; labels in {session.path}"]
    for number in numbers:
        lines.append(f"{name_of(number)}: {number.told()}")
        lines += [f"  {note}" for note in number.estimate.notes]
    for review in reviews:
        lines.append(f"{review.step}: right {told(review.agreement).split('; ')[-1]}")
        for label in review.precision:
            of = "" if label == "yes" and len(review.precision) == 1 else f" of {label}"
            precision, recall = (told(each).split("; ")[-1] for each in (review.precision[label], review.recall[label]))
            lines.append(f"  precision{of} {precision}; recall {recall}")
        if review.together:
            alpha = "none" if review.alpha is None else f"{review.alpha:.2f}"
            kappa = "" if review.kappa is None else f", Cohen's kappa {review.kappa:.2f}"
            lines.append(f"  reviewers on {counted(review.together, 'row')}: Krippendorff's alpha {alpha}{kappa}")
    return "\n".join(lines)


def name_of(number: Corrected) -> str:
    part = ".".join(number.part) or "answer"
    group = ", ".join(f"{key} {value}" for key, value in number.group.items())
    return f"{part}{f' {group}' if group else ''}{f' ({number.column})' if number.column else ''}"
