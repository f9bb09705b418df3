"""Why a rerun asks: one reason for each request whose answer is not known, told before it is paid for.

In: the recorded calls, the steps of both programs, new requests. Out: reasons with their counts. Law: a request has
exactly one reason, the earliest of data, program, instruction, parameters, model, parse.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rlm_dsl.common.counted import counted, money
from rlm_dsl.compare.matching import Kind, Pair, cause, changed_contexts, match_steps
from rlm_dsl.compare.sides import Side
from rlm_dsl.engine.run_trace import CALLS
from rlm_dsl.models.request import Request
from rlm_dsl.trace.reader import Trace

Reason = tuple[Kind, str]
"""The kind, and its words: "labels changed"."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a step asks anew, before it does: how many requests it has, how many of them are new and why."""

    step: str
    requests: int
    new: int
    reasons: Mapping[Reason, int]
    most_usd: float | None
    calls: int = 0
    """Requests that are sent for the new ones: fewer where rows go together."""

    def as_json(self) -> dict[str, Any]:
        reasons = [{"reason": kind, "told": message, "requests": n} for (kind, message), n in self.reasons.items()]
        return {"step": self.step, "requests": self.requests, "new": self.new, "reasons": reasons}


@dataclass(frozen=True)
class Reasons:
    """What is known of an earlier run, to say why a later one asks."""

    trace: Trace
    before: Side
    after: Side

    @cached_property
    def pairs(self) -> Mapping[str, Pair]:
        return {pair.after.name: pair for pair in match_steps(self.before, self.after) if pair.after is not None}

    @cached_property
    def data(self) -> frozenset[str]:
        return changed_contexts(self.before, self.after)

    @cached_property
    def recorded(self) -> Mapping[str, list[str]]:
        """The recorded requests of each step, as JSON."""
        table = self.trace.table(CALLS)
        found: dict[str, list[str]] = {}
        for step, request in zip(table.column("step").to_pylist(), table.column("request").to_pylist(), strict=True):
            found.setdefault(step, []).append(request)
        return found

    def of(self, step: str, requests: Iterable[Request]) -> dict[Reason, int]:
        """How many requests of a step, or of a step's sub-runs, are new for which reason; many first."""
        outer, within, inner = step.partition("/")
        pair = self.pairs.get(outer)
        name = pair.before.name if pair is not None and pair.before is not None else outer
        known = RecordedRequests(self.recorded.get(f"{name}{within}{inner}", ()))
        found = Counter(self.reason(pair, request, known) for request in requests)
        return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))

    def reason(self, pair: Pair | None, request: Request, known: RecordedRequests) -> Reason:
        if pair is None or pair.before is None:
            return "program", "new step"
        old = known.request(request.messages[-1].content)
        if old is None:
            return self.of_text(pair)
        return self.of_request(pair, request, old)

    def of_text(self, pair: Pair) -> Reason:
        """Why a text is shown that was not shown before."""
        assert pair.after is not None
        if pair.after.contexts & self.data:
            return "data", "data"
        without = Pair(pair.before, pair.after, tuple(c for c in pair.changes if c.what == "on"))
        return cause(without, self.pairs, self.data) or ("parse", "answered differently before it")

    def of_request(self, pair: Pair, request: Request, old: Mapping[str, Any]) -> Reason:
        """Why a text that was shown before is shown again."""
        now = request.as_json()
        if old["messages"] != now["messages"] or old["schema"] != now["schema"]:
            wanted: tuple[Kind, ...] = ("program", "instruction", "parameters")
            own = next((c for c in pair.changes if c.kind in wanted), None)
            return (
                (own.kind, own.message)
                if own
                else (cause(pair, self.pairs, frozenset()) or ("program", "prompt's form"))
            )
        if old["parameters"] != now["parameters"] or old.get("sample") != now.get("sample"):
            own = next((c for c in pair.changes if c.kind == "parameters"), None)
            return "parameters", own.message if own else "parameters changed"
        if (old["model"], old["base_url"]) != (now["model"], now["base_url"]):
            own = next((c for c in pair.changes if c.kind == "model"), None)
            return "model", own.message if own else "model changed"
        return "parse", "no whole answer before"


@dataclass(frozen=True)
class RecordedRequests:
    """The recorded requests of one step, to be found by the text that they show."""

    requests: Sequence[str]
    found: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def request(self, text: str) -> Mapping[str, Any] | None:
        if not self.found:
            for each in self.requests:
                request = json.loads(each)
                if len(request["messages"]) == 2 and not request.get("rows"):
                    self.found[request["messages"][-1]["content"]] = request
        return self.found.get(text)


def render_reasons(asked: Asked) -> str:
    """`topics: 312 of 41,000 requests are new: data 203, labels changed 109; at most $0.09`."""
    why = ", ".join(f"{message} {count:,}" for (_, message), count in asked.reasons.items())
    cost = f"; at most {money(asked.most_usd)}" if asked.most_usd is not None else ""
    calls = "call" if asked.calls == 1 else "calls"
    together = f", in {asked.calls:,} {calls}" if 0 < asked.calls < asked.new else ""
    return f"{asked.step}: {asked.new:,} of {counted(asked.requests, 'request', 'are')} new{together}: {why}{cost}"
