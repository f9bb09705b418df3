"""Choices from a seeded generator that come out alike on every machine and every version of Python.

In: a `random.Random`. Out: numbers below a limit, picked items, yes or no.
Law: nothing but `Random.random()` is called, the one method whose sequence Python promises to keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


def below(rng: Random, limit: int) -> int:
    """A whole number from 0 to limit - 1."""
    return int(rng.random() * limit)


def pick(rng: Random, items: Sequence[Item]) -> Item:
    return items[below(rng, len(items))]


def happens(rng: Random, percent: int) -> bool:
    return below(rng, 100) < percent


def weighted(rng: Random, weights: Mapping[Item, int]) -> Item:
    """An item, as often as its weight says; weights are whole numbers."""
    left = below(rng, sum(weights.values()))
    for item, weight in weights.items():
        left -= weight
        if left < 0:
            return item
    raise AssertionError("weights sum to what was drawn from")
