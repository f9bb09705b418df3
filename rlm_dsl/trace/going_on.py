"""How a run that has no seal is gone on with: by `resume`, and where its turns are used up, by `resume` with more.

In: an unfinished trace's folder. Out: what to do. Law: what is named leads on: an exploration that came to its end
without an answer asks nothing more unless it is given more turns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlm_dsl.trace.events import last_event, lines, parse_line, whole_lines
from rlm_dsl.trace.layout import EVENTS, HEADER, RECORDS

AT_AN_END = frozenset({"turns", "type"})
"""What failures are called after which a run asks nothing more when it goes on."""
ENDED = re.compile(r"no answer within \d+ turns|the answer has another type: ")
"""How they begin, where a log from before does not say what they are called."""
ANEW = "run the same command again: nothing was asked yet"
"""Of a run that was stopped before its first event was written: there is nothing to resume."""
USUAL = 20
"""Turns, of a header that tells none."""


def way_on(folder: Path, named: Path | None = None) -> str:
    """What to do about an unfinished trace; `named` is how people name its folder, where that is not where it lies."""
    if str(header_in(folder).get("schema")) in RECORDS:
        return "run the command that began it again"
    if not (folder / EVENTS).is_file() or next(whole_lines(folder / EVENTS), None) is None:
        return ANEW
    shown = named or folder
    return more_turns(shown, allowed_turns(folder)[-1]) if turns_used_up(folder) else f"rlm-dsl resume {shown}"


def more_turns(folder: Path, allowed: int) -> str:
    """The command that gives an exploration twice as many turns."""
    return f"rlm-dsl resume {folder} --turns {2 * allowed}"


def turns_used_up(folder: Path) -> bool:
    """Whether a run ended without an answer, its turns used up."""
    end = last_event(folder / EVENTS) if (folder / EVENTS).is_file() else {}
    if end.get("type") != "run.stop":
        return False
    code = end.get("code")
    return ENDED.match(str(end.get("message", ""))) is not None if code is None else code in AT_AN_END


def allowed_turns(folder: Path) -> list[int]:
    """How many turns an exploration was allowed at first, and by each `resume --turns` since."""
    first = header_in(folder).get("turns_allowed")
    given = [first, *(event.get("turns_allowed") for event in events_of(folder, "run.resume"))]
    return [each for each in given if isinstance(each, int)] or [USUAL]


def header_in(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / HEADER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def events_of(folder: Path, kind: str) -> Iterator[Mapping[str, Any]]:
    """The events of a kind whose lines can be read."""
    mark = f'"{kind}"'.encode()
    for line in lines(folder / EVENTS) if (folder / EVENTS).is_file() else ():
        event = parse_line(line) if mark in line else None
        if event is not None and event.get("type") == kind:
            yield event
