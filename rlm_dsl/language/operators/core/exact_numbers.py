"""Numbers that the engine would round by the order of rows, or by the machine's library, the same everywhere.

In: floats or whole numbers. Out: a float. Law: no result depends on the order of values, on threads or on the machine:
spreads are exact fractions rounded once, powers and logarithms are made of operations that every machine rounds alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

SHORT_POWERS = 64
"""Up to this whole exponent a power is an exact fraction, rounded once."""
DEEP = Context(prec=40, traps=[])
"""What other powers are computed in: the library of decimals is the same on every machine."""


def variance_of_floats(values: list[float]) -> float:
    """The variance of a sample of two values or more, rounded once; not a number where a value is infinite or none."""
    if not all(map(math.isfinite, values)):
        return math.nan
    sums: dict[int, int] = defaultdict(int)
    squares: dict[int, int] = defaultdict(int)
    for value in values:
        numerator, denominator = value.as_integer_ratio()
        sums[denominator] += numerator
        squares[denominator] += numerator * numerator
    total = sum(Fraction(whole, denominator) for denominator, whole in sums.items())
    of_squares = sum(Fraction(whole, denominator * denominator) for denominator, whole in squares.items())
    return nearest(spread(len(values), Fraction(total), Fraction(of_squares)))


def variance_of_wholes(values: list[int], scale: int) -> float:
    """The same of whole numbers, or of decimals given as whole numbers of so many digits after the point."""
    of_squares = sum(value * value for value in values)
    return nearest(spread(len(values), Fraction(sum(values)), Fraction(of_squares)) / 100**scale)


def spread(count: int, total: Fraction, of_squares: Fraction) -> Fraction:
    return (count * of_squares - total * total) / (count * (count - 1))


def nearest(number: Fraction) -> float:
    """The float nearest to a number that is not negative; infinite where that is beyond all floats."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


@lru_cache(4096)
def power_of(base: float, exponent: float) -> float:
    """A power that there is: the caller has left out negative powers of zero and broken powers of what is negative."""
    if not (math.isfinite(base) and math.isfinite(exponent)) or base == 0 or exponent == 0:
        return math.pow(base, exponent)
    if exponent == int(exponent) and abs(exponent) <= SHORT_POWERS:
        exact = Fraction(base) ** int(exponent)
        return -nearest(-exact) if exact < 0 else nearest(exact)
    return float(DEEP.power(Decimal(base), Decimal(exponent)))


LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
SERIES = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
"""The logarithm of fdlibm (Sun Microsystems, 1993): within one unit in the last place, of nothing but + - * /."""


def log_of(value: float) -> float:
    """The natural logarithm of what is larger than zero."""
    if not math.isfinite(value):
        return value
    mantissa, twos = math.frexp(value)
    if mantissa < math.sqrt(0.5):
        mantissa, twos = mantissa * 2, twos - 1
    f = mantissa - 1
    s = f / (2 + f)
    z = s * s
    w = z * z
    one, two, three, four, five, six, seven = SERIES
    r = z * (one + w * (three + w * (five + w * seven))) + w * (two + w * (four + w * six))
    half = 0.5 * f * f
    return twos * LN2_HIGH - ((half - (s * (half + r) + twos * LN2_LOW)) - f)


def log_to_base(value: float, base: float) -> float:
    """The logarithm to a base that is larger than zero and not one; whole where the value is a whole power of it."""
    found = log_of(value) / log_of(base)
    near = round(found) if math.isfinite(found) else 0
    return float(near) if near and abs(near) <= SHORT_POWERS and power_of(base, near) == value else found
