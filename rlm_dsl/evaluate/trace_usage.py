"""What an exploration used, by its trace's events: also where it came to no answer.

In: a trace, finished or not. Out: calls, tokens, turns. Law: what a server may have counted is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlm_dsl.models.recording import Usage
from rlm_dsl.models.settings import Settings
from rlm_dsl.trace.events import read_events
from rlm_dsl.trace.layout import EVENTS


def paid_for(trace: Path, usage: Sequence[Usage]) -> tuple[int, int]:
    """Calls and tokens that were paid for: by the trace's events where there is one, else by what the system says."""
    if not (trace / EVENTS).is_file():
        return sum(each.new for each in usage), sum(each.prompt_tokens + each.completion_tokens for each in usage)
    estimates: dict[str, int] = {}
    calls = tokens = 0
    for event in read_events(trace / EVENTS):
        if event.type == "call.start":
            estimates[event.content["key"]] = event.content["prompt_tokens_estimate"]
        if event.type == "call.end" and not (
            event.content["outcome"] == "failed" and not event.content["may_be_billed"]
        ):
            given = event.content.get("gen_ai.usage.input_tokens")
            calls += 1
            tokens += estimates.get(event.content["key"], 0) if given is None else given
            tokens += event.content.get("gen_ai.usage.output_tokens") or 0
    return calls, tokens


def usage_of_trace(trace: Path, settings: Settings) -> tuple[tuple[Usage, ...], int]:
    """What an exploration without an answer used, and its turns, by its trace's events."""
    events = list(read_events(trace / EVENTS)) if (trace / EVENTS).is_file() else []
    steps = {event.content["key"]: event.content["step"] for event in events if event.type == "call.start"}
    found: dict[bool, Usage] = {}
    for event in events:
        if event.type == "call.end" and event.content["outcome"] not in ("failed", "cancelled"):
            root = steps.get(event.content["key"]) == "root"
            held = found.get(root, Usage(settings.chosen("root" if root else "sub").model, root))
            found[root] = replace(
                held,
                calls=held.calls + 1,
                new=held.new + 1,
                prompt_tokens=held.prompt_tokens + (event.content.get("gen_ai.usage.input_tokens") or 0),
                completion_tokens=held.completion_tokens + (event.content.get("gen_ai.usage.output_tokens") or 0),
            )
    return tuple(found.values()), sum(event.type == "turn.end" for event in events)
