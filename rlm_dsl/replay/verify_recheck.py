"""What a recheck recorded, checked: requests have their keys, answers are read as they were counted, counts are right.

In: the sealed trace of a recheck. Out: a level's count, words and divergences. Law: nothing is asked; what a row came
to today follows from its recorded answer alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rlm_dsl.common.json_ready import json_text
from rlm_dsl.engine.run_trace import program_digest
from rlm_dsl.language.lenient_json import Unreadable
from rlm_dsl.language.said_json import said_values
from rlm_dsl.models.recording import Call
from rlm_dsl.trace.divergence import Divergence
from rlm_dsl.trace.reader import Trace

RECHECK = "rlm-recheck/1"
REPORT = "report.json"
Level = tuple[int, str, list[Divergence]]


def recheck_level(trace: Trace, name: str) -> Level:
    """One level of verify. Raises what reading a trace of an odd form raises."""
    return LEVELS_OF[name](trace)


def report_of(trace: Trace) -> Mapping[str, Any]:
    return dict(json.loads((trace.folder / REPORT).read_text(encoding="utf-8")))


def calls_of(trace: Trace) -> Iterator[tuple[str, Call]]:
    for row in trace.table("calls").to_pylist():
        yield row["key"], Call.from_json(row)


def nothing(what: str) -> Callable[[Trace], Level]:
    return lambda trace: (0, what, [])


def program(trace: Trace) -> Level:
    recorded, now = trace.header.get("program_sha256"), program_digest(trace.program)
    found = [] if recorded == now else [Divergence("D04", "program", "program.rlm is another one", recorded, now)]
    return trace.program.count("\n"), "lines, of the run that is checked", found


def rows(trace: Trace) -> Level:
    held = report_of(trace)["rows"]
    keys = {key for key, _ in calls_of(trace)}
    lost = [row["row"][:12] for row in held if row["key"] not in keys]
    found = [Divergence("D06", "rows", f"row {row} has no recorded call") for row in lost]
    return len(held), "rows, each with its call", found


def requests(trace: Trace) -> Level:
    found, count = [], 0
    sample = trace.header["recheck"]["sample"]
    for key, call in calls_of(trace):
        count += 1
        if call.request.key != key or call.request.sample != sample or call.origin != "live":
            found.append(Divergence("D06", "requests", "a request is not the one of its key, asked anew", key[:12]))
    return count, "requests, asked anew, by their keys", found


def answers(trace: Trace) -> Level:
    """Each row's answer of today as its call has it; one that was not valid is None."""
    texts = {key: call.answer.text for key, call in calls_of(trace)}
    held, found = report_of(trace)["rows"], []
    for row in held:
        if row["now"] is not None and not says(texts.get(row["key"], ""), row["now"]):
            found.append(Divergence("D07", "answers", "an answer says something else", json_text(row["now"])))
    return len(held), "answers, read as counted", found


def says(text: str, value: Mapping[str, Any]) -> bool:
    """Whether an answer's text holds these fields."""
    try:
        said = [each for each in said_values(text, list(value)) if isinstance(each, Mapping)]
    except (Unreadable, RecursionError):
        return False
    wanted = json_text(dict(value))
    return any(json_text({name: each.get(name) for name in value}) == wanted for each in said)


def answer(trace: Trace) -> Level:
    told = report_of(trace)
    same = sum(row["before"] == row["now"] for row in told["rows"])
    found = []
    if (told["same"], told["asked"]) != (same, len(told["rows"])):
        recorded = f"{told['same']} of {told['asked']}"
        found.append(Divergence("D08", "answer", "the counts are others", recorded, f"{same} of {len(told['rows'])}"))
    return len(told["rows"]), "rows, counted", found


LEVELS_OF: Mapping[str, Callable[[Trace], Level]] = {
    "context": nothing("source files: a recheck keeps its rows"),
    "program": program,
    "plan": nothing("queries: no program is run"),
    "rows": rows,
    "requests": requests,
    "answers": answers,
    "answer": answer,
}
