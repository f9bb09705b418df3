"""Exact decimal numbers in Python, whatever the precision of the thread's context.

In: numbers and their texts. Out: `decimal.Decimal` values of a given number of digits after the point, or None. Law:
nothing is rounded; what a decimal of 38 digits cannot hold is None.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal, InvalidOperation

PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)\Z", re.ASCII)
"""Text of a number without an exponent."""
WIDE = Context(prec=800)
DIGITS = 38


def shortest(value: float | int) -> Decimal:
    """The number that a float is printed as."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def scale_needed(value: Decimal) -> int:
    """Digits after the point without which the number would be another."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0:
        return 0
    kept = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -exponent - kept) if any(digits) else 0


def at_scale(value: Decimal, scale: int) -> Decimal | None:
    """The same number with so many digits after the point."""
    if not value.is_finite() or scale_needed(value) > scale or (value.adjusted() + 1 + scale > DIGITS and value):
        return None
    try:
        return value.quantize(Decimal((0, (1,), -scale)), context=WIDE) if value else Decimal((0, (0,), -scale))
    except InvalidOperation:
        return None


def read_decimal(text: str, scale: int) -> Decimal | None:
    """The number of a plain text such as `19.99`; None where it is none or has more digits than are held."""
    return at_scale(Decimal(text), scale) if PLAIN.match(text) else None


def spelled(value: Decimal) -> str:
    """A decimal with all its digits, never with an exponent."""
    return format(value, "f")
