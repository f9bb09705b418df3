"""Lines that fit a terminal.

In: text, a width in cells. Out: text. Law: no line is wider; a cut one ends in an ellipsis.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from rlm_dsl.common.diagnostics import cells

UNKNOWN_WIDTH = 120
"""Columns where there is no terminal: those of a wide one."""


INDENT = 4
"""Columns by which tables are moved in at most."""


def terminal_width() -> int:
    """Columns of the terminal; where there is none, those of a wide one."""
    return width_known() or UNKNOWN_WIDTH


def width_known() -> int | None:
    """Columns of the terminal, if there is one."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(40, shutil.get_terminal_size().columns)
    return None


def narrowed(widths: Sequence[int], room: int, least: int = 8) -> list[int]:
    """The widths of a table's columns so that it has room: the widest give first, and none all of itself."""
    found = list(widths)
    over = sum(found) + 2 * (len(found) - 1) - room
    while over > 0 and found and (widest := max(found)) > least:
        found[found.index(widest)] -= 1
        over -= 1
    return found


def fitted(text: str, columns: int) -> str:
    """Every line no wider than so many cells; a cut one ends in an ellipsis."""
    return "\n".join(line if fits(line, columns) else shortened(line, columns) for line in text.split("\n"))


def fits(line: str, columns: int) -> bool:
    """Whether a line is no wider; of a long one no more is looked at than tells."""
    if len(line) <= columns or line.isascii():
        return cells(line) <= columns
    used = 0
    return all((used := used + cells(character)) <= columns for character in line)


def shortened(line: str, columns: int) -> str:
    taken, used = 0, 1
    while taken < len(line) and used + cells(line[taken]) <= columns:
        used, taken = used + cells(line[taken]), taken + 1
    return line[:taken] + "…"
