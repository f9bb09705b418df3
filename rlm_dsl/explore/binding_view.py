"""A table just bound, as the root model is shown it: what is new in it, and no more than tells how it came out.

In: the table's type, its rows, the tables that were shown before. Out: text. Law: what an earlier table has shown is
named and not shown again; closed sets are counted; a text that other columns were cut from is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.explore.view import cell, cut
from rlm_dsl.language.types import Enum, Field, Table, bare, is_text, quoted_name
from rlm_dsl.models.packing import MOST_TOKENS, SIZES

FEW = 12
"""Rows of a table so small that all are shown."""
NARROW = 4
"""Columns of such a table."""
ROWS = 3
LONGEST = 2_400
"""Characters of a view."""
WIDE = 160
"""Characters of a cell; of one that was shown before, SHORT."""
SHORT = 60
MANY = 100
"""Rows from which on the price of asking about them is told."""
CHARACTERS, EACH, SAID = 4, 6, 150
"""Characters of a token; tokens of a row's number and answer; tokens that are said about rows, once a request."""
CONTAINED = 20
"""Characters of a cell that is not repeated within another."""

Counts = Mapping[str, Sequence[tuple[Any, int]]]
"""By column of a closed set, its values with how many rows have each, many first."""


def binding_view(
    label: str,
    type_: Table,
    count: int,
    rows: Sequence[Sequence[Any]],
    seen: Mapping[str, Table],
    counts: Counts,
    pack: int = 1,
) -> str:
    """Name, type and row count, the counts of new closed sets, then rows, a line each. `seen` are the tables shown
    before, the last one last; where one closed set is new, `rows` are examples of its values; `pack` is how many rows
    go together where a model is asked."""
    base, new = told_before(type_, seen)
    lines = [f"{label}: {spelled(type_, base, new, seen)}, {counted(count, 'row')}"]
    lines += [
        f"  {quoted_name(name)}: {', '.join(f'{cell(value, SHORT)} {n:,}' for value, n in found)}"
        for name, found in counts.items()
        if any(n > 1 for _, n in found)
    ]
    few = count <= FEW and len(type_.columns) <= NARROW
    some = rows if few or (len(counts) == 1 and count > FEW) else rows[:ROWS]
    columns = shown_columns(type_, some, base, new)
    for row in some:
        cells = (cell(row[n], WIDE if type_.columns[n] in new or not base else SHORT) for n in columns)
        lines.append(f"  {' | '.join(cells)}")
    if count > len(some):
        lines.append(f"  ... {count - len(some):,} more rows{asking_price(type_, count, rows, columns, new, pack)}")
    return cut("\n".join(lines), LONGEST)


def told_before(type_: Table, seen: Mapping[str, Table]) -> tuple[str, tuple[Field, ...]]:
    """The table whose columns are all in this one and are most of it, "" for none; and the columns that are new."""
    held = [(name, table) for name, table in seen.items() if table.columns and set(table.columns) <= set(type_.columns)]
    if not held:
        return "", type_.columns
    name, base = max(reversed(held), key=lambda each: len(each[1].columns))
    return name, tuple(column for column in type_.columns if column not in base.columns)


def spelled(type_: Table, base: str, new: Sequence[Field], seen: Mapping[str, Table]) -> str:
    """The type, with what was spelled before named: columns of a table, values of a closed set."""
    if not base:
        return f"table({', '.join(column_text(column, seen) for column in type_.columns)})"
    return f"the columns of {quoted_name(base)}" + "".join(f", {column_text(column, seen)}" for column in new)


def column_text(column: Field, seen: Mapping[str, Table]) -> str:
    if isinstance(bare(column.type), Enum):
        known = next((name for name, table in seen.items() if column in table.columns), None)
        if known is not None:
            return f"{quoted_name(column.name)}: as in {quoted_name(known)}"
    return str(column)


def shown_columns(type_: Table, rows: Sequence[Sequence[Any]], base: str, new: Sequence[Field]) -> list[int]:
    """The places of the columns that are shown: not those that others were cut from; beside new columns only the
    longest of the texts that were shown before."""
    whole = [n for n in range(len(type_.columns)) if not is_cut(type_, rows, n)]
    if not base or not new:
        return whole
    fresh = [n for n in whole if type_.columns[n] in new]
    old = [n for n in whole if n not in fresh and is_text(type_.columns[n].type)]
    longest = max(old, key=lambda n: sum(len(row[n] or "") for row in rows), default=None)
    return fresh if longest is None else [longest, *fresh]


def is_cut(type_: Table, rows: Sequence[Sequence[Any]], place: int) -> bool:
    """Whether in each row another text was cut from this one."""

    def within(row: Sequence[Any]) -> bool:
        text = row[place]
        others = (row[n] for n in range(len(row)) if n != place and isinstance(row[n], str))
        return isinstance(text, str) and any(CONTAINED <= len(t) < len(text) and t in text for t in others)

    return bool(rows) and is_text(type_.columns[place].type) and all(map(within, rows))


def asking_price(
    type_: Table,
    count: int,
    rows: Sequence[Sequence[Any]],
    columns: Sequence[int],
    new: Sequence[Field],
    pack: int,
) -> str:
    """About what it takes to ask a model about every row's longest text, so that a root narrows first; "" for few rows
    and where no text or choice of rows is new."""
    texts = [n for n in columns if is_text(type_.columns[n].type) and not isinstance(bare(type_.columns[n].type), Enum)]
    told = bool(new) and not any(type_.columns[n] in new for n in texts)
    if count < MANY or not texts or told:
        return ""
    longest = max(sum(len(str(row[n] or "")) for row in rows) for n in texts)
    each = longest / len(rows) / CHARACTERS + EACH
    size = max(1, min(pack or SIZES[0], int(MOST_TOKENS / each)))
    requests = -(-count // size)
    tokens = int(count * each + requests * SAID)
    rounded = round(tokens, 1 - len(str(tokens)) + 1)
    return f" (to ask a model about each: about {requests:,} requests, {rounded:,} tokens)"


def closed(type_: Table, seen: Mapping[str, Table]) -> list[str]:
    """The new columns whose values are of a closed set."""
    _, new = told_before(type_, seen)
    return [column.name for column in new if isinstance(bare(column.type), Enum)]
