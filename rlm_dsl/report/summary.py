"""What changed between two runs, and why, in one paragraph.

In: two runs beside each other. Out: a sentence or three. Law: it says what the comparison found, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.compare.diff import Difference, PartDiff
from rlm_dsl.report.values import as_text

CHANGES = 4
"""Numbers of which a paragraph says whether they changed by more than the error."""


def summarize_difference(found: Difference) -> str:
    """One paragraph: the answer, then why, then what it cost."""
    if found.same:
        return "Nothing changed: the same program came to the same answer from the same data."
    parts = [part_change(part) for part in found.answer if part.differs]
    answer = f"The answer changed: {'; '.join(parts)}." if parts else "The answer is the same."
    return " ".join([answer, *by_reviews(found), *reasons(found), cost(found)])


def by_reviews(found: Difference) -> Iterator[str]:
    """Whether what changed is larger than the error, of the first numbers by name."""
    told = [f"{change.name} {change.told(both=False)}" for change in found.changes[:CHANGES]]
    more = len(found.changes) - len(told)
    if told:
        rest = f"; {counted(more, 'more number')} in the JSON" if more > 0 else ""
        yield f"Against the error: {'; '.join(told)}{rest}{found.changes[0].shared_told()}."


def part_change(part: PartDiff) -> str:
    name = part.name or "it"
    if part.rows is not None:
        counts = ((len(part.rows.changed), "changed"), (len(part.rows.added), "new"), (len(part.rows.removed), "gone"))
        told = ", ".join(f"{counted(n, 'row')} {what}" for n, what in counts if n)
        return f"{name}: {told or 'in another order'}"
    before, after = part.before, part.after
    if all(isinstance(each, int | float | Decimal) and not isinstance(each, bool) for each in (before, after)):
        before, after = alike(before, after)
        share = f", {(after - before) / before:+.1%}" if before else ""
        return f"{name} from {before:,} to {after:,} ({after - before:+,}{share})"
    return f"{name} from {brief(before)} to {brief(after)}"


def alike(before: Any, after: Any) -> tuple[Any, Any]:
    """Two numbers of one kind: a decimal beside a float is one."""
    mixed = {type(before), type(after)} == {float, Decimal}
    return (float(before), float(after)) if mixed else (before, after)


def brief(value: Any) -> str:
    text = "nothing" if value is None else as_text(value)
    return text if len(text) <= 60 else text[:57] + "..."


def reasons(found: Difference) -> Iterator[str]:
    for name in sorted(found.data):
        a, b = found.a.side.contexts.get(name), found.b.side.contexts.get(name)
        if a is not None and b is not None:
            yield f"The data of {name} is other ({counted(a['rows'], 'row')} before, {b['rows']:,} now)."
    for name, (before, after) in found.params.items():
        yield f"The param {name} is {brief(after)} in place of {brief(before)}."
    if found.changed_program:
        yield f"The program changed in {', '.join(f'`{name}`' for name in found.changed_program[:5])}."
    if found.prompts:
        yield f"The instructions changed in {', '.join(f'`{name}`' for name in found.prompts)}."
    if found.flaky:
        yield f"The model answered {counted(found.flaky, 'same request')} differently."


def cost(found: Difference) -> str:
    live = sum(step.live for step in found.steps)
    asked = sum(
        (step.after or {}).get("asked", {}).get("requests", 0)
        for step in found.steps
        if (step.after or {}).get("asked")
    )
    return f"{live:,} of {counted(asked, 'question', 'were')} asked anew." if asked else "No model was asked."
