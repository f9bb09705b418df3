"""Doubt: how little a row's text speaks for the answer that the model gave, by all the answers that it gave.

In: texts and answers. Out: a number a row, from 0 (as expected) to 1. Law: counted in whole words (naive Bayes), a
row's own words left out; the same rows give the same doubts whatever their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import exp, log

from rlm_dsl.models.proxy_model import WORD

LONGEST = 2_000
"""Characters of a text that are looked at."""
STRATA = (0.05, 0.5)
"""Where doubt is some, and where it is much."""


def doubts(texts: Sequence[str], answers: Sequence[Hashable]) -> list[float]:
    """One minus the probability of each row's answer, by the words of the other rows."""
    words = [sorted(set(WORD.findall(text[:LONGEST].casefold()))) for text in texts]
    held = Counter(answers)
    by_answer: dict[Hashable, Counter[str]] = {answer: Counter() for answer in held}
    for own, answer in zip(words, answers, strict=True):
        by_answer[answer].update(own)
    known: dict[tuple[tuple[str, ...], Hashable], float] = {}
    found = []
    for own, answer in zip(words, answers, strict=True):
        key = (tuple(own), answer)
        if key not in known:
            known[key] = 1 - likely(own, answer, held, by_answer)
        found.append(known[key])
    return found


def likely(
    words: Sequence[str], given: Hashable, held: Counter[Hashable], by_answer: dict[Hashable, Counter[str]]
) -> float:
    """The probability of the answer that was given."""
    scores = {}
    for answer, count in held.items():
        own = 1 if answer == given else 0
        rows = count - own
        counts = by_answer[answer]
        scores[answer] = log(rows + 0.5) + sum(log((counts[word] - own + 0.5) / (rows + 1)) for word in words)
    best = max(scores.values())
    return exp(scores[given] - best) / sum(exp(score - best) for score in scores.values())


def stratum_of(doubt: float) -> str:
    """The stratum of a doubt, by name."""
    return "little doubt" if doubt < STRATA[0] else "some doubt" if doubt < STRATA[1] else "much doubt"
