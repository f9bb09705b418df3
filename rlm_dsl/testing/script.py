"""Scripted turns: what the root model says, turn by turn.

In: texts (or small objects) in order, and the messages of a request. Out: the turn that is due, or a problem.
Law: the turn follows from the messages alone, so a request sent again is answered alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlm_dsl.testing.wire import Json, Problem, Reply, text_of

TURN = re.compile(r"\bturn\s+(\d+)\s+of\s+\d+", re.IGNORECASE)
SEPARATOR = re.compile(r"^---[ \t]*\r?$\n?", re.MULTILINE)


class BadScript(ValueError):
    """A script that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One scripted turn. `delay` is in seconds; a `status` of 400 or more makes it an HTTP error."""

    content: str | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    tool_calls: tuple[Json, ...] = ()
    delay: float = 0.0
    status: int = 200


Turns = Sequence[str | Mapping[str, Any] | Turn]


@dataclass(frozen=True, slots=True)
class Script:
    """Turns by question: the first question found in any user message counts, and "" is found in all.

    Past its last turn a script repeats that turn, or, if strict, answers HTTP 500.
    """

    questions: tuple[tuple[str, tuple[Turn, ...]], ...]
    strict: bool = False

    @staticmethod
    def of(source: Script | str | Turns | Mapping[str, str | Turns], strict: bool = False) -> Script:
        """From one text, a list of turns, or `{part of a question: turns}`. Raises BadScript."""
        if isinstance(source, Script):
            return source
        by_question = source if isinstance(source, Mapping) else {"": source}
        return Script(tuple((question, turns(told)) for question, told in by_question.items()), strict)

    @staticmethod
    def parse(text: str, strict: bool = False) -> Script:
        """From a JSON list or object. Raises BadScript."""
        try:
            return Script.of(json.loads(text), strict)
        except json.JSONDecodeError as failure:
            raise BadScript(f"the script is no JSON: {failure}") from None

    @staticmethod
    def parse_plain(text: str, strict: bool = False) -> Script:
        """From plain text whose turns stand between lines of `---`."""
        return Script.of([part.strip("\r\n") for part in SEPARATOR.split(text)], strict)


def load_script(path: Path, strict: bool = False) -> Script:
    """A script from a `.json` or a `.txt` file. Raises BadScript and OSError."""
    parse = Script.parse_plain if path.suffix == ".txt" else Script.parse
    return parse(path.read_text("utf-8"), strict)


def turns(told: object) -> tuple[Turn, ...]:
    listed = [told] if isinstance(told, str) else told
    if not isinstance(listed, Iterable) or isinstance(listed, Mapping):
        raise BadScript(f"turns are a list of texts or objects, not {type(told).__name__}")
    read = tuple(turn(item) for item in listed)
    if not read:
        raise BadScript("a script needs at least one turn")
    return read


def turn(told: object) -> Turn:
    match told:
        case Turn():
            return told
        case str():
            return Turn(told)
        case Mapping():
            return turn_of_object(told)
        case _:
            raise BadScript(f"a turn is a text or an object, not {type(told).__name__}")


def turn_of_object(told: Mapping[str, Any]) -> Turn:
    known = [field.name for field in fields(Turn)]
    if unknown := [name for name in told if name not in known]:
        raise BadScript(f"a turn has no {', '.join(map(str, unknown))}; it has {', '.join(known)}")
    calls = tuple(tool_call(call, number) for number, call in enumerate(told.get("tool_calls") or (), 1))
    return Turn(**{**told, "tool_calls": calls})


def tool_call(call: Json, number: int) -> Json:
    """The call in OpenAI's form; its id may be left out and its arguments may be given as an object."""
    function = dict(call["function"]) if "function" in call else {"name": call["name"], "arguments": call["arguments"]}
    if not isinstance(function["arguments"], str):
        function["arguments"] = json.dumps(function["arguments"])
    return {"id": call.get("id", f"call_{number}"), "type": "function", "function": function}


def script_reply(script: Script | None, messages: Sequence[Json]) -> Reply | Problem:
    """The turn that these messages ask for."""
    due = None if script is None else turns_for(script, messages)
    if script is None or due is None:
        return Problem(400, "no script is known for this conversation, which asks for no result schema", "no_script")
    number = turn_number(messages)
    if number > len(due) and script.strict:
        return Problem(500, f"the script ends after turn {len(due)}, and turn {number} is asked for", "script_ended")
    return said(due[min(number, len(due)) - 1])


def turns_for(script: Script, messages: Sequence[Json]) -> tuple[Turn, ...] | None:
    asked = [text_of(message) for message in messages if message.get("role") == "user"]
    found = (told for question, told in script.questions if any(question in text for text in asked) or not question)
    return next(found, None)


def turn_number(messages: Sequence[Json]) -> int:
    """From 1: the last "turn N of M" in the last user message, else one more than there are assistant messages."""
    asked = [text_of(message) for message in messages if message.get("role") == "user"]
    told = TURN.findall(asked[-1]) if asked else []
    answered = [message for message in messages if message.get("role") == "assistant"]
    return max(1, int(told[-1])) if told else 1 + len(answered)


def said(turn: Turn) -> Reply | Problem:
    if turn.status >= 400:
        return Problem(turn.status, turn.content or "a scripted error", "scripted_error", delay=turn.delay)
    finish = turn.finish_reason or ("tool_calls" if turn.tool_calls else "stop")
    return Reply(turn.content, "script", finish, turn.refusal, turn.tool_calls, turn.delay)
