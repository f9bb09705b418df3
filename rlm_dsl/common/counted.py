"""A count with what is counted, as people say it.

In: a count, a noun. Out: text. Law: one is told as one; thousands are set apart by commas.
"""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 row`, `2,000 rows`: for nouns whose plural ends in s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
