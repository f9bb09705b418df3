"""The verdicts of `test`: a line a trace, what is wrong in full, requests answered differently.

In: verdicts. Out: text. Law: all text of traces passes through `safe`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlm_dsl.cli.output import MARKS, indent, safe
from rlm_dsl.cli.render.diff import part_lines, short
from rlm_dsl.common.counted import counted

if TYPE_CHECKING:
    from rlm_dsl.compare.flaky import Flaky
    from rlm_dsl.compare.regression import Tested

FLAKY_SHOWN = 5


def verdict_text(one: Tested) -> str:
    """A line, and what is wrong below it."""
    mark = MARKS["skipped" if one.skipped else "ok" if one.ok else "failed"]
    line = f"{mark} {one.name}  {one.problem or one.told}  ({one.seconds:.1f} s)"
    return safe("\n".join([line, *(indent(each, "    ") for each in below(one))]))


def below(one: Tested) -> list[str]:
    lines = [line for part in one.changed for line in part_lines(part)]
    return [*lines, *one.detail.splitlines()]


def flaky_text(flaky: Sequence[Flaky]) -> str:
    """How many same requests were answered differently, and the first of them; nothing where none was."""
    if not flaky:
        return ""
    by_step = ", ".join(f"{step} {count:,}" for step, count in Counter(one.step for one in flaky).most_common())
    count = counted(len(flaky), "same request")
    lines = [f"! {count} {'was' if len(flaky) == 1 else 'were'} answered differently: {by_step}"]
    for one in flaky[:FLAKY_SHOWN]:
        answers = "; ".join(f"{name}: {short(text, 40)}" for name, text in one.answers.items())
        lines.append(f"    {one.step} {one.key[:16]}  {answers}")
    return safe("\n".join(lines)) + "\n"


def summary_text(found: Sequence[Tested]) -> str:
    failed = sum(not one.ok for one in found)
    seconds = sum(one.seconds for one in found)
    skipped = sum(one.skipped for one in found)
    failures = f"{failed:,} failed" + (f", {skipped:,} not tested" if skipped else "")
    return f"{counted(len(found), 'trace')}, {failures}, 0 model calls, {seconds:.1f} s"
