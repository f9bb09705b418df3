"""A first look at a context, without a model: type, size, what its columns hold, rows from its head, middle and end.

In: a context's rows. Out: text. Law: the same rows give the same text, of bounded size and in bounded time: of a large
context a few hundred rows are looked at.
"""

from __future__ import annotations

import datetime
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.view import Limits, cell, cut, view_table
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.types import Field, Table, is_text, quoted_name

HEAD = Limits(rows=3, cell=800, characters=1_600)
LOOKED_AT = 300
"""Rows looked at of the head, of the middle and of the end."""
COLUMNS = 16
"""Columns that are told of."""
FEW = 12
"""Different values that are all listed."""
SHARE = 0.05
"""A template or value that fewer rows have is not told of."""
COVERED = 0.5
"""Templates that have fewer of the rows among them say little of the rest, and are left out."""
TEMPLATED = 200
"""Texts whose templates are made, evenly drawn from those looked at."""
MASKS = (
    ("<date>", r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"),
    (
        "<date>",
        r"\d{1,2}/\w{3,9}/\d{4}(?::\d{2}:\d{2}:\d{2}(?: [+-]\d{4})?)?|\b[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}",
    ),
    ("<time>", r"\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\b"),
    ("<ip>", r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    ("<hex>", r"\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*\b"),
    ("<n>", r"\d+(?:[.,]\d+)*"),
)
MASK = re.compile("|".join(f"(?P<m{n}>{pattern})" for n, (_, pattern) in enumerate(MASKS)))
LONG = 50_000
"""Characters of a text that no model should be shown as it is."""
LINE_END, MANY_LINES = "\n", 100
"""What ends a line; texts of fewer lines are cut otherwise."""
KEPT = 0.1
"""A word that fewer rows have is no part of their template."""
LONGEST = 120
"""Characters of a text that are looked at for its template."""


def first_look(name: str, relation: Relation, warehouse: Warehouse) -> str:
    """What is told of one context."""
    count = warehouse.count(name)
    sampled = count > 3 * LOOKED_AT
    head = warehouse.table(relation, LOOKED_AT if sampled else 3 * LOOKED_AT)
    middle, last = warehouse.around(relation, LOOKED_AT) if sampled else (head[count // 2 :], head[-1:])
    if count <= LOOKED_AT:
        middle, last = [], []
    shown = view_table(f"context {quoted_name(name)}", relation.type, count, head, HEAD).split("\n")
    lines = [heading(name, relation.type, count, HEAD.characters // 2), *shown[1:]]
    for where, rows in (("middle", middle[:1]), ("end", last[-1:])):
        lines += [f"  {where}: {' | '.join(cell(value, 120) for value in row)[:600]}" for row in rows]
    seen = [*head, *middle, *last] if sampled else head
    columns = list(relation.type.columns)
    for place, column in enumerate(columns[:COLUMNS]):
        if count > LOOKED_AT and is_numbering([row[place] for row in head[:LOOKED_AT]]):
            continue
        if told := told_of(column, [row[place] for row in seen], sampled):
            lines.append(f"  {cut(told, 260)}")
    if len(columns) > COLUMNS:
        lines.append(f"  ... {len(columns) - COLUMNS} more columns")
    return "\n".join(lines)


def main_text(relation: Relation, warehouse: Warehouse) -> str:
    """The column whose texts are the longest in the first rows; "" for none."""
    texts = {column.name: place for place, column in enumerate(relation.type.columns) if is_text(column.type)}
    if len(texts) < 2:  # there is none to choose
        return next(iter(texts), "")
    rows = warehouse.table(relation, LOOKED_AT)
    return max(texts, key=lambda name: sum(len(row[texts[name]] or "") for row in rows), default="")


def heading(name: str, type_: Table, count: int, room: int) -> str:
    """A context's name, columns and rows; where so many characters do not hold the columns, fewer are told, those that
    are numbered alike together."""
    head, rows = f"context {quoted_name(name)}: ", f", {counted(count, 'row')}"
    if len(whole := str(type_)) <= room:
        return f"{head}{whole}{rows}"
    told: list[str] = []
    left = len(type_.columns)
    for first, last, count_alike in series(type_.columns):
        one = f"{quoted_name(first.name)}: {cut(str(first.type), NESTED)}"
        many = f"{quoted_name(first.name)} to {quoted_name(last.name)}: {cut(str(first.type), NESTED)}"
        told.append(one if count_alike == 1 else many)
        room -= len(told[-1]) + 2
        if room < 0 and len(told) > 1:
            told.pop()
            break
        left -= count_alike
    more = [f"... {left:,} more columns"] if left else []
    return f"{head}table({', '.join([*told, *more])}){rows}"


NESTED = 80
"""Characters of the type of one column, where not all fit."""
ALIKE = 4
"""Columns in a row whose names differ in a number alone are told together from so many on."""
DIGITS = re.compile(r"\d+")


def series(columns: Sequence[Field]) -> Iterator[tuple[Field, Field, int]]:
    """The first and last of columns that follow each other and differ in a number of their names alone, and how many
    they are."""
    for _, found in groupby(columns, key=lambda column: (DIGITS.sub("#", column.name), column.type)):
        run = list(found)
        if len(run) >= ALIKE:
            yield run[0], run[-1], len(run)
        else:
            yield from ((column, column, 1) for column in run)


def is_numbering(values: Sequence[Any]) -> bool:
    """Whether a column only counts the rows: its range tells nothing."""
    first = values[0] if values else None
    return isinstance(first, int) and not isinstance(first, bool) and values == list(range(first, first + len(values)))


def told_of(column: Field, values: Sequence[Any], sampled: bool) -> str:
    """What a column holds: nulls, range or lengths, its few values, or the templates of its texts."""
    shown = quoted_name(column.name)
    held = [value for value in values if value is not None]
    if not held:
        return f"{shown}: only nulls here" if values else ""
    nulls = f", {1 - len(held) / len(values):.0%} null" if len(held) < len(values) else ""
    about = " in the rows looked at" if sampled else ""
    if is_text(column.type):
        return f"{shown}: {', '.join(of_texts([str(value) for value in held]))}{nulls}{about}"
    if isinstance(held[0], bool):
        return f"{shown}: {sum(held) / len(held):.0%} true{nulls}{about}"
    if isinstance(held[0], int | float | Decimal | datetime.date):
        return f"{shown}: {cell(min(held), 40)} to {cell(max(held), 40)}{nulls}{about}"
    return ""


def of_texts(texts: Sequence[str]) -> Iterator[str]:
    different = Counter(texts)
    if len(different) <= FEW and len(different) < len(texts) and max(map(len, different)) <= 60:
        yield "; ".join(f"{cell(text, 60)} {share(n, texts)}" for text, n in most(different, FEW))
        return
    lengths = sorted(map(len, texts))
    if lengths[-1] > 40:
        yield f"length {lengths[0]:,} to {lengths[-1]:,}, median {int(statistics.median(lengths)):,}"
    if lengths[-1] > LONG:
        of_lines = max(texts, key=len).count(LINE_END) > MANY_LINES
        yield f'cut long ones by partition(by="{"lines" if of_lines else "tokens"}", size=..)'
    yield f"{len(different):,} different of {len(texts):,}"
    common = [(text, n) for text, n in most(different, 3) if n > 1 and n >= SHARE * len(texts)]
    if common:
        yield "often " + "; ".join(f"{cell(text, 50)} {share(n, texts)}" for text, n in common)
        return
    some = texts[:: -(-len(texts) // TEMPLATED)]
    templates = [(text, n) for text, n in most(Counter(templates_of(some)), 3) if n > 1 and n >= SHARE * len(some)]
    told = any(len(text.replace("*", "").strip()) > 2 for text, _ in templates)
    if told and sum(n for _, n in templates) >= COVERED * len(some):
        yield "like " + "; ".join(f"{cell(text, 90)} {share(n, some)}" for text, n in templates)


def most(counted: Counter[str], count: int) -> list[tuple[str, int]]:
    """The most frequent, those of one count in their own order."""
    return sorted(counted.items(), key=lambda each: (-each[1], each[0]))[:count]


def share(count: int, texts: Sequence[str]) -> str:
    return f"{count / len(texts):.0%}"


def templates_of(texts: Sequence[str]) -> Iterator[str]:
    """Each text's beginning with what differs from row to row masked: dates, times, addresses and numbers by their
    kind, words that few rows have by `*`."""
    words = [mask_variables(text[:LONGEST]).split() for text in texts]
    rows = Counter(word for each in words for word in set(each))
    for each in words:
        kept = [word if rows[word] >= KEPT * len(texts) else "*" for word in each]
        yield " ".join(word for place, word in enumerate(kept) if word != "*" or kept[place - 1 : place] != ["*"])


def mask_variables(text: str) -> str:
    return MASK.sub(lambda found: MASKS[int((found.lastgroup or "m0")[1:])][0], text)
