"""A finished trace, read as far as a comparison needs it, and no further.

In: a trace. Out: its steps, rows, calls, instructions and last event. Law: each file is read once, when it is first
asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlm_dsl.compare.rows import Columns, columns_of_table
from rlm_dsl.compare.sides import Side
from rlm_dsl.engine.run_trace import CALLS, COLUMNS, recorded_packs
from rlm_dsl.replay.tables import payload_names
from rlm_dsl.trace.events import last_event
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace

SHOWN, ANSWER = "shown", "answer"
"""The columns of a model step's calls, where its rows are no table of their own."""


@dataclass(frozen=True)
class Run:
    """A finished trace, read as far as a comparison needs it."""

    trace: Trace
    side: Side

    @cached_property
    def records(self) -> Mapping[str, Mapping[str, Any]]:
        return {str(step["step"]): step for step in self.trace.steps}

    @cached_property
    def tables(self) -> Mapping[str, str]:
        """The steps that are tables of their own, with the names of those in the payload."""
        return dict(payload_names(self.trace))

    @cached_property
    def calls(self) -> Mapping[str, list[Any]]:
        table = self.trace.table(CALLS)
        return {name: table.column(name).to_pylist() for name in COLUMNS}

    @cached_property
    def by_step(self) -> Mapping[str, list[int]]:
        """Places of the calls for rows of each step."""
        found: dict[str, list[int]] = {}
        for place, (key, step) in enumerate(zip(self.calls["key"], self.calls["step"], strict=True)):
            if key not in self.packs:
                found.setdefault(step, []).append(place)
        return found

    @cached_property
    def packs(self) -> frozenset[str]:
        """The keys of the calls that ask for several rows: each of these has a call of its own."""
        return frozenset(call.request.key for call in recorded_packs(self.trace))

    @cached_property
    def end(self) -> Mapping[str, Any]:
        """The last event, with what the run cost."""
        return last_event(self.trace.folder / EVENTS)

    def live(self, step: str) -> int:
        """How many calls of a step were made in this run."""
        steps, origins = self.calls["step"], self.calls["origin"]
        return sum(own == step and origin == "live" for own, origin in zip(steps, origins, strict=True))

    def rows(self, step: str, node: Any) -> Columns | None:
        """A step's rows: its own table, or of a model step what it was shown and answered."""
        if step in self.tables:
            return columns_of_table(self.trace.table(self.tables[step]), node.type.names)
        return self.answers(step) if step in self.by_step else None

    def answers(self, step: str) -> Columns:
        """What a model was shown and answered, each different text once, by text."""
        found: dict[str, Any] = {}
        for place in self.by_step[step]:
            messages = json.loads(self.calls["request"][place])["messages"]
            if len(messages) == 2:
                found[messages[-1]["content"]] = answer_text(json.loads(self.calls["answer"][place])["text"])
        texts = sorted(found)
        return Columns((SHOWN, ANSWER), {SHOWN: texts, ANSWER: [found[text] for text in texts]}, len(found))

    def instruction(self, step: str) -> str:
        """What a model step says before it shows a row."""
        places = self.by_step.get(step, ())
        return json.loads(self.calls["request"][places[0]])["messages"][0]["content"] if places else ""


def answer_text(text: str) -> str:
    """An answer as people read it: the one value of a record."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
