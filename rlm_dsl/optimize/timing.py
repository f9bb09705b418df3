"""How long answers took: noted as they come, found again in records, and measured anew where nothing timed them.

In: events, records, calls. Out: seconds by a request's key. Law: only an answer's own time counts, never that of an
attempt that failed; what is measured anew is announced, budgeted and recorded like everything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from glob import escape
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.attempts import Log
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Request
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.trace.layout import EVENTS, SECONDS

DIGITS = 4
HANDFUL = 5
"""How many calls are made anew to know a model's pace."""
AGAIN = 1_000_000
"""The first sample that is asked for that alone: no optimizer comes so far."""
NO_ANSWER = ("failed", "cancelled")


class TimedLog:
    """A log that notes how long each live answer took, by its key."""

    def __init__(self, log: Log, seconds: dict[str, float]) -> None:
        self.log, self.seconds = log, seconds

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "call.end" and "seconds" in fields and fields.get("outcome") not in NO_ANSWER:
            self.seconds.setdefault(fields["key"], round(fields["seconds"], DIGITS))
        self.log(kind, fields)


def read_seconds(folder: Path) -> dict[str, float]:
    """How long answers took that were given before, by key: to this optimization, and to earlier ones of the program,
    whose records lie beside it."""
    name, _, ending = folder.name.rpartition(".")
    stem = re.sub(r"-\d+$", "", name)
    beside = [path for path in folder.parent.glob(f"*.{escape(ending)}") if path != folder] if name else []
    of_program = re.compile(rf"{re.escape(stem)}(-\d+)?\.{re.escape(ending)}")
    found: dict[str, float] = {}
    for each in sorted([folder, *beside], key=lambda path: (len(path.name), path.name)):
        if each == folder or of_program.fullmatch(each.name):
            found = {**kept_seconds(each), **dict(logged_seconds(each)), **found}
    return found


def kept_seconds(folder: Path) -> dict[str, float]:
    with suppress(OSError, ValueError, TypeError):
        return {str(key): float(each) for key, each in dict(json.loads((folder / SECONDS).read_text())).items()}
    return {}


def logged_seconds(folder: Path) -> Iterator[tuple[str, float]]:
    """What the log of a record says, finished or not: one that was killed has nothing else."""
    with suppress(OSError), (folder / EVENTS).open("rb") as lines:
        for line in lines:
            if b'"call.end"' in line:
                with suppress(ValueError, KeyError, TypeError, AttributeError):
                    event = json.loads(line)
                    if event["type"] == "call.end" and event.get("outcome") not in NO_ANSWER:
                        yield str(event["key"]), round(float(event["seconds"]), DIGITS)


def write_seconds(folder: Path, seconds: Mapping[str, float]) -> None:
    with suppress(OSError):
        (folder / SECONDS).write_text(json.dumps(dict(seconds)) + "\n")


def asked_anew(
    calls: Collection[Call], models: LiveStack, seconds: Mapping[str, float], notify: Callable[[str], None]
) -> float | None:
    """How long one of a model's calls takes, by a handful of them made once more: the middle of these, as the first may
    wait for weights to be loaded. None where that cannot be: the budget is used up, the server fails."""
    again = [unknown_sample(request, models, seconds) for request in measurable(calls)]
    new = [request for request in again if request.key not in seconds]
    if new:
        name = new[0].settings.model
        notify(
            f"how long the {counted(len(calls), 'answer')} of {name} took that were known before is not known: "
            f"{len(new)} of them are asked for anew, to measure it"
        )
        try:
            models.afford(new[0].purpose, new)
            models.wait(lambda: in_turn(new, lambda request: answered(models, request)))
        except UserError as failure:
            notify(f"{name} cannot be measured: {failure.message}")
    known = [seconds[request.key] for request in again if request.key in seconds]
    return median(known) if known else None


def measurable(calls: Collection[Call]) -> list[Request]:
    """A handful of requests that were sent as they are, the same ones whatever the order of answers."""
    sent = [call.request for call in calls if not call.request.explore and not call.answer.pack]
    return sorted(sent, key=lambda request: request.key)[:HANDFUL]


def unknown_sample(request: Request, models: LiveStack, seconds: Mapping[str, float]) -> Request:
    """The same question for another answer: one that was timed, or that the store does not know."""
    others = (replace(request, sample=sample) for sample in count(AGAIN))
    return next(each for each in others if each.key in seconds or not models.stored.look_up([each]))


async def answered(models: LiveStack, request: Request) -> None:
    await models.model.answer(request)
