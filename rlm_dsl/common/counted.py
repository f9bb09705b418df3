"""A count with what is counted, and an amount of money, as people say them.

In: a count and a noun, or dollars. Out: text. Law: one is told as one; thousands are set apart by commas; an amount
above nothing is never told as nothing.
"""

from __future__ import annotations

from math import floor, log10

OF_ONE = {"are": "is", "were": "was", "have": "has", "do": "does", "need": "needs", "stand": "stands", "look": "looks"}
"""What verbs are of one."""


def counted(count: int, noun: str, verb: str = "") -> str:
    """`1 row`, `2,000 rows`: for nouns whose plural ends in s; `1 row is`, `2 rows are` with a verb."""
    said = f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
    return f"{said} {OF_ONE[verb] if count == 1 else verb}" if verb else said


def money(usd: float) -> str:
    """`$1.50`, `$0.0123`, `$0.00042`: to the hundredth of a cent; smaller amounts by their first two digits."""
    if usd <= 0:
        return "$0.00"
    if usd < 0.01:
        return f"${usd:.{1 - floor(log10(usd))}f}"
    whole, _, digits = f"{usd:,.4f}".partition(".")
    return f"${whole}.{digits[:2]}{digits[2:].rstrip('0')}"
