"""dspy's optimizers by name, and how many answers each wants at most; known without dspy.

In: how many examples and steps there are, how far to search. Out: a number of answers. Law: no search wants more.
"""

from __future__ import annotations

from dataclasses import dataclass

OPTIMIZERS = ("bootstrap", "random", "mipro", "simba", "gepa")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How an optimizer is to search. `effort` multiplies what it tries; `demos` is the most examples a step gets."""

    optimizer: str
    seed: int = 0
    effort: int = 1
    demos: int = 16
    threads: int = 8


def most_answers(optimizer: str, train: int, validation: int, steps: int, effort: int) -> int:
    """How many answers a search wants at most, of rows or runs and for proposals."""
    v, t, size = validation, train, min(16, train)
    return {
        "bootstrap": t,
        "random": (4 * effort + 3) * v + (4 * effort + 1) * t,
        "mipro": (6 * effort + 2) * v + 3 * effort * t + 12 * effort * steps + 30,
        "simba": 2 * effort * (size * 7 + 3) + 4 * t,
        "gepa": gepa_metric_calls(v, effort) + 2 * v + 60 * effort,
    }[optimizer]


def most_proposals(optimizer: str, steps: int, effort: int) -> int:
    """How many of these are asked of whoever writes instructions."""
    return {"mipro": 12 * effort * steps + 30, "simba": 6 * effort, "gepa": 60 * effort}.get(optimizer, 0)


def gepa_metric_calls(validation: int, effort: int) -> int:
    """How often gepa may score: its own bound."""
    return (4 * validation + 80) * effort
