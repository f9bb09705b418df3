"""What goes wrong with batches: calls that fail on their way, result files that are not what they should be.

In: the faults of a setting, the lines of a file of answers. Out: what makes no sense of them, a spoiled file. Law: the
same lines and faults give the same file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from rlm_dsl.testing.wire import encoded

Route = Literal["upload", "create", "list", "poll", "content", "cancel"]
Trouble = Literal["ok", "drop", "half", "stall", "404", "429", "500", "502"]
"""The server does what it was asked, and then `drop` closes the connection, `half` in mid-body; `stall` waits before;
all others answer and do nothing."""
Spoil = Literal["cut", "list", "prose", "stranger", "no_text", "twice", "half_line", "gone"]
"""Of a file of answers: its last line cut; a line `[]`; a line that is no JSON; an answer to what was never asked; a
first answer whose content is a number; the first answer given twice; a first line without its body; no file at all."""
ROUTES, TROUBLES, SPOILS = get_args(Route), get_args(Trouble), get_args(Spoil)


def problem_with(trouble: Mapping[str, Sequence[str]], spoils: Sequence[str]) -> str:
    """Why these faults make no sense; "" if they do."""
    troubles = [name for named in trouble.values() for name in named]
    known = {"route": (trouble, ROUTES), "trouble": (troubles, TROUBLES), "spoil": (spoils, SPOILS)}
    for what, (given, names) in known.items():
        if unknown := [name for name in given if name not in names]:
            return f"unknown {what} {', '.join(unknown)}; there are {', '.join(names)}"
    return ""


def spoiled(lines: Sequence[Mapping[str, Any]], spoils: Sequence[str]) -> bytes:
    """A file of answers, a line each, after what is done to it."""
    told = [encoded(spoiled_first(line, spoils) if at == 0 else line) for at, line in enumerate(lines)]
    if "list" in spoils:
        told.insert(1, b"[]")
    if "prose" in spoils:
        told.insert(1, b"upstream connect error")
    if "stranger" in spoils:
        told.insert(1, encoded({**lines[0], "custom_id": "never-asked"}))
    if "twice" in spoils:
        told.append(told[0])
    whole = b"".join(line + b"\n" for line in told)
    return whole[: -(len(told[-1]) // 2)] if "cut" in spoils else whole


def spoiled_first(line: Mapping[str, Any], spoils: Sequence[str]) -> Mapping[str, Any]:
    if "half_line" in spoils:
        return {**line, "response": {"status_code": 200}}
    if "no_text" in spoils:
        found: dict[str, Any] = json.loads(json.dumps(line))
        found["response"]["body"]["choices"][0]["message"]["content"] = 500
        return found
    return line
