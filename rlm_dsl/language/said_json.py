"""The JSON objects that a model said: one, or drafts of which it did not say which one counts.

In: a reply's text, the names of an answer's properties. Out: the values that may be the answer. Law: a text that is
JSON as a whole is the answer, whatever stands in its strings; else nothing that was only thought is among the values,
nor is an object without any of the names where another has one. Prose may stand before an object, and around a fence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any
from unicodedata import normalize

from rlm_dsl.language.lenient_json import STRICT, Unreadable, check_depth, nearly
from rlm_dsl.language.spoken import spoken

LONGEST = 100_000
"""Characters of an answer that are worth mending."""
MOST = 100
"""Objects in one answer that are worth reading."""
ALL_THOUGHT = "all of the answer is thought: say it after the thought, as one JSON object"
TOO_MANY = f"the answer holds more than {MOST} objects: give one"
DRAFTS = "the answer is given more than once, and not the same: answer once, with one JSON object"


@dataclass(frozen=True, slots=True)
class Broken:
    """What looks like an object and cannot be read as one."""

    text: str


def said_values(reply: str, names: Sequence[str]) -> list[Any]:
    """The values that may be the answer, at least one. Raises Unreadable where there is none."""
    check_depth(reply)
    if (whole := strictly(reply)) is not None:
        return whole
    said = spoken(reply)
    if (whole := strictly(said)) is not None:
        return whole
    if reply.strip() and not said.strip():
        raise Unreadable(ALL_THOUGHT)
    fences = [*islice(fenced(said), MOST + 1)]
    if len(fences) > MOST:
        raise Unreadable(TOO_MANY)
    values = [value for fence in fences for value in values_in(said[fence])]
    values += objects(outside(said, fences)) if values else []
    first = said[fences[0]] if fences and (values or not said.lstrip().startswith("{")) else said
    found = that_count(values or values_in(first), names)
    if not found:
        raise Unreadable(f"the answer is no JSON: {fault(first)}")
    return found


def that_count(values: list[Any], names: Sequence[str]) -> list[Any]:
    """Of several values those that have one of the names, if any has; broken ones count, and cannot be compared."""
    counting = [value for value in values if has_one_of(names, value)]
    if not counting:
        return [value for value in values if not isinstance(value, Broken)][:1]
    whole = [value for value in counting if not isinstance(value, Broken)]
    if whole and len(whole) < len(counting):
        raise Unreadable(DRAFTS)
    return whole


def has_one_of(names: Sequence[str], value: Any) -> bool:
    match value:
        case dict():
            return not {normalize("NFC", name) for name in value}.isdisjoint(normalize("NFC", name) for name in names)
        case Broken(text):
            composed = [normalize("NFC", each) for each in (text, *names)]
            return any(re.search(rf"{re.escape(name)}[\"'`”’]?\s*:", composed[0]) for name in composed[1:])
        case _:
            return False


def fault(text: str) -> str:
    """Why a text is no JSON as a whole."""
    try:
        STRICT.decode(text.strip())
    except ValueError as failure:
        return str(failure)
    return ""


def strictly(text: str) -> list[Any] | None:
    """The one value of a text that is JSON as a whole."""
    try:
        return [STRICT.decode(text.strip())]
    except ValueError:
        return None


def values_in(text: str) -> list[Any]:
    """The value of a text, or its objects where it ends in one and each is closed: what is missing is not made up."""
    if (whole := strictly(text)) is not None:
        return whole
    ends = text.rstrip().endswith("}") and text.count("{") == text.count("}")
    return [*objects(text)] if ends and len(text) <= LONGEST else []


def objects(text: str) -> Iterator[dict[str, Any] | Broken]:
    """The outermost objects of a text in order, strict or nearly JSON."""
    at, count = text.find("{"), 0
    while at >= 0:
        if (count := count + 1) > MOST:
            raise Unreadable(TOO_MANY)
        value, end = object_at(text, at, to_its_end=count == 1)
        yield value
        at = text.find("{", end)


def object_at(text: str, at: int, *, to_its_end: bool) -> tuple[dict[str, Any] | Broken, int]:
    """The object at a brace and its end. What is no object ends where its braces do, or, as quotes that are not escaped
    hide those, is looked at up to the text's end: for the first alone, as that takes the time of the whole text."""
    with suppress(ValueError):
        return STRICT.raw_decode(text, at)
    end = end_of_braces(text, at)
    for within in (text[at:end], text[at:] if to_its_end else ""):
        with suppress(ValueError):
            value, length = nearly(within, 0)
            return value, at + length
    return Broken(text[at:end]), end


BRACES = re.compile(r'"(?:[^"\\]|\\.)*+"?|(?<=[\s:,{\[])\'(?:[^\'\\]|\\.)*+\'(?=\s*[:,}\]])|[{}]', re.DOTALL)


def end_of_braces(text: str, at: int) -> int:
    depth = 0
    for token in BRACES.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)


# ---- fences ----

OPENING = re.compile(r"(?P<brace>{)|(?:(?<!`)(?P<ticks>```)`*+|(?<!~)~~~~*+)[^\r\n`~{\[]*+(?:\r\n?|\n|(?=[{\[]))")
CLOSING = {True: re.compile("```+"), False: re.compile("~~~+")}


def fenced(text: str) -> Iterator[slice]:
    """Where the insides of fences stand. What begins or ends a fence is not within an object's strings."""
    at, broken = 0, 0
    while opening := OPENING.search(text, at):
        begin = at = opening.end()
        if opening["brace"]:
            at = max(begin, end_of_object(text, opening.start()))
            if (broken := broken + (at == begin)) > MOST:
                raise Unreadable(TOO_MANY)
        elif closing := CLOSING[bool(opening["ticks"])].search(text, end_of_object(text, begin)):
            yield slice(begin, closing.start())
            at = closing.end()


BLANKS = re.compile(r"\s*")


def end_of_object(text: str, at: int) -> int:
    """Where the strict JSON ends that begins there, blanks aside; the place itself where there is none."""
    begin = BLANKS.match(text, at)
    try:
        return STRICT.raw_decode(text, begin.end() if begin else at)[1]
    except ValueError:
        return at


def outside(text: str, fences: Sequence[slice]) -> str:
    """A text without the insides of its fences."""
    bounds = [0, *(bound for fence in fences for bound in (fence.start, fence.stop)), len(text)]
    return "".join(text[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True))
