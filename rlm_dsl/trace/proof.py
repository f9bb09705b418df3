"""Inclusion proofs: that one event, or one recorded call, is in a sealed trace, without the rest of the trace.

In: a trace and which line of it. Out: a proof as JSON, and what is wrong with one. Law: a proof holds for exactly the
line that it carries; whoever has the chain's head, or the sealed Merkle root, needs nothing else.

The last event (`run.end`) holds two Merkle roots after RFC 6962: one over the lines before it, one over the rows of
`payload/calls.parquet`. A proof leads from a line or row to its root in that event, and from that event to the sealed
root. The event's own hash is the head.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace import merkle
from rlm_dsl.trace.commitment import call_leaf
from rlm_dsl.trace.events import has_own_hash, parse_line, whole_lines
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import SEE, Trace

SCHEMA = "rlm-proof/1"
LEAST = 8
"""Digits of a key that are enough to name a call."""
FIELDS = {"schema", "leaf", "closing", "merkle_root"}
COLUMNS = ("key", "step", "origin", "request", "answer")


def prove_event(trace: Trace, number: int) -> dict[str, Any]:
    """The proof of an event by its number, from 0. Raises UserError where there is none."""
    lines = log_of(trace)
    if not 0 <= number < len(lines):
        raise UserError(f"{trace.name} has no event {number}", f"its events are numbered 0 to {len(lines) - 1}")
    if number == len(lines) - 1:
        return proof(lines, None)
    path = merkle.prove(lines[:-1], number)
    return proof(lines, {"kind": "event", "index": number, "line": text(lines[number]), "path": to_hex(path)})


def prove_call(trace: Trace, key: str) -> dict[str, Any]:
    """The proof of a recorded call by its key or the beginning of it, with its request and answer."""
    lines = log_of(trace)
    rows: list[dict[str, str]] = trace.table("calls").to_pylist()
    found = [index for index, row in enumerate(rows) if row["key"].startswith(key.lower())] if len(key) >= LEAST else []
    if len(found) != 1:
        several = f"{len(found)} calls have keys that begin with" if found else f"{trace.name} has no call of the key"
        least = f"give {LEAST} digits at least; " if len(key) < LEAST else ""
        raise UserError(f"{several} {key}", f'{least}keys: rlm-dsl sql {trace.name} "select key, step from calls"')
    leaves = [call_leaf(row) for row in rows]
    if merkle.root(leaves).hex() != closing_of(lines).get("calls_root"):
        raise UserError(f"{trace.name}: the recorded calls are not those that its last event commits to", SEE)
    path = to_hex(merkle.prove(leaves, found[0]))
    row = {column: rows[found[0]][column] for column in COLUMNS}
    return proof(lines, {"kind": "call", "index": found[0], "row": row, "path": path})


def log_of(trace: Trace) -> list[bytes]:
    """The lines of a finished trace whose last event commits to the others."""
    lines = list(whole_lines(trace.folder / EVENTS))
    closing = closing_of(lines)
    if closing.get("type") != "run.end" or "events_root" not in closing:
        raise UserError(f"{trace.name}: its last event commits to nothing", "record the run anew with this version")
    if merkle.root(lines[:-1]).hex() != closing["events_root"]:
        raise UserError(f"{trace.name}: its events are not those that its last event commits to", SEE)
    return lines


def closing_of(lines: Sequence[bytes]) -> Mapping[str, Any]:
    return (parse_line(lines[-1]) if lines else None) or {}


def proof(lines: Sequence[bytes], leaf: dict[str, Any] | None) -> dict[str, Any]:
    closing = {"line": text(lines[-1]), "path": to_hex(merkle.prove(lines, len(lines) - 1))}
    return {"schema": SCHEMA, "leaf": leaf, "closing": closing, "merkle_root": merkle.root(lines).hex()}


def to_hex(path: Sequence[bytes]) -> list[str]:
    return [digest.hex() for digest in path]


def raw(digest: str) -> bytes:
    """A digest in the one spelling that is written. Raises ValueError for another."""
    found = bytes.fromhex(digest)
    if found.hex() != digest:
        raise ValueError(f"no digest: {digest!r}")
    return found


def text(line: bytes) -> str:
    return line.decode("utf-8", "surrogatepass")


def written(made: Mapping[str, Any]) -> bytes:
    """The one spelling of a proof's file."""
    return (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass")


def read_proof(content: bytes) -> dict[str, Any]:
    """A proof's file. Raises UserError for what is none, or is spelled otherwise than this program writes it."""
    try:
        made = json.loads(content)
        if made["schema"] == SCHEMA and written(made) == content and has_form(made):
            return dict(made)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise UserError("this is no proof, or not as it was written", "proofs are made by: rlm-dsl prove TRACE CALL")


def has_form(made: Mapping[str, Any]) -> bool:
    """Whether a proof has the fields of one and no others, and its index is a number: all that it says is checked."""
    leaf, closing = made["leaf"], made["closing"]
    if made.keys() != FIELDS or closing.keys() != {"line", "path"}:
        return False
    if leaf is None:
        return True
    held = {"call": "row", "event": "line"}[leaf["kind"]]
    whole = held == "line" or leaf["row"].keys() == set(COLUMNS)
    return whole and leaf.keys() == {"kind", "index", held, "path"} and type(leaf["index"]) is int


def faults(made: Mapping[str, Any], head: str | None = None, root: str | None = None) -> list[str]:
    """What is wrong with a proof; nothing, if it holds. `head` and `root` are what its reader knows of the trace."""
    try:
        return list(found_faults(made, head, root)) if has_form(made) else ["it is not of a proof's form"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return ["it is not of a proof's form"]


def found_faults(made: Mapping[str, Any], head: str | None, root: str | None) -> list[str]:
    line = made["closing"]["line"].encode("utf-8", "surrogatepass")
    closing, leaf = parse_line(line) or {}, made["leaf"]
    count = int(closing["seq"]) + 1
    path = [raw(digest) for digest in made["closing"]["path"]]
    checks = {
        "its last event has not its own hash": has_own_hash(closing),
        "its last event is not under its Merkle root": merkle.check_proof(
            line, count - 1, count, path, raw(made["merkle_root"])
        ),
        "its line is not among what the last event commits to": leaf is None or is_committed(leaf, closing),
        f"its head is {closing['hash']}, not the one that is expected": head is None or head == closing["hash"],
        f"its Merkle root is {made['merkle_root']}, not the one that is expected": root in (None, made["merkle_root"]),
    }
    return [fault for fault, holds in checks.items() if not holds]


def is_committed(leaf: Mapping[str, Any], closing: Mapping[str, Any]) -> bool:
    """Whether a proof's leaf is under the root that the last event states for its kind."""
    kinds = {"event": ("events_before", "events_root"), "call": ("calls_recorded", "calls_root")}
    count, root = kinds[leaf["kind"]]
    content = call_leaf(leaf["row"]) if leaf["kind"] == "call" else leaf["line"].encode("utf-8", "surrogatepass")
    path = [raw(digest) for digest in leaf["path"]]
    return merkle.check_proof(content, leaf["index"], closing[count], path, raw(closing[root]))
