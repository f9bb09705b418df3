"""Chance that is the same on every machine and in any order.

In: a seed and what the draw is for. Out: a fraction, a pick or a normal deviate.
Law: equal arguments give equal draws, and draws for different purposes are independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from rlm_dsl.common.hashing import identity

T = TypeVar("T")


def fraction(purpose: str, seed: int, *about: str | int) -> float:
    """A number from 0 (included) to 1 (excluded)."""
    digest = identity("rlm_dsl.testing/draw", [purpose, seed, *about])
    return (int(digest[:16], 16) >> 11) / 2**53


def pick(choices: Sequence[T], purpose: str, seed: int, *about: str | int) -> T:
    """One of the choices, which must not be empty."""
    return choices[int(fraction(purpose, seed, *about) * len(choices))]


def normal(purpose: str, seed: int, *about: str | int) -> float:
    """A deviate of mean 0 and standard deviation 1."""
    radius = 1.0 - fraction(f"{purpose} radius", seed, *about)
    return math.sqrt(-2.0 * math.log(radius)) * math.cos(2.0 * math.pi * fraction(f"{purpose} angle", seed, *about))
