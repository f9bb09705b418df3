"""The steps of a run, a line each: name, operator, rows or value, what it asked, time.

In: steps as traces hold them. Out: text. Law: a live step and a recorded one look the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.cli.render.table import table_text
from rlm_dsl.common.counted import counted
from rlm_dsl.engine.one_answer import step_notes
from rlm_dsl.engine.packed_words import packed_words


def steps_table(steps: Sequence[Mapping[str, Any]], seconds: Mapping[str, float] | None = None) -> str:
    """A line a step: name, operator, rows or value, what it asked, time."""
    rows = [
        [
            step["step"],
            step["operator"],
            rows_or_value(step),
            asked_words(step.get("asked")),
            *([duration(seconds.get(step["step"], 0.0))] if seconds else []),
        ]
        for step in steps
    ]
    columns = ("step", "operator", "rows", "asked", "time") if seconds else ("step", "operator", "rows", "asked")
    return table_text(columns, rows, limit=200, width=60)


def duration(seconds: float) -> str:
    """`26 ms`, `86.0 s`; nothing for a step whose time is that of the query that it is a part of."""
    if not seconds:
        return ""
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def rows_or_value(step: Mapping[str, Any]) -> str:
    if "rows" in step:
        return f"{step['rows']:,}"
    return f"= {json.dumps(step['value'], ensure_ascii=False)}" if "value" in step else ""


def asked_words(asked: Mapping[str, int] | None) -> str:
    if asked is None:
        return ""
    bad = ", ".join(f"{asked[s]:,} {s}" for s in ("invalid", "refused", "error") if asked.get(s))
    return (
        counted(asked["requests"], "request") + packed_size(asked) + (f", {bad}" if bad else "") + cascade_words(asked)
    )


def packed_size(asked: Mapping[str, Any]) -> str:
    return f", packed {round(asked['packed'] / asked['packs'])}" if asked.get("packed") else ""


def packed_lines(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each step whose rows went together: how many did, and whether they were answered as they are alone."""
    came = [(step["step"], step["asked"]) for step in steps if (step.get("asked") or {}).get("packed")]
    return [f"{step}: {packed_words(asked)}" for step, asked in came]


def one_answer_lines(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each step what there is to tell of its answers, such as one that nearly all texts were given."""
    return [f"{step['step']}: {told}" for step in steps for told in step_notes(step.get("asked"))]


def cascade_words(asked: Mapping[str, Any]) -> str:
    """What a proxy did in the model's stead."""
    if asked.get("proxy_withdrawn"):
        return f", proxy withdrawn ({asked['rechecked_wrong']} of {asked['rechecked']} rechecked wrong)"
    return f", {asked['by_proxy']:,} by proxy" if "by_proxy" in asked else ""
