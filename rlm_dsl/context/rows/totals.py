"""Rows that are none of the data but sums of it: a total at the end of a table, subtotals within.

In: rows as they were read, texts or values, and the last one. Out: whether that is a total. Law: what is only likely is
said and left to the user; a row that is labelled as a total needs a number, one that is not needs to be the sum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal as Exact
from decimal import InvalidOperation
from typing import Any, TypeVar

from rlm_dsl.language.types import quoted_name

T = TypeVar("T")
SAMPLE_ROWS = 2_000
"""Rows that are held against the last one; of more, their sum is not known."""
WORDS = (
    "total totals totaal totale totali totaux totalt totalsumme sum sums summe summen suma summa soma somme sommes "
    "gesamt gesamtsumme gesamtbetrag gesamtergebnis zwischensumme endsumme insgesamt subtotal subtotals sous-total "
    "grandtotal toplam razem celkem spolu összesen yhteensä ukupno skupaj kokku kopā итого всего разом 合计 合計 "
    "总计 總計 小计 小計 합계 총계 average mean durchschnitt mittelwert mittel moyenne promedio Σ ∑"
).split()
BESIDE = (
    "grand sub net gross overall page report monthly yearly annual running general général générale generale geral "
    "generaal allgemein netto brutto hors ht ttc amount amounts"
).split()
"""Words that stand beside those of a total."""
LABEL = re.compile(
    rf"(?:(?:{'|'.join(BESIDE)})[ -]?)*(?:{'|'.join(WORDS)})(?:[ -](?:{'|'.join(BESIDE)}))*"
    r"(?P<more>[ :,.(=-].*)?\Z",
    re.IGNORECASE | re.DOTALL,
)
FIRST_WORD = re.compile(r"[ :,.(=-]")
KNOWN = {FIRST_WORD.split(word.lower(), 1)[0] for word in (*WORDS, *BESIDE)}
PLAIN_MORE = re.compile(r"[ :.=-]*(?:\(.{0,20}\)|[A-Z]{3}|\d{2,4}(?:[-./]\d\d?)?)?[ :.=-]*\Z")
"""What may follow a label that is sure: a colon, a currency, something in brackets, a year or month."""
BESIDE_NUMBER = re.compile(r"[\s\u00a0\u202f€$£¥₹%]|\b(?:EUR|USD|GBP|CHF|JPY)\b")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
FILLED = 0.9
"""The share of rows with a cell, from which on a blank one tells something."""
CLOSE = Exact("1e-9")


def is_total(above: Sequence[Sequence[Any]], last: Sequence[Any], whole: bool) -> bool:
    """Whether the last row sums up those above it; `whole` is whether these are all."""
    numbers = {place: number for place, cell in enumerate(last) if (number := number_of(cell)) is not None}
    if not numbers or len(above) < 2 or len(last) < 2:
        return False
    labels = [said for cell in last if (said := label_of(cell)) is not None]
    if "" in labels:
        return True
    sums = [place for place, number in numbers.items() if whole and is_sum(number, column(above, place))]
    blank = [place for place, cell in enumerate(last) if is_blank(cell) and is_filled(column(above, place))]
    if labels:
        return bool(sums or blank)
    if blank:
        return (
            bool(sums) or is_balance(numbers, above)
            if whole
            else 0 in blank and len(blank) * 2 >= len(last) - len(numbers)
        )
    return len(sums) == len(numbers) and all(len(counted(column(above, place))) > 2 for place in sums)


def labelled_rows(rows: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """The places of rows, and of their cells, that are labelled as totals for sure and have a number."""
    return [
        (at, place)
        for at, row in enumerate(rows)
        for place, cell in enumerate(row)
        if isinstance(cell, str) and label_of(cell) == "" and any(number_of(other) is not None for other in row)
    ]


def told_subtotals(rows: Sequence[tuple[int, Sequence[Any]]], names: Sequence[str], place: str) -> list[str]:
    """A note on rows among the others, with their places, that are labelled as totals: few of all."""
    found = labelled_rows([row for _, row in rows])
    if not found or 3 * len(found) > len(rows):
        return []
    at, column = found[0]
    label = json.dumps(str(rows[at][1][column]).strip(), ensure_ascii=False)
    where = f"where({quoted_name(names[column])} != {label}) leaves out such rows"
    return [f"{len(found):,} rows among the others look like totals, first in {place} {rows[at][0]:,}: {where}"]


def label_of(cell: Any) -> str | None:
    """What follows a total's label in a cell, '' where that may stand behind any; None for a cell that is no label."""
    if not isinstance(cell, str):
        return None
    bare = cell.strip()
    if FIRST_WORD.split(bare, 1)[0].lower() not in KNOWN:  # most cells end here
        return None
    found = LABEL.match(bare)
    if found is None:
        return None
    more = found["more"] or ""
    return "" if PLAIN_MORE.match(more) else more


def number_of(cell: Any) -> Exact | None:
    """The number that a cell is or shows."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | Exact):
        return Exact(cell)
    if isinstance(cell, float):
        return Exact(repr(cell)) if cell == cell and abs(cell) != float("inf") else None
    bare = BESIDE_NUMBER.sub("", cell) if isinstance(cell, str) and len(cell) < 60 else ""
    try:
        return Exact(bare) if NUMBER.match(bare) else None
    except InvalidOperation:
        return None


def is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def column(rows: Sequence[Sequence[Any]], place: int) -> list[Any]:
    return [row[place] if place < len(row) else None for row in rows]


def is_filled(cells: Sequence[Any]) -> bool:
    """Whether nearly every cell holds something."""
    return sum(not is_blank(cell) for cell in cells) >= FILLED * len(cells)


def is_sum(number: Exact, cells: Sequence[Any]) -> bool:
    """Whether a number is the sum of what numbers there are in some cells, two at least that are not 0."""
    held = counted(cells)
    if len(held) < 2 or not number.is_finite():
        return False
    try:
        return abs(sum(held, Exact(0)) - number) <= CLOSE * max(map(abs, held))
    except InvalidOperation:
        return False


def is_balance(numbers: Mapping[int, Exact], above: Sequence[Sequence[Any]]) -> bool:
    """Whether each of several numbers is the sum of those above it, though of one alone."""
    held = [(number, counted(column(above, place))) for place, number in numbers.items()]
    return len(held) > 1 and all(some and sum(some, Exact(0)) == number for number, some in held)


def counted(cells: Sequence[Any]) -> list[Exact]:
    """The numbers among some cells that are not 0."""
    return [found for cell in cells if (found := number_of(cell))]


def shown_total(last: Sequence[Any]) -> str:
    """What tells a total: its label, the first text of its row, or that it is a sum."""
    texts = [cell.strip() for cell in last if isinstance(cell, str) and not is_blank(cell) and number_of(cell) is None]
    told = next((text for text in texts if label_of(text) is not None), texts[0] if texts else "")
    return f"`{told[:40]}`" if told else "its numbers are the sums of those above"


def all_but_last(parts: Iterator[T], count: int, size: Callable[[T], int], first: Callable[[T, int], T]) -> Iterator[T]:
    """Parts of rows without so many at their end; `first` are the first rows of a part."""
    held: list[T] = []
    for part in parts:
        held.append(part)
        while len(held) > 1 and sum(map(size, held[1:])) >= count:
            yield held.pop(0)
    while held and count:
        last = held.pop()
        if size(last) > count:
            held.append(first(last, size(last) - count))
        count -= min(count, size(last))
    yield from held
