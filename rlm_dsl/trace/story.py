"""A run's story out of its trace: what was asked, each turn, the steps, what it cost, the answer.

In: a trace, finished or not. Out: a value to be told. Law: the log is gone through once, a line at a time, and only
what is told is parsed: a hundred thousand calls take well under a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_dsl.common.html import escaped, html_table
from rlm_dsl.trace.events import lines, parse_line
from rlm_dsl.trace.going_on import way_on
from rlm_dsl.trace.layout import EVENTS, HEADER, OPTIMIZATION, RECORDS, REPORT, SEAL
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.seal import changed_files
from rlm_dsl.trace.unfinished import program_so_far, steps_so_far

SHOWN_ROWS = 20
SUB_RUNS = 2
"""Sub-runs whose turns are told; the others are counted."""
HEAD = re.compile(
    rb'\{"seq": \d+, "time": "[^"]*", "type": "([a-z.]+)"(?:, "within": "(?:[^"\\]|\\.)*", "sub_run": "([0-9a-f]+)")?'
)
"""How each line begins. Within a text of JSON every quote is escaped, so no text can pass for a field."""
OUTCOME, INPUT, OUTPUT = b', "outcome": "', b', "gen_ai.usage.input_tokens": ', b', "gen_ai.usage.output_tokens": '
BOUND = re.compile(r"^\s*(?:([A-Za-z_]\w*)|`([^`]+)`)\s*=(?!=)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a root model wrote in one turn, and what came of it. `use` is where it led, seen from the final program:
    answer, used, look, problems or dead end."""

    number: int
    program: str
    observation: str
    errors: int
    use: str
    within: str = ""
    sub_run: str = ""

    def as_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in ("number", "program", "observation", "errors", "use")}
        return found | ({"within": self.within, "sub_run": self.sub_run} if self.sub_run else {})


@dataclass(slots=True)
class Calls:
    """What was attempted: attempts by how they ended, and the servers' own counts of tokens."""

    started: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def ended(self) -> int:
        return sum(self.outcomes.values())

    def end(self, line: bytes) -> None:
        outcome = after(line, OUTCOME, b'"').decode("ascii") or "unknown"
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.input_tokens += number(after(line, INPUT, b","))
        self.output_tokens += number(after(line, OUTPUT, b","))

    def as_json(self) -> dict[str, Any]:
        return {
            "attempts": self.started,
            "outcomes": dict(sorted(self.outcomes.items())),
            "unfinished": max(0, self.started - self.ended),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


def after(line: bytes, field: bytes, end: bytes) -> bytes:
    """What stands in a line after a field's name, up to an end; nothing where the field is not there."""
    at = line.find(field)
    return b"" if at < 0 else line[at + len(field) : line.find(end, at + len(field))]


def number(digits: bytes) -> int:
    return int(digits) if digits.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Story:
    """A run as it is told. `header`, `steps` and `answer` are the trace's own; of an unfinished one there are
    the program and the steps so far; `end` is
    the last event's content, `stopped` what ended the run early."""

    name: str
    header: Mapping[str, Any]
    turns: tuple[Turn, ...]
    sub_runs: int
    program: str
    steps: tuple[Mapping[str, Any], ...]
    answer: Mapping[str, Any]
    calls: Calls
    end: Mapping[str, Any]
    stopped: str
    seal: Mapping[str, Any]
    changed: str = ""
    """What of a finished trace is not as it was sealed."""
    optimization: Mapping[str, Any] = field(default_factory=dict)
    """The report, of the record of an optimization, which has neither steps nor an answer."""
    way_on: str = ""
    """Of an unfinished one, what to do about it."""
    reviewed: Any = None
    """What reviewed rows say of its numbers, where that was looked for."""

    @property
    def finished(self) -> bool:
        return bool(self.seal)

    def as_json(self) -> dict[str, Any]:
        told = (
            "question",
            "created",
            "contexts",
            "models",
            "served",
            "budget",
            "versions",
            "params",
            "notes",
            "parent",
        )
        return {
            "trace": self.name,
            "finished": self.finished,
            **({"head": self.seal["head"]} if "head" in self.seal else {}),
            **{key: self.header[key] for key in told if key in self.header},
            "turns": [turn.as_json() for turn in self.turns],
            "sub_runs": self.sub_runs,
            "program": self.program,
            "steps": [dict(step) for step in self.steps],
            "answer": dict(self.answer),
            "calls": self.calls.as_json(),
            "cost_usd": self.end.get("llm.cost.total"),
            "seconds": self.end.get("seconds"),
            "stopped": self.stopped,
            **({"to_go_on": self.way_on} if self.way_on else {}),
            "seal": dict(self.seal),
            **({"optimization": dict(self.optimization)} if self.optimization else {}),
            **({"changed": self.changed} if self.changed else {}),
            **({"reviews": self.reviewed.as_json()} if self.reviewed is not None and self.reviewed.lines() else {}),
        }

    def _repr_html_(self) -> str:
        """For notebooks: the answer, the program, its steps."""
        parts = "".join(
            f"<div><b>{escaped('.'.join(part['part']))}</b> {told_value(part)}</div>"
            for part in self.answer.get("parts", ())
        )
        parts += "".join(f"<div>{escaped(line)}</div>" for line in (self.reviewed.lines() if self.reviewed else ()))
        rows = [(s["step"], s["operator"], s.get("rows"), (s.get("asked") or {}).get("requests")) for s in self.steps]
        steps = html_table(("step", "operator", "rows", "requests"), rows)
        question = self.header.get("question") or self.name
        if self.changed:
            question = f"{question} (not as it was sealed: {self.changed})"
        program = f"<pre>{escaped(self.program)}</pre>"
        return (
            f"<div><div>{escaped(question)}</div>{parts}<details><summary>how</summary>{program}{steps}</details></div>"
        )


def told_value(part: Mapping[str, Any]) -> str:
    """A part of an answer as HTML, its first rows where it is a table."""
    if "columns" in part:
        return html_table(part["columns"], part["value"][:SHOWN_ROWS])
    value = part["value"]
    return escaped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def story(trace: Trace) -> Story:
    """The story of a trace. Raises UserError where a file of it is missing or damaged.

    Digests are made while the log is read: whether it is as it was sealed is told, and no more is checked.
    """
    with ThreadPoolExecutor(1) as pool:
        faults = pool.submit(changed_files, trace.folder) if trace.finished else None
        told = as_it_stands(trace)
        return told if faults is None else replace(told, changed=next((each.message for each in faults.result()), ""))


def as_it_stands(trace: Trace) -> Story:
    """What the files say, whoever wrote them."""
    calls, turns, ends = Calls(), list[Mapping[str, Any]](), dict[str, Mapping[str, Any]]()
    sub_runs: dict[bytes, None] = {}
    for kind, run, line in lines_with_heads(trace):
        if run:
            sub_runs.setdefault(run)
        match kind:
            case "call.start":
                calls.started += 1
            case "call.end":
                calls.end(line)
            case "turn.end" if not run or run in list(sub_runs)[:SUB_RUNS]:
                turns.append(parse_line(line) or {})
            case "run.start" | "run.end" | "run.stop":
                ends[kind] = parse_line(line) or {}
            case "run.resume":  # which goes through the turns before it again
                turns, sub_runs = [], {}
                ends.pop("run.stop", None)
            case _:
                pass
    header = trace.header if (trace.folder / HEADER).is_file() else {}
    is_run = header.get("schema") not in RECORDS
    done = trace.finished and is_run
    program = trace.program if trace.finished else program_so_far(trace)
    return Story(
        trace.name,
        header,
        tuple(turn_of(content, program) for content in turns),
        len(sub_runs),
        program,
        tuple(trace.steps if done else steps_so_far(trace) if is_run else ()),
        trace.answer if done else {},
        calls,
        ends.get("run.end", {}),
        str(ends.get("run.stop", {}).get("message", "")),
        trace.json(SEAL)["predicate"] if trace.finished else {},
        way_on="" if trace.finished else way_on(trace.folder, trace.place),
        optimization=trace.json(REPORT) if trace.finished and header.get("schema") == OPTIMIZATION else {},
    )


def lines_with_heads(trace: Trace) -> Iterator[tuple[str, bytes, bytes]]:
    """Each line of the log with its type, and its sub-run if it is of one."""
    for line in lines(trace.folder / EVENTS):
        found = HEAD.match(line)
        if found:
            yield found[1].decode("ascii"), found[2] or b"", line


def turn_of(content: Mapping[str, Any], program: str) -> Turn:
    written, errors = str(content.get("program", "")), int(content.get("errors", 0))
    return Turn(
        int(content.get("turn", 0)),
        written,
        str(content.get("observation", "")),
        errors,
        "" if content.get("sub_run") else use_of(written, errors, program),
        str(content.get("within", "")),
        str(content.get("sub_run", "")),
    )


def use_of(written: str, errors: int, program: str) -> str:
    """Where a turn led: its names are looked for among those that the final program binds."""
    names = {a or b for a, b in BOUND.findall(written)}
    if names & {a or b for a, b in BOUND.findall(program)}:
        return "used"
    if errors:
        return "problems"
    if re.search(r"^\s*answer\b", written, re.MULTILINE):
        return "answer"
    return "dead end" if names else "look"
