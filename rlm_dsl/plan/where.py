"""What of a plan runs where, in words: on each shard of a context, or here, where rows meet.

In: a plan, and the contexts that lie in shards. Out: lines. Law: every step is told of once, and what is sent on, as
much as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from rlm_dsl.common.counted import counted
from rlm_dsl.plan.cut import SentOn, cut
from rlm_dsl.plan.stages import ModelStage, Plan


def where_lines(plan: Plan, parted: Mapping[str, int], shards: Mapping[str, int]) -> list[str]:
    """A line a piece of work; `parted` are contexts in shards with how many rows they have, `shards` with how many of
    these."""
    lines: list[str] = []
    for stage in plan.stages:
        if isinstance(stage, ModelStage):
            lines.append(f"{stage.step_name}: asked from here, within the one budget")
            continue
        made = cut(stage, parted, plan.made, plan.stages)
        names = [step.name for step in stage.steps] or [stage.name]
        if made is None:
            lines.append(f"{' -> '.join(names)}: here")
            continue
        for sent in made.sent.values():
            lines.append(sent_line(sent, shards[sent.context]))
        if here := [name for name in names if name in made.meets]:
            lines.append(f"{' -> '.join(here)}: here, where rows meet")
    return lines


def sent_line(sent: SentOn, shards: int) -> str:
    """What runs on each shard, and what comes of it."""
    chain = " -> ".join(step.name for step in sent.chain) or f"the rows of {sent.context}"
    beside = f", beside {', '.join(sent.beside)}" if sent.beside else ""
    return f"{chain}: on each of {counted(shards, 'shard')} of {sent.context}{beside}; {what_comes(sent)}"


def what_comes(sent: SentOn) -> str:
    reader = sent.reader
    if sent.partial is not None:
        return f"of each shard come the sums of {reader}, or its rows where they are few"
    if sent.first is not None:
        return f"of each shard come the rows that {reader} may take"
    if sent.columns is not None:
        named = ", ".join(sent.columns) or "no column"
        return f"their places come here, with {named}, for {reader}"
    return "all their columns come here"
