"""Small pieces of HTML for notebooks: escaped texts, tables.

In: texts of any origin and length. Out: HTML. Law: nothing of a text becomes markup, and its control characters are
visible; whatever is shown, a notebook's file stays small: long texts and tables are cut, and say by how much.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import islice

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import printable_lines

LONGEST_TEXT, LONGEST_CELL = 20_000, 300
"""Characters that are shown of a text, and of a cell."""
MOST_ROWS, MOST_COLUMNS = 100, 60


def escaped(text: str, most: int = LONGEST_TEXT) -> str:
    more = len(text) - most
    told = f"{text[:most]}... (+{counted(more, 'character')})" if more > 0 else text
    return html.escape(printable_lines(told))


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; None is an empty cell."""
    held = iter(rows)
    top = "".join(f"<th>{escaped(each, LONGEST_CELL)}</th>" for each in head[:MOST_COLUMNS])
    body = "".join(f"<tr>{''.join(map(cell_html, row[:MOST_COLUMNS]))}</tr>" for row in islice(held, MOST_ROWS))
    rows_more, columns_more = sum(1 for _ in held), len(head) - MOST_COLUMNS
    more = [f"{counted(rows_more, 'more row')}"] if rows_more else []
    more += [f"{counted(columns_more, 'more column')}"] if columns_more > 0 else []
    return f"<table><tr>{top}</tr>{body}</table>" + "".join(f"<div>{each}</div>" for each in more)


def cell_html(cell: object) -> str:
    return f"<td>{'' if cell is None else escaped(str(cell), LONGEST_CELL)}</td>"
