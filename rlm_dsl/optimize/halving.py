"""Successive halving: of many candidates the few that are worth the full examples.

In: candidates, examples, a score. Out: those left. Law: no more answers are wanted than `most_answers` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.examples import Labelled


def successive_halving(
    candidates: Sequence[Candidate],
    examples: Sequence[Labelled],
    score: Callable[[Candidate, Sequence[Labelled]], tuple[float, ...]],
    keep: int = 2,
) -> list[Candidate]:
    """Successive halving (Jamieson and Talwalkar, 2016): all on a few examples, the better half on twice as many, until
    `keep` are left. `score` gives what is better when greater, compared in order."""
    left, size = list(candidates), max(8, len(examples) // 4)
    while len(left) > keep:
        ranked = sorted(left, key=lambda each: score(each, examples[:size]), reverse=True)
        left, size = ranked[: max(keep, len(left) // 2)], size * 2
    return left


def most_answers(candidates: int, examples: int, keep: int = 2) -> int:
    """How many it wants."""
    asked, size = 0, max(8, examples // 4)
    while candidates > keep:
        asked, candidates, size = asked + candidates * min(size, examples), max(keep, candidates // 2), size * 2
    return asked
