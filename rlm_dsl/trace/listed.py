"""The runs of a folder, a line each: what was asked, how it ended, what came of it, what it took.

In: a folder. Out: a value for each trace or zip of one below it. Law: unfinished and damaged ones are among them, and
say so; of a log no more is read than its last line, unless it has no end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_text
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.trace.events import parse_line
from rlm_dsl.trace.layout import EVENTS, HEADER
from rlm_dsl.trace.reader import Trace, open_trace
from rlm_dsl.trace.seal import changed_files
from rlm_dsl.trace.story import as_it_stands

LONGEST = 120
"""Characters of a question and of an answer."""
LAST = 1 << 16
"""Bytes from a log's end in which its last line is looked for."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One run. `state` is answered, unfinished, stopped, not as it was sealed, or damaged; `why` says more of it."""

    path: str
    state: str
    why: str = ""
    created: str = ""
    question: str = ""
    answer: str = ""
    calls: int = 0
    tokens: int = 0
    usd: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def list_runs(folder: Path) -> list[Listed]:
    """Every run below a folder, newest first; a trace itself is one."""
    found = [listed(path, shown(path, folder)) for path in sorted(set(traces_below(folder)))]
    return sorted(found, key=lambda each: each.created, reverse=True)


def shown(path: Path, folder: Path) -> str:
    return path.name if path == folder else path.relative_to(folder).as_posix()


def traces_below(folder: Path) -> Iterator[Path]:
    """Folders that have a header or a log, and zips; none that a link leads to from outside."""
    if folder.is_file():
        yield folder
        return
    for name in (HEADER, EVENTS):
        yield from (path.parent for path in folder.rglob(name) if path.is_file())
    yield from (path for path in folder.rglob("*.trace.zip") if path.is_file())


def listed(path: Path, name: str) -> Listed:
    """A line of the list, whatever the trace is like."""
    try:
        with open_trace(path, unfinished=True, changed=True) as trace:
            return of_finished(trace, name) if trace.finished else of_unfinished(trace, name)
    except UserError as failure:
        return Listed(name, "damaged", failure.message.splitlines()[0])
    except OSError as failure:
        return Listed(name, "damaged", system_error(failure, Path(failure.filename or path).name, "read").message)


def of_finished(trace: Trace, name: str) -> Listed:
    faults, end = changed_files(trace.folder), last_event(trace)
    tokens = sum(int(end.get(f"gen_ai.usage.{kind}_tokens") or 0) for kind in ("input", "output"))
    cost, header = end.get("llm.cost.total"), trace.header
    return Listed(
        name,
        "not as it was sealed" if faults else "answered",
        faults[0].message if faults else "",
        str(header.get("created", ""))[:19],
        one_line(header.get("question") or asked_by(trace.program)),
        one_line("; ".join(map(part_told, trace.answer["parts"]))),
        int(end.get("calls") or 0),
        tokens,
        None if cost is None else float(cost),
    )


def of_unfinished(trace: Trace, name: str) -> Listed:
    told = as_it_stands(trace)
    return Listed(
        name,
        "stopped" if told.stopped else "unfinished",
        one_line(told.stopped.split("\n", 1)[0]),
        str(told.header.get("created", ""))[:19],
        one_line(told.header.get("question") or asked_by(told.program)),
        "",
        told.calls.ended,
        told.calls.input_tokens + told.calls.output_tokens,
    )


def last_event(trace: Trace) -> Mapping[str, Any]:
    """The log's last event; of one whose line is longer than is looked at, nothing."""
    with (trace.folder / EVENTS).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - LAST))
        lines = file.read().splitlines()
    return (parse_line(lines[-1]) or {}) if lines else {}


def part_told(part: Mapping[str, Any]) -> str:
    """A part of an answer in a few words."""
    label = ".".join(part.get("part") or part.get("path") or ())
    value = part["value"]
    told = counted(len(value), "row") if "columns" in part else value if isinstance(value, str) else json_text(value)
    return f"{label} {told}" if label else told


def asked_by(program: str) -> str:
    """What a program that nobody asked a question comes to: its answer's statement."""
    found = [*re.finditer(r"^answer\b.*", program, re.MULTILINE | re.DOTALL)]
    return found[-1][0] if found else program


def one_line(text: object) -> str:
    told = " ".join(str(text).split())
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 3]}..."
