"""Records the examples' traces: an exploration each, against the project's own testing endpoint.

The endpoint answers from labels and plays scripted root turns: nothing in these traces is a model's, and each says so.
Usage: python examples/record.py [NAME ...]
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = 8808
"""The endpoint's port is fixed, since a request's key holds its server's address."""


@dataclass(frozen=True)
class Example:
    """An example: its question, its data, and whether a model is asked. Paths are relative to the project."""

    name: str
    question: str
    contexts: dict[str, str]
    gold: str = ""
    script: str = ""

    @property
    def trace(self) -> Path:
        return Path("traces") / f"{self.name}.trace"


EXAMPLES = (
    Example(
        "tickets",
        "How many billing questions did u17, u42 and u88 send?",
        {"tickets": "examples/tickets/tickets.csv"},
        "examples/tickets/gold.jsonl",
        "examples/tickets/root.json",
    ),
    Example(
        "oolong",
        "",
        {"oolong": "examples/oolong/context.txt"},
        "examples/oolong/gold.jsonl",
        "examples/oolong/root.json",
    ),
)


def oolong_question(script: str) -> str:
    """The question that the script of the oolong example answers: the one that its key stands in."""
    key = next(iter(json.loads(Path(script).read_text(encoding="utf-8"))))
    questions = map(json.loads, Path("examples/oolong/questions.jsonl").read_text(encoding="utf-8").splitlines())
    return next(str(q["question"]) for q in questions if key.lower() in q["question"].lower())


def record(example: Example) -> None:
    """One exploration, recorded and sealed."""
    from rlm_dsl.api import ask
    from rlm_dsl.testing import serve

    question = example.question or oolong_question(example.script)
    shutil.rmtree(example.trace, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(gold=Path(example.gold), script=Path(example.script), port=PORT) as server,
    ):
        result = ask(
            question,
            example.contexts,
            model={"root": "scripted-root", "sub": "gold-labels"},
            base_url=server.base_url,
            api_key="none",
            trace=example.trace,
            store=str(Path(folder) / "answers.sqlite"),
        )
    print(f"{example.trace}: {result.value}")


def main() -> None:
    os.chdir(ROOT)
    wanted = sys.argv[1:]
    for example in EXAMPLES:
        if not wanted or example.name in wanted:
            record(example)


if __name__ == "__main__":
    main()
