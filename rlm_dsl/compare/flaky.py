"""Requests that a model answered differently: same key, other text.

In: traces. Out: requests with their answers. Law: only recorded answers are read; a trace that cannot be read has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace.reader import Trace


@dataclass(frozen=True, slots=True)
class Flaky:
    """A request that was answered differently: its step, key and the answers, each with the trace that has it."""

    step: str
    key: str
    answers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"step": self.step, "key": self.key, "answers": dict(self.answers)}


def find_flaky(paths: Iterable[Path]) -> list[Flaky]:
    """Requests that several traces made and that were answered differently, by step and key."""
    first: dict[str, tuple[str, str, str]] = {}
    found: dict[str, Flaky] = {}
    for path, step, key, text in answers_in(paths):
        before = first.setdefault(key, (path, step, text))
        if before[2] != text:
            answers = found[key].answers if key in found else {before[0]: before[2]}
            found[key] = Flaky(step, key, {**answers, path: text})
    return sorted(found.values(), key=lambda each: (each.step, each.key))


def answers_in(paths: Iterable[Path]) -> Iterator[tuple[str, str, str, str]]:
    """Trace, step, key and text of each recorded answer; traces that cannot be read have none."""
    for path in paths:
        try:
            table = Trace.open(path, changed=True).table("calls", ("key", "step", "answer"))
            rows = zip(*(table.column(name).to_pylist() for name in ("key", "step", "answer")), strict=True)
            for key, step, answer in rows:
                yield path.name, step, key, json.loads(answer)["text"]
        except (UserError, LookupError, ValueError, TypeError):
            continue
