"""A batch's files of results, read a line at a time.

In: a file's bytes, whole or cut. Out: by the keys of requests, what was said to each. Law: a line bears on its own row
alone: one that is cut, no JSON, no object or of nobody says nothing, and all others count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rlm_dsl.models.server.errors import read_error


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch says to one request: a reply's status and body as JSON, and the server's words if it refuses."""

    status: int
    body: str
    words: str = ""


def read_results(content: bytes) -> dict[str, BatchResult]:
    """By key, the first reply of status 200, else the first of any."""
    found: dict[str, BatchResult] = {}
    for line in content.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        key = value.get("custom_id") if isinstance(value, Mapping) else None
        if isinstance(key, str):
            result = read_result(value)
            if key not in found or (result.status == 200 and found[key].status != 200):
                found[key] = result
    return found


def read_result(line: Mapping[str, object]) -> BatchResult:
    response = line.get("response")
    given = response if isinstance(response, Mapping) else {}
    status, body = given.get("status_code"), given.get("body")
    if status == 200:
        return BatchResult(200, json.dumps(body, ensure_ascii=False))
    told = json.dumps(line.get("error") or body or line, ensure_ascii=False)
    known = status if isinstance(status, int) else 0
    return BatchResult(known, told, read_error(known, told).words)
