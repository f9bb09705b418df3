"""The value at a path of a JSON text, as loading reads it: numbers as they are written, of doubled keys the last.

In: a JSON text, a path, and what the engine found there. Out: the value as text. Law: where numbers are written as the
engine writes them and no key stands twice, it is what the engine found; what is no strict JSON is the engine's to read.
"""

from __future__ import annotations

import json
import re
from typing import Any

STEP = re.compile(r'\.(?:"([^"\\]+)"|([A-Za-z_]\w*))|\[(\d+)\]')
REWRITTEN = re.compile(r"[.eE]|^-0|\d{16}")
"""Numbers that the engine may write otherwise than the text does."""
FOUND, ABSENT = "=", ""
"""What heads a value that there is, and what says that there is none: the engine's functions give no null."""


class Number(str):
    """A number as it is written."""

    __slots__ = ()


class Reading:
    """One text on its way; `odd` tells whether anything in it is otherwise than the engine has it."""

    def __init__(self) -> None:
        self.odd = False

    def number(self, written: str) -> Number:
        self.odd = self.odd or REWRITTEN.search(written) is not None
        return Number(written)

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        self.odd = self.odd or len(made) < len(pairs)
        return made


def json_at(text: str, path: str, found: str) -> str:
    """The value at the path, headed by `=`; `found` is the engine's, headed so too, or ''."""
    reading = Reading()
    try:
        value = json.loads(
            text,
            parse_int=reading.number,
            parse_float=reading.number,
            parse_constant=refused,
            object_pairs_hook=reading.members,
        )
        made = FOUND + as_text(at) if reading.odd and (at := followed(value, path)) is not None else ABSENT
        made.encode()
    except (ValueError, RecursionError):
        return found
    return made if reading.odd else found


def refused(constant: str) -> Any:
    raise ValueError(constant)


def followed(value: Any, path: str) -> Any:
    """What stands at a path, None where nothing does."""
    for quoted, name, place in STEP.findall(path):
        if place:
            value = value[int(place)] if isinstance(value, list) and int(place) < len(value) else None
        else:
            value = value.get(quoted or name) if isinstance(value, dict) else None
    return value


def as_text(value: Any) -> str:
    """A text as it is, anything else as JSON without blanks."""
    return str(value) if isinstance(value, str) else as_json(value)


def as_json(value: Any) -> str:
    match value:
        case Number():
            return str(value)
        case list():
            return f"[{','.join(map(as_json, value))}]"
        case dict():
            return "{" + ",".join(f"{as_json(name)}:{as_json(item)}" for name, item in value.items()) + "}"
        case _:
            return json.dumps(value, ensure_ascii=False)
