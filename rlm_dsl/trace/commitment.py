"""What a trace's last event commits to: the lines before it, the recorded calls, and every other file.

In: a log, the rows of the calls, the digests of the files. Out: three Merkle roots after RFC 6962 with their counts,
for `run.end` to hold. Law: a line, a call or a file that is changed, renamed, moved, added or left out gives another
root.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlm_dsl.trace import merkle
from rlm_dsl.trace.events import whole_lines


def call_leaf(row: Mapping[str, str]) -> bytes:
    """A recorded call as a leaf: its columns in order, a line each, the step's name spelled as JSON. Raises ValueError
    where that could be read in two ways: JSON texts, keys and origins have no line ends."""
    parts = [row["key"], json.dumps(row["step"], ensure_ascii=False), row["origin"], row["request"], row["answer"]]
    leaf = "\n".join(parts)
    if leaf.count("\n") != len(parts) - 1:
        raise ValueError(f"the call {row['key']} is not of its form")
    return leaf.encode("utf-8", "surrogatepass")


def file_leaf(name: str, sha256: str) -> bytes:
    """A file of a trace as a leaf: its path as JSON spells it, and the digest of its bytes in hex."""
    return f"{json.dumps(name)}\n{sha256}".encode("ascii")


def files_root(digests: Mapping[str, str]) -> str:
    """The Merkle root over files by their paths, each with the sha256 of its bytes."""
    return merkle.root(file_leaf(name, digests[name]) for name in sorted(digests)).hex()


def commits_to_files(end: Mapping[str, Any]) -> bool:
    """Whether a log's last event says which files there are; one of an earlier version does not."""
    return "files_root" in end


def closing_roots(log: Path, calls: Sequence[Mapping[str, str]], files: Mapping[str, str]) -> dict[str, Any]:
    """What a trace's last event commits to: the lines before it, the recorded calls in the order of their keys, and the
    other files with their digests."""
    before = [merkle.leaf_hash(line) for line in whole_lines(log)]
    return {
        "events_before": len(before),
        "events_root": merkle.top(before).hex(),
        "calls_recorded": len(calls),
        "calls_root": merkle.root(map(call_leaf, calls)).hex(),
        "files_committed": len(files),
        "files_root": files_root(files),
    }
