"""The runs of a folder as text.

In: what is listed of each. Out: a line a run, and below it what was asked and what came of it. Law: no line is wider
than the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlm_dsl.cli.render.table import table_text
from rlm_dsl.cli.render.width import fitted, terminal_width
from rlm_dsl.common.counted import counted, money
from rlm_dsl.trace.listed import Listed


def runs_text(found: Sequence[Listed]) -> str:
    rows = [[each.path, each.state, each.created.replace("T", " "), cost_told(each)] for each in found]
    head, *lines = table_text(("run", "state", "created", "cost"), rows, limit=len(rows), width=60).splitlines()
    out = [head]
    for each, line in zip(found, lines, strict=True):
        out += [line, *(f"  {told}" for told in (each.question, each.answer and f"= {each.answer}", each.why) if told)]
    return fitted("\n".join([*out, "", counted(len(found), "run")]), terminal_width())


def cost_told(each: Listed) -> str:
    if not each.calls:
        return "asked nothing"
    paid = "" if each.usd is None else f", {money(each.usd)}"
    return f"{counted(each.calls, 'call')}, {counted(each.tokens, 'token')}{paid}"
