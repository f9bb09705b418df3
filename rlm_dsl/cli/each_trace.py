"""Several traces told one after the other by a command that tells one.

In: paths, what tells one of them. Out: text or JSON, and an exit code. Law: one trace is told as it always was; of
several each is told under its name, and one that cannot be read hides no other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.cli.output import safe, tell, write
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one trace, and the exit code that goes with it."""

    json: Any
    text: str
    code: int = 0


def tell_each(traces: Sequence[str], tell_one: Callable[[str], Told], as_json: bool) -> int:
    """The exit code: the worst of all. Raises UserError where the one trace that is named cannot be told."""
    if len(traces) == 1:
        told = tell_one(traces[0])
        write(json.dumps(told.json, ensure_ascii=False, indent=1) if as_json else told.text)
        return told.code
    found: list[Any] = []
    codes: list[int] = []
    for path in traces:
        try:
            told = tell_one(path)
        except UserError as failure:
            told = Told({"trace": path, "error": failure.message, "hint": failure.hint}, "", failure.exit_code)
            if not as_json:
                tell(safe(f"error: {failure}"))
        found.append(told.json)
        codes.append(told.code)
        if not as_json and told.text:
            write(f"=== {safe(path)}\n{told.text}\n")
    if as_json:
        write(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        bad = len(codes) - codes.count(0)
        write(counted(len(traces), "trace") + (f", {bad:,} not well" if bad else ""))
    return max(codes)
