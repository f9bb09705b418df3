"""Rows that a model was asked about and that have no valid answer.

In: a trace. Out: the first of them, each with its step and the reason; their number. Law: every row without a valid
answer is counted.
"""

from __future__ import annotations

import json

from rlm_dsl.replay.tables import query
from rlm_dsl.trace.reader import Trace

FAILED = 50
"""Failed rows that are shown."""


def failed_rows(trace: Trace) -> tuple[tuple[tuple[str, str, str], ...], int]:
    """Step, text and reason of each; and how many there are."""
    count = sum(
        (step.get("asked") or {}).get(kind, 0) for step in trace.steps for kind in ("invalid", "refused", "error")
    )
    if not count:
        return (), 0
    _, rows = query(
        trace,
        "SELECT step, request_json, answer, finish, refusal FROM calls WHERE rows IS NULL AND (coalesce(refusal, '') "
        "<> '' OR coalesce(finish, '') <> 'stop' OR json_array_length(request_json, '$.messages') > 2) "
        "ORDER BY step, key",
        FAILED,
    )
    found = []
    for step, request, _answer, finish, refusal in rows:
        messages = json.loads(request)["messages"]
        text = messages[1]["content"] if len(messages) > 1 else ""
        if refusal:
            why = f"refused: {refusal}"
        elif finish not in (None, "stop"):
            why = f"ended early: {finish}"
        else:
            why = f"no answer of the type: {messages[-1]['content']}"
        found.append((step, text[:400], why[:400]))
    return tuple(found), count
