"""Rows that are none of the data but sums of it: a total at the end of a table, subtotals within.

In: rows as they were read, texts or values, and the last one. Out: whether that is a total. Law: what is only likely is
said and left to the user; a row that is labelled as a total needs an amount, however written, one that is not needs to
be the sum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal as Exact
from decimal import InvalidOperation
from typing import Any, TypeVar

from rlm_dsl.context.rows.amounts import is_amount, number_of, readings
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
FILLED = 0.9
"""The share of rows with a cell, from which on a blank one tells something."""
CLOSE = Exact("1e-9")
ENDING = {*(word.lower() for word in WORDS), "ergebnis", "result"}
"""Words behind the name of a group that tell its total."""
BETWEEN = re.compile(r"\A[ :-]*(?:(?:for|of|für|von|de|pour)\s+)?", re.IGNORECASE)
"""What stands between a total's word and the group that it is of."""
SHOWN = 3
"""Labels that a note names."""


def is_total(above: Sequence[Sequence[Any]], last: Sequence[Any], whole: bool) -> bool:
    """Whether the last row sums up those above it; `whole` is whether these are all. Amounts count that no option reads
    yet."""
    if len(above) < 2 or len(last) < 2 or not has_amount(last):
        return False
    labels = [said for place, cell in enumerate(last) if (said := label_among(cell, column(above, place))) is not None]
    return "" in labels or any(is_summed(rows[:-1], rows[-1], whole, bool(labels)) for rows in readings([*above, last]))


def is_summed(above: Sequence[Sequence[Any]], last: Sequence[Any], whole: bool, labelled: bool) -> bool:
    """Whether the numbers of the last row are sums, or its blank cells tell that."""
    numbers = {place: number for place, cell in enumerate(last) if (number := number_of(cell)) is not None}
    if not numbers:
        return False
    sums = [place for place, number in numbers.items() if whole and is_sum(number, column(above, place))]
    blank = [place for place, cell in enumerate(last) if is_blank(cell) and is_filled(column(above, place))]
    if labelled:
        return bool(sums or blank)
    if blank:
        return (
            bool(sums) or is_balance(numbers, above)
            if whole
            else 0 in blank and len(blank) * 2 >= len(last) - len(numbers)
        )
    return len(sums) == len(numbers) and all(len(counted(column(above, place))) > 2 for place in sums)


def has_amount(row: Sequence[Any]) -> bool:
    """Whether a cell shows an amount that is none in a label, such as `2026 Total`."""
    return any(is_amount(cell) and not (isinstance(cell, str) and grouped_by(cell)) for cell in row)


def labelled_rows(rows: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """The places of rows, and of their cells, that are labelled as totals for sure and have an amount."""
    found = []
    known: dict[int, set[str]] = {}
    for at, row in enumerate(rows):
        for place, cell in enumerate(row):
            values = known.setdefault(place, set())
            if isinstance(cell, str) and (label_of(cell) == "" or grouped_by(cell) in values) and has_amount(row):
                found.append((at, place))
            values.add(str(cell).strip())
    return found


def told_subtotals(rows: Sequence[tuple[int, Sequence[Any]]], names: Sequence[str], place: str) -> list[str]:
    """A note on rows among the others, with their places, that are labelled as totals: few of all where no label names
    a group."""
    found = labelled_rows([row for _, row in rows])
    plain = sum(label_of(rows[at][1][place]) == "" for at, place in found)
    if not found or 3 * plain > len(rows):
        return []
    at, column = found[0]
    name = quoted_name(names[column])
    labels = dict.fromkeys(str(rows[each][1][column]).strip() for each, place in found if place == column)
    tests = [f"{name} != {json.dumps(label, ensure_ascii=False)}" for label in labels]
    where = f"where({' and '.join(tests[:SHOWN])}{' and ...' if len(tests) > SHOWN else ''}) leaves out such rows"
    return [f"{len(found):,} rows among the others look like totals, first in {place} {rows[at][0]:,}: {where}"]


def label_among(cell: Any, above: Sequence[Any]) -> str | None:
    """What follows a total's label in a cell; '' too where that stands beside a value of the cells above."""
    said = label_of(cell)
    if said == "" or not isinstance(cell, str):
        return said
    group = grouped_by(cell)
    return "" if group and any(str(each).strip() == group for each in above) else said


def grouped_by(cell: str) -> str | None:
    """What a label such as `North Total` or `Summe Nord` is the total of."""
    bare = cell.strip()
    if " " not in bare:  # most cells end here
        return None
    group, _, word = bare.rpartition(" ")
    if word.rstrip(":.").lower() in ENDING:
        return group.rstrip(" :-") or None
    return BETWEEN.sub("", label_of(cell) or "").rstrip(" :-") or None


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
    texts = [cell.strip() for cell in last if isinstance(cell, str) and not is_blank(cell) and not is_amount(cell)]
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
