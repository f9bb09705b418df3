"""Places as editors count them.

In: a text, and an offset in characters or an editor's line and column. Out: the other of the two.
Law: `offset(text, *position(text, n)) == n` for every offset that is not inside a line end; a place beyond the text is
moved to the nearest that is in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from operator import itemgetter

LINE_END = re.compile(r"\r\n|\n|\r")


@lru_cache(maxsize=4)
def lines(text: str) -> tuple[tuple[int, int], ...]:
    """Where each line begins and ends, without its line end."""
    starts, ends = [0], []
    for match in LINE_END.finditer(text):
        ends.append(match.start())
        starts.append(match.end())
    return tuple(zip(starts, [*ends, len(text)], strict=True))


def position(text: str, offset: int, encoding: str = "utf-16") -> tuple[int, int]:
    """Line and column, both from 0; columns count the encoding's units."""
    offset = min(offset, len(text))
    line = bisect_right(lines(text), offset, key=itemgetter(0)) - 1
    return line, units(text[lines(text)[line][0] : offset], encoding)


def offset(text: str, line: int, column: int, encoding: str = "utf-16") -> int:
    """The character at an editor's line and column."""
    if line >= len(lines(text)):
        return len(text)
    at, end = lines(text)[line]
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
