"""Small pieces of HTML for notebooks: escaped texts, tables.

In: texts of any origin. Out: HTML. Law: nothing of a text becomes markup, and its control characters are visible.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from rlm_dsl.common.diagnostics import printable_lines


def escaped(text: str) -> str:
    return html.escape(printable_lines(text))


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; None is an empty cell."""
    top = "".join(f"<th>{escaped(each)}</th>" for each in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{'' if cell is None else escaped(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"
