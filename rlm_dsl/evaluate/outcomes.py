"""The outcomes of an evaluation, kept as they come: a line each, so that a killed one goes on where it was.

In: outcomes. Out: the same outcomes, by identity. Law: a line is safe on disk before its outcome is told; a torn line
counts as none; an outcome that says nothing of the system (a dead server, a spent budget) is never kept.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rlm_dsl.models.recording import Usage

SERVER = frozenset({"outage", "key", "model"})
"""Failures of the server: no other task would fare better."""
NO_SHARE = "purse"
"""The failure of a task for which the budget had no whole share left, as outcomes have always named it."""
PASSING = SERVER | {NO_SHARE, "store", "sandbox"}
"""Failures of the surroundings: the task is asked again next time."""

RECORDED_NAMES = {"system": "contender"}
"""How files and reports name a field, where that is not its name here."""
FIELD_NAMES = {recorded: name for name, recorded in RECORDED_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a system came to on a task. `failure` is the kind of error, empty if there was an answer; `usage` counts
    answers known before as well, of a failed exploration the new ones alone."""

    identity: str
    task: str
    system: str
    score: float
    group: str = ""
    value: Any = None
    failure: str = ""
    problem: str = ""
    turns: int = 0
    seconds: float = 0.0
    usage: tuple[Usage, ...] = field(default=())

    @property
    def lasting(self) -> bool:
        return self.failure not in PASSING

    def as_json(self) -> dict[str, Any]:
        return {RECORDED_NAMES.get(name, name): value for name, value in asdict(self).items()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Outcome:
        outcome = Outcome(**{FIELD_NAMES.get(name, name): held for name, held in value.items()})
        return replace(outcome, usage=tuple(Usage(**each) for each in value["usage"]))


class OutcomeJournal:
    """Owns `outcomes.jsonl` of a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "outcomes.jsonl"
        self.held = dict(read_outcomes(self.path))
        self.lock = threading.Lock()
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size
        self.file = self.path.open("a", encoding="utf-8")
        if torn:
            self.file.write("\n")

    def keep(self, outcome: Outcome) -> None:
        if not outcome.lasting:
            return
        with self.lock:
            self.file.write(json.dumps(outcome.as_json(), ensure_ascii=False) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())
            self.held[outcome.identity] = outcome

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> OutcomeJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_outcomes(path: Path) -> list[tuple[str, Outcome]]:
    """The whole lines of a journal; none where there is no file."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else ():
        try:
            outcome = Outcome.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError):
            continue
        found.append((outcome.identity, outcome))
    return found
