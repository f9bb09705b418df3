"""Places as editors count them.

In: a text, and an offset in characters or an editor's line and column. Out: the other of the two.
Law: `offset(text, *position(text, n)) == n` for every offset that is not inside a line end; a place beyond the text is
moved to the nearest that is in it.
"""

from __future__ import annotations

import re

LINE_END = re.compile(r"\r\n|\n|\r")


def position(text: str, offset: int, encoding: str = "utf-16") -> tuple[int, int]:
    """Line and column, both from 0; columns count the encoding's units."""
    line, start = 0, 0
    for match in LINE_END.finditer(text, 0, min(offset, len(text))):
        line, start = line + 1, match.end()
    return line, units(text[start:offset], encoding)


def offset(text: str, line: int, column: int, encoding: str = "utf-16") -> int:
    """The character at an editor's line and column."""
    start = 0
    for _ in range(line):
        match = LINE_END.search(text, start)
        if match is None:
            return len(text)
        start = match.end()
    end = match.start() if (match := LINE_END.search(text, start)) else len(text)
    at = start
    while at < end and column > 0:
        column -= units(text[at], encoding)
        at += 1
    return at


def units(text: str, encoding: str) -> int:
    """How long a text is in an encoding's units."""
    match encoding:
        case "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        case "utf-32":
            return len(text)
        case _:
            return len(text) + sum(1 for character in text if character > "\uffff")
