"""What the record of an optimization holds, checked: the program that was tuned, and every call that was made for it.

In: the sealed record of a search. Out: a level's count, words and divergences. Law: nothing is asked and no program is
run: what candidates came to is told by the report, which the seal binds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlm_dsl.engine.run_trace import CALLS, COLUMNS, RecordedCalls
from rlm_dsl.replay.verify_calls import not_committed
from rlm_dsl.trace.divergence import Divergence
from rlm_dsl.trace.events import last_event, lines, parse_line
from rlm_dsl.trace.layout import EVENTS, REPORT
from rlm_dsl.trace.reader import Trace

Level = tuple[int, str, list[Divergence]]


def optimization_level(trace: Trace, name: str) -> Level:
    """One level of verify. Raises what reading a trace of an odd form raises."""
    return LEVELS_OF[name](trace)


def nothing(what: str) -> Callable[[Trace], Level]:
    return lambda trace: (0, what, [])


def program(trace: Trace) -> Level:
    first = parse_line(next(lines(trace.folder / EVENTS))) or {}
    recorded, now = str(first["program"]), trace.program
    found = [] if recorded == now else [Divergence("D04", "program", "program.rlm is another one", recorded, now)]
    return now.count("\n"), "lines, of the program that was tuned", found


def calls_of(trace: Trace) -> RecordedCalls:
    table = trace.table(CALLS)
    return RecordedCalls({name: table.column(name).to_pylist() for name in COLUMNS})


def requests(trace: Trace) -> Level:
    calls = calls_of(trace)
    found = list(not_committed(calls, last_event(trace.folder / EVENTS)))
    for key, call in calls.items():
        if call.request.key != key:
            found.append(Divergence("D06", "requests", "a request is not the one of its key", key, call.request.key))
    return len(calls), "requests, by their keys", found


def answers(trace: Trace) -> Level:
    calls = calls_of(trace)
    return sum(calls.answer(key) is not None for key in calls), "answers of the search, as recorded", []


def answer(trace: Trace) -> Level:
    return len(trace.json(REPORT)["points"]), "candidates, told by the report; see: rlm-dsl show", []


LEVELS_OF: Mapping[str, Callable[[Trace], Level]] = {
    "context": nothing("source files: a search keeps what it showed"),
    "program": program,
    "plan": nothing("queries: no program is run"),
    "rows": nothing("steps: no program is run"),
    "requests": requests,
    "answers": answers,
    "answer": answer,
}
