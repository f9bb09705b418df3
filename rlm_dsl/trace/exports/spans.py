"""The spans of a run: the whole of it, its turns, steps and attempts at model calls, each within the one around it.

In: a sealed trace. Out: spans with times and the events they are made of. Law: a span's identifier is derived from its
event's hash and the trace's from its head, so that exporting again changes nothing.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rlm_dsl.common.hashing import tagged
from rlm_dsl.trace.events import parse_line, whole_lines
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace

Kind = Literal["run", "turn", "step", "call"]
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a run, in nanoseconds since 1970. `first` and `last` are the events at its ends; `request` and
    `answer` are those of a call, where they are wanted and were recorded."""

    kind: Kind
    id: str
    parent: str
    start: int
    end: int
    first: Content
    last: Content
    request: Content = field(default_factory=dict)
    answer: Content = field(default_factory=dict)


def spans_of(trace: Trace, *, content: bool = False) -> Iterator[Span]:
    """The run's span first, then the others as they ended."""
    events = [event for line in whole_lines(trace.folder / EVENTS) if (event := parse_line(line))]
    root, last = events[0], events[-1]
    top = span_id(root)
    yield Span("run", top, "", nanoseconds(root), nanoseconds(last), root, last)
    calls = calls_by_key(trace) if content else {}
    started: dict[str, list[Content]] = {}
    turn: Content | None = None
    for event in events[1:]:
        around = top if turn is None else span_id(turn)
        match event["type"]:
            case "turn.start" | "call.start":
                started.setdefault(span_name(event), []).append(event)
                turn = event if is_own_turn(event) else turn
            case "turn.end" if opened := started.pop(span_name(event), None):
                turn = None if is_own_turn(event) else turn
                over = top if turn is None else span_id(turn)
                yield Span(
                    "turn", span_id(opened[0]), over, nanoseconds(opened[0]), nanoseconds(event), opened[0], event
                )
            case "call.end" if opened := started.get(span_name(event)):
                first = opened.pop(0)
                request, answer = calls.get(str(event["key"]), ({}, {}))
                yield Span(
                    "call",
                    span_id(first),
                    around,
                    nanoseconds(first),
                    nanoseconds(event),
                    first,
                    event,
                    request,
                    answer,
                )
            case "run.resume":  # what was under way when the run was stopped has no end
                started.clear()
                turn = None
            case "step.end":
                end = nanoseconds(event)
                yield Span("step", span_id(event), around, end - taken(event), end, event, event)
            case _:
                pass


def is_own_turn(event: Content) -> bool:
    """Whether a turn is of the exploration itself; those of sub-runs may go on side by side."""
    return str(event["type"]).startswith("turn.") and "sub_run" not in event


def span_name(event: Content) -> str:
    """What the two ends of a stretch have in common."""
    if "key" in event:
        return f"call {event['key']}"
    return f"turn {event.get('sub_run', '')} {event.get('turn')}"


def calls_by_key(trace: Trace) -> dict[str, tuple[Content, Content]]:
    """Requests and answers by key."""
    rows = trace.table("calls").to_pylist()
    return {row["key"]: (json.loads(row["request"]), json.loads(row["answer"])) for row in rows}


def nanoseconds(event: Content) -> int:
    moment = datetime.datetime.fromisoformat(str(event["time"]))
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def taken(event: Content) -> int:
    """The time that a step took, in nanoseconds."""
    return int(float(event.get("seconds", 0)) * 1_000_000_000)


def span_id(event: Content) -> str:
    return tagged("span-v1", str(event["hash"]).encode("ascii"))[:16]


def trace_id(head: str) -> str:
    return tagged("trace-v1", head.encode("ascii"))[:32]
