"""What a proof says, in words.

In: a proof and what is wrong with it. Out: text. Law: a proof with any fault does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.cli.output import indent

SHOWN = 2_000
"""Characters of a request or answer that are shown; the proof's file has all."""


def proof_text(proof: Mapping[str, Any], faults: Sequence[str], anchored: bool) -> str:
    """What it proves, and of which trace. Where nothing that its reader knows was compared, that is said first."""
    if faults:
        return "\n".join(["the proof does NOT hold", *(f"  {fault}" for fault in faults)])
    head = json.loads(proof["closing"]["line"])["hash"]
    known = "" if anchored else "\ncompare the head with one that you trust: check-proof --head HASH"
    holds = "the proof holds" if anchored else "the proof holds in itself, as one that anybody made would"
    return "\n".join(
        [
            holds,
            indent("\n".join(leaf_lines(proof["leaf"]))),
            f"head         {head}",
            f"merkle root  {proof['merkle_root']}{known}",
        ]
    )


def leaf_lines(leaf: Mapping[str, Any] | None) -> list[str]:
    """The proven line: a call with what was asked and answered, or an event."""
    if leaf is None:
        return ["the last event of the trace"]
    if leaf["kind"] == "event":
        return [f"event {leaf['index']} of the trace", leaf["line"][:SHOWN]]
    row = leaf["row"]
    try:
        return call_lines(row, json.loads(row["request"]), json.loads(row["answer"]))
    except (ValueError, LookupError, TypeError):
        return [f"call {row['key']}: its request and answer are not of their form"]


def call_lines(row: Mapping[str, Any], request: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    return [
        f"call {row['key']} of step {row['step']} ({row['origin']})",
        f"model   {request['model']}; served by {answer['model'] or 'an unnamed one'}",
        *(f"{message['role']:<7} {message['content'][:SHOWN]}" for message in request["messages"]),
        f"answer  {answer['text'][:SHOWN]}",
    ]
