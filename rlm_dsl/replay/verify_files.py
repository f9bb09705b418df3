"""The files of a trace, checked as files: that its head commits to them, that no other is there, that each is spelled
as it is written.

In: a trace. Out: divergences. Law: a file that says the same in other bytes is another file, whoever sealed it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rlm_dsl.engine.run_trace import CALLS, SCHEMA
from rlm_dsl.trace.divergence import Divergence
from rlm_dsl.trace.layout import EVENTS, HEADER, SEAL
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.seal import not_committed, read_seal

ANSWER, STEPS = "answer.json", "steps.jsonl"
KNOWN = frozenset({HEADER, EVENTS, "program.rlm", "plan.sql", STEPS, ANSWER, f"payload/{CALLS}.parquet"})
STEP_TABLE = re.compile(r"payload/step-\d{3,}-\w+\.parquet", re.ASCII)
EARLIER = "written by an earlier version: its head commits to the log and the calls alone"
"""Of a trace whose head does not commit to every file: what a kept head does not prove."""


def odd_files(trace: Trace, end: Mapping[str, Any]) -> list[Divergence]:
    """What is wrong with the files of a sealed trace of which `end` is the log's last event. Raises what reading a seal
    raises."""
    _, subjects, _ = read_seal(trace.folder / SEAL)
    found = list(not_committed(subjects, end))
    if trace.header.get("schema") == SCHEMA:
        found += unknown_files(subjects)
    return found + list(other_spellings(trace))


def unknown_files(subjects: Mapping[str, str]) -> Iterator[Divergence]:
    for name in subjects:
        if name not in KNOWN and not STEP_TABLE.fullmatch(name):
            yield Divergence("D01", "files", f"{name} is no file of a trace")


def other_spellings(trace: Trace) -> Iterator[Divergence]:
    """JSON that is spelled otherwise than it is written: fields given twice, other forms of a number, other blanks."""
    forms: dict[str, Callable[[str], str]] = {HEADER: indented, ANSWER: indented, STEPS: by_lines}
    if trace.header.get("schema") != SCHEMA:
        forms = {HEADER: indented}
    for name, form in forms.items():
        text = trace.text(name)
        try:
            same = form(text) == text
        except (ValueError, RecursionError):
            same = False
        if not same:
            yield Divergence("D01", "files", f"{name} is not spelled as it is written")


def indented(text: str) -> str:
    return as_written(json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n")


def by_lines(text: str) -> str:
    lines = text.removesuffix("\n").split("\n") if text else []
    return "".join(as_written(json.dumps(json.loads(line), ensure_ascii=False)) + "\n" for line in lines)


def as_written(text: str) -> str:
    """A text as a trace's writer puts it: halves of surrogate pairs as JSON's escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
