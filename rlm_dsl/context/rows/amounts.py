"""Amounts as cells show them: numbers, and what looks like one in a spelling that nobody has said yet.

In: cells, values or texts. Out: the number that one is, whether it shows an amount, rows with amounts read as they
seem to be written. Law: days, ids and prose are no amounts; what no spelling reads for a whole column stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal as Exact
from decimal import InvalidOperation
from typing import Any

from rlm_dsl.context.columns.hints import DAY_LIKE, DIGIT, MOST, UNITS, Way, number_ways
from rlm_dsl.context.columns.spelling import Spelling

LONGEST = 60
"""Characters of a cell that may be an amount."""
BESIDE_NUMBER = re.compile(r"[\s\u00a0\u202f€$£¥₹%]|\b(?:EUR|USD|GBP|CHF|JPY)\b")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
BEFORE = re.compile(r"(?:[^\W\d_]{1,8}\.\s*)?(?:[A-Za-z]{0,3}[€$£¥₹]|[A-Z]{3}|Rs|ca|S/\.?|[^\w#/]*)")
"""What may stand before an amount, beside the units that are known: a shortened word, a currency, signs."""
BROKEN = re.compile(r"\d\s*[-/–_#]\s*\w")
"""Digits that go on behind a sign, as those of ids, days and ranges do."""
WORD = re.compile(r"[^\W\d_]+")
AROUND = " \t\u00a0\u2009\u202f()+-−–[]"
MOST_WORDS = 3


def number_of(cell: Any) -> Exact | None:
    """The number that a cell is or shows."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | Exact):
        return Exact(cell)
    if isinstance(cell, float):
        return Exact(repr(cell)) if cell == cell and abs(cell) != float("inf") else None
    bare = BESIDE_NUMBER.sub("", cell) if isinstance(cell, str) and len(cell) < LONGEST else ""
    try:
        return Exact(bare) if NUMBER.match(bare) else None
    except InvalidOperation:
        return None


def is_amount(cell: Any) -> bool:
    """Whether a cell is a number, or shows one in whatever spelling."""
    return number_of(cell) is not None or (isinstance(cell, str) and shows_amount(cell.strip()))


def shows_amount(cell: str) -> bool:
    """Whether a text has digits with signs and units about them: few words, behind the digits but for a unit."""
    first = DIGIT.search(cell) if len(cell) < LONGEST else None
    if first is None or DAY_LIKE.match(cell) or BROKEN.search(cell):
        return False
    before = cell[: first.start()].strip(AROUND)
    if before not in UNITS and not BEFORE.fullmatch(before):
        return False
    rest = cell[first.start() :]
    words = list(WORD.finditer(rest))
    within = [word[0] for word in words if DIGIT.search(rest, word.end())]
    return len(words) <= MOST_WORDS and UNITS.issuperset(within)


def readings(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows with the amounts of those columns that end in one as numbers, in each of two ways where a sign may be a
    decimal one or stand between thousands."""
    ways = {place: found for place, cell in enumerate(rows[-1]) if is_amount(cell) and (found := ways_of(rows, place))}
    for turn in range(max(map(len, ways.values()), default=1)):
        spellings = {place: replace(Spelling(), **found[min(turn, len(found) - 1)]) for place, found in ways.items()}
        yield [spelled(row, spellings) for row in rows] if spellings else rows


def ways_of(rows: Sequence[Sequence[Any]], place: int) -> list[Way]:
    """How the texts of a column are read, where some of them show amounts that are no numbers yet."""
    held = dict.fromkeys(row[place] for row in rows if place < len(row) and isinstance(row[place], str))
    texts = [cell.strip() for cell in held if DIGIT.search(cell)]
    if all(NUMBER.match(cell) or number_of(cell) is not None for cell in texts):
        return []
    return number_ways([*texts[: MOST - 1], texts[-1]], Spelling())


def spelled(row: Sequence[Any], spellings: dict[int, Spelling]) -> list[Any]:
    return [
        spellings[place].value(cell.strip()) if place in spellings and isinstance(cell, str) else cell
        for place, cell in enumerate(row)
    ]
