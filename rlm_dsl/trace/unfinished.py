"""A run that came to no answer, as far as it came: its steps, its program so far, its calls.

In: an unfinished trace. Out: what a finished one holds in files of its own. Law: it is read from log and journal
alone; of turns that were gone through again after a stop, the last time counts; what was refused is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse_prefix
from rlm_dsl.language.syntax.show import show
from rlm_dsl.trace.events import read_events
from rlm_dsl.trace.journal import read_journal
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace

FIELDS = ("step", "operator", "key", "inputs", "type", "line", "rows", "digest", "value", "asked")
"""What a line of `steps.jsonl` holds."""


def own_events(trace: Trace, kind: str) -> Iterator[Mapping[str, Any]]:
    """The events of a kind since the run last began, but for those of sub-runs."""
    found: list[Mapping[str, Any]] = []
    for event in read_events(trace.folder / EVENTS) if (trace.folder / EVENTS).is_file() else ():
        content = event.content if event.sound else {}
        if content.get("type") == "run.resume":
            found = []
        if content.get("type") == kind and not content.get("sub_run"):
            found.append(content)
    yield from found


def steps_so_far(trace: Trace) -> list[dict[str, Any]]:
    """The steps that ended, as a finished trace has them."""
    found = []
    for content in own_events(trace, "step.end"):
        told = {("type" if name == "result_type" else name): value for name, value in content.items() if name != "type"}
        found.append({name: told[name] for name in FIELDS if name in told})
    return found


def program_so_far(trace: Trace) -> str:
    """What the turns of an exploration bound, in order; of a program that was run, its text."""
    for content in own_events(trace, "run.start"):
        if "program" in content:
            return str(content["program"])
    kept: dict[str, t.Statement] = {}
    for content in own_events(trace, "turn.end"):
        ran = str(content.get("accepted", "")) if content.get("errors") else str(content.get("program", ""))
        for statement in parse_prefix(Source("turn", ran)).tree.statements:
            if isinstance(statement, t.Binding | t.ParamStatement):
                kept.setdefault(statement.name, statement)
    return show(t.Tree(tuple(kept.values()))) if kept else ""


def calls_so_far(trace: Trace) -> list[dict[str, str]]:
    """The calls that were answered, as a finished trace's table of them has them."""
    return [{"step": "", "request": "{}", **row} for row in read_journal(trace.folder)]
