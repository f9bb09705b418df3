"""What `diff` says: two runs beside each other, for a terminal of any width and as Markdown.

In: a difference. Out: text. Law: marks (+ - ! and ~, not known) carry the meaning; a narrow terminal
loses columns from the right.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from rlm_dsl.cli.output import safe
from rlm_dsl.cli.render.width import shortened
from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.diagnostics import cells
from rlm_dsl.language.edit.corrections import corrections_told

if TYPE_CHECKING:
    from rlm_dsl.compare.diff import Difference, PartDiff, StepDiff
    from rlm_dsl.compare.rows import Columns, Rows

ROWS_SHOWN, MOVES_SHOWN, PARTS_SHOWN = 20, 3, 8
STEPS = ("step", "rows before", "after", "same", "+added", "-removed", "!changed", "model calls", "why it ran")
SHARED = 2
"""Words that a change of prompts shows around it."""


def diff_text(d: Difference, width: int, *, step: str = "", rows: bool = False, limit: int = ROWS_SHOWN) -> str:
    """All of it, or one step; with `rows` the rows that differ too, so many of each kind."""
    if step:
        found = next(one for one in d.steps if one.pair.name == step)
        lines = [*step_lines(d, found, width, limit)]
    else:
        lines = [*opening(d), *program_lines(d), *correction_lines(d), "", *table(STEPS, steps_rows(d), width)]
        lines += ["", *why_lines(d), *answer_lines(d), *prompt_lines(d), *cost_lines(d)]
        if rows:
            for one in d.steps:
                if one.rows is not None and one.rows.differ and one.a is not None and one.b is not None:
                    lines += ["", f"{one.pair.name}", *row_lines(one.rows, one.a, one.b, limit)]
    return "\n".join(told for line in lines for told in fitted(safe(line).rstrip(), width))


def fitted(line: str, width: int) -> list[str]:
    """A line that fits: words go on in the next, rows are cut."""
    if cells(line) <= width:
        return [line]
    if line.startswith(("prompt", "why", "cost")):
        return textwrap.wrap(line, width, subsequent_indent=" " * 10) or [line]
    return [shortened(line, width)]


def opening(d: Difference) -> Iterator[str]:
    """What is compared, in a line or two: how far it is the same."""
    if d.same:
        yield f"no difference: {d.a.trace.name} and {d.b.trace.name} are the same run in all that is not time or cost"
        return
    other = d.changed_program
    parts = ["same program" if not other else "same program except " + ", ".join(f"`{name}`" for name in other)]
    yield parts[0]
    for name in dict.fromkeys([*d.a.side.contexts, *d.b.side.contexts]):
        before, after = d.a.side.contexts.get(name), d.b.side.contexts.get(name)
        if before is None or after is None:
            yield f"{'+' if before is None else '-'} context {name}"
        elif name in d.data:
            yield f"! {name}  {before['rows']:,} -> {counted(after['rows'], 'row')}: not the same data"
    for name, (one, two) in d.params.items():
        yield f"! param {name}  {short(one)} -> {short(two)}"


def program_lines(d: Difference) -> Iterator[str]:
    """The steps that are others: what of each, and where it stands."""
    for step in d.steps:
        pair = step.pair
        if pair.before is None and pair.after is not None:
            yield f"+ {pair.name}  {pair.operator}  program.rlm:{pair.after.line}"
        elif pair.after is None and pair.before is not None:
            yield f"- {pair.name}  {pair.operator}  program.rlm:{pair.before.line}"
        elif pair.after is not None:
            for change in pair.changes:
                what = f"! {pair.name}  {pair.operator}  {change.what}"
                yield f"{what}  {change_words(change.before, change.after)}  program.rlm:{pair.after.line}"


def correction_lines(d: Difference) -> Iterator[str]:
    """What was corrected by hand in one of the two alone."""
    before, after = (corrections_told(side.trace.program) for side in (d.a, d.b))
    yield from (f"+ {told}" for told in after if told not in before)
    yield from (f"- {told}" for told in before if told not in after)


def change_words(before: str, after: str) -> str:
    """Two sides; lists by what came and went."""
    lists = [as_list(text) for text in (before, after)]
    if all(each is not None for each in lists):
        one, other = ([json.dumps(item, ensure_ascii=False) for item in each or ()] for each in lists)
        marks = [f"+{item}" for item in other if item not in one] + [f"-{item}" for item in one if item not in other]
        if marks:
            return " ".join(marks)
    return f"{short(before or 'unset')} -> {short(after or 'unset')}"


def as_list(text: str) -> list[Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def short(value: Any, most: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def steps_rows(d: Difference) -> Iterator[list[str]]:
    for step in d.steps:
        rows = step.rows
        counts = ["", "", "", ""]
        if rows is not None:
            counts = [f"{n:,}" for n in (rows.same, len(rows.added), len(rows.removed), len(rows.changed))]
        name = f"{mark_of(step)} {step.pair.name} {step.pair.operator}"
        yield [name, size(step.before), size(step.after), *counts, f"{step.live:,}" if asks(step) else "", step.why]


def mark_of(step: StepDiff) -> str:
    if step.pair.before is None or step.pair.after is None:
        return "+" if step.pair.before is None else "-"
    return "!" if step.differs else "~" if step.is_open else " "


def asks(step: StepDiff) -> bool:
    present = step.pair.after or step.pair.before
    return present is not None and present.asks


def size(record: Any) -> str:
    """A step's rows, or its value."""
    if record is None:
        return "-"
    if "rows" in record:
        return f"{record['rows']:,}"
    return short(record["value"], 12) if "value" in record else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> list[str]:
    """Aligned columns; numbers to the right; as many columns as fit, from the left."""
    held = [list(head), *map(list, rows)]
    widths = [max(cells(row[place]) for row in held) for place in range(len(head))]
    count, used = 0, 0
    while count < len(head) and used + widths[count] <= width:
        used, count = used + widths[count] + 2, count + 1
    if count == len(head) - 1 and width - used >= 8:  # the last is words: it may be cut
        widths[count], count = width - used, len(head)
    lines = []
    for row in held:
        shown = []
        for place, text in enumerate(row[:count]):
            blank = " " * max(0, widths[place] - cells(text))
            shown.append(text + blank if place in (0, len(head) - 1) else blank + text)
        lines.append("  ".join(shown))
    return lines


def why_lines(d: Difference) -> Iterator[str]:
    """Why rows changed, where the change came about; what follows from that is not told again."""
    from rlm_dsl.compare.diff import OWN_TEXT

    for step in d.steps:
        for told, count in step.causes.items():
            if ": " in told:
                continue
            moves = [f"{n:,} {a} became {b}" for (a, b), n in list(step.moves.items())[:MOVES_SHOWN]]
            shown = f" ({', '.join(short(move, 50) for move in moves)})" if moves and told != OWN_TEXT else ""
            rows = counted(count, "row")
            yield f"why       {step.pair.name}: {rows} changed: {told}{shown}"


def answer_lines(d: Difference) -> Iterator[str]:
    for part in d.answer:
        yield from part_lines(part)
    for change in d.changes[:CHANGES_SHOWN]:
        yield f"reviewed {'!' if change.larger else ' '} {change.name}  {change.told()}"
    if len(d.changes) > CHANGES_SHOWN:
        yield f"... {counted(len(d.changes) - CHANGES_SHOWN, 'more number')}: --json has all"
    gained, lost = d.evidence
    if gained or lost:
        yield f"evidence  +{gained:,} -{lost:,} of the listed places"


def part_lines(part: PartDiff) -> Iterator[str]:
    label = f"{part.name}  " if part.name else ""
    if not part.differs:
        yield f"answer    {label}{'the same' if part.rows is not None else short(part.after)}"
    elif part.rows is None or part.a is None or part.b is None:
        yield f"answer  ! {label}{short(part.before)} -> {short(part.after)}"
    else:
        rows = part.rows
        counts = f"+{len(rows.added):,} -{len(rows.removed):,} !{len(rows.changed):,}"
        yield f"answer  ! {label}{counts}, {rows.same:,} the same"
        yield from (f"          {line}" for line in row_lines(rows, part.a, part.b, PARTS_SHOWN))
        if not rows.differ:
            yield "          the same rows in another order, or other columns"


def row_lines(rows: Rows, a: Columns, b: Columns, limit: int) -> Iterator[str]:
    """The rows that differ: changed ones by what is the same of them and what is not."""
    from rlm_dsl.compare.rows import changed_cells

    for change in rows.changed[:limit]:
        differ = list(changed_cells(rows, a, b, change))
        names = {name for name, _, _ in differ}
        kept = [short(b.values[name][change.after], 30) for name in rows.names if name not in names]
        yield f"! {'  '.join(kept)}  " + ", ".join(f"{n} {short(x, 30)} -> {short(y, 30)}" for n, x, y in differ)
    for mark, side, places in (("+", b, rows.added), ("-", a, rows.removed)):
        for place in places[:limit]:
            yield f"{mark} {'  '.join(short(side.values[name][place], 30) for name in side.names)}"
    more = sum(max(0, len(each) - limit) for each in (rows.changed, rows.added, rows.removed))
    if more:
        yield f"... {counted(more, 'more row')}"


def prompt_lines(d: Difference) -> Iterator[str]:
    for name, (before, after) in d.prompts.items():
        yield f"prompt  ! {name}  {word_diff(before, after)}"


def word_diff(before: str, after: str) -> str:
    """What came and went, word by word, with a few words around it: [-old-] {+new+}."""
    a, b = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (before, after))
    a, b = ([" " if word.isspace() else word for word in words] for words in (a, b))
    shown: list[str] = []
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind == "equal":
            words = a[a0:a1]
            keep = 2 * SHARED
            shown += words if len(words) <= 2 * keep else [*words[:keep], "… ", *words[-keep:]]
            continue
        if gone := "".join(a[a0:a1]).strip():
            shown.append(f"[-{gone}-]")
        if came := "".join(b[b0:b1]).strip():
            shown.append(f"{{+{came}+}}")
    return "".join(shown).strip()


def cost_lines(d: Difference) -> Iterator[str]:
    one, other = d.cost
    usd = ""
    if one["usd"] is not None and other["usd"] is not None:
        more = f" ({(other['usd'] - one['usd']) / one['usd']:+.0%})" if one["usd"] else ""
        usd = f"{money(one['usd'])} -> {money(other['usd'])}{more}  "
    calls = f"calls {one['calls']:,} -> {other['calls']:,}, {other['known']:,} known before"
    yield f"cost      {usd}{calls}, tokens {one['tokens']:,} -> {other['tokens']:,}"
    if d.flaky:
        yield f"flaky   ! {counted(d.flaky, 'same request', 'were')} answered differently"


def step_lines(d: Difference, step: StepDiff, width: int, limit: int) -> Iterator[str]:
    """One step in full: its changes, its prompt, its rows."""
    yield from table(STEPS, [next(row for row, one in zip(steps_rows(d), d.steps, strict=True) if one is step)], width)
    for change in step.pair.changes:
        yield f"! {change.what}  {short(change.before, 400)} -> {short(change.after, 400)}"
    for told, count in step.causes.items():
        yield f"why  {counted(count, 'row')} changed: {told}"
    for (a, b), count in step.moves.items():
        yield f"     {count:,} {short(a)} became {short(b)}"
    if step.pair.name in d.prompts:
        yield f"prompt  {word_diff(*d.prompts[step.pair.name])}"
    if step.rows is not None and step.a is not None and step.b is not None:
        yield from row_lines(step.rows, step.a, step.b, limit)


CHANGES_SHOWN = 20
"""Numbers of which it is told whether they changed by more than the error."""
MARKDOWN = 60_000
"""Characters that a comment on a pull request may have, with room to spare."""


def diff_markdown(d: Difference) -> str:
    """The same as Markdown, short enough for a comment."""
    lines = [f"### {escaped(d.a.trace.name)} → {escaped(d.b.trace.name)}", "", *map(listed, opening(d))]
    lines += [*map(listed, program_lines(d)), "", *markdown_table(STEPS, steps_rows(d)), ""]
    found = [*why_lines(d), *answer_lines(d), *prompt_lines(d), *cost_lines(d)]
    lines += ["```text", *(safe(line).replace("```", "'''") for line in found), "```"]
    text = "\n".join(lines)
    return text if len(text) <= MARKDOWN else text[: MARKDOWN - 40] + "\n```\n\n… the rest is left out"


def listed(line: str) -> str:
    return f"- {escaped(line)}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 2)}---|"
    for row in rows:
        yield f"| {' | '.join(map(escaped, row))} |"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", safe(" ".join(text.split())))
